"""What of the tables of ``mlc_common`` the log records: what a rebuilt row must have in common with the old one.

Not recorded, and so not compared: leases, tries and times of looks, and how far an unfinished document is; that is
looked up. Positions may only have gone forward.
"""

from __future__ import annotations

from pydantic import TypeAdapter

from mlc_common.accounting import CreditNote, Invoice
from mlc_common.audit import CONSUMER
from mlc_common.events import Command
from mlc_common.posting.gateway import BillingDocument
from mlc_common.posting.ledger import IN_FLIGHT
from mlc_common.store.rebuild.comparison import Compared, as_json

_DOCUMENT: TypeAdapter[BillingDocument] = TypeAdapter(Invoice | CreditNote)

_FLYING = ", ".join(f"'{state.value}'" for state in sorted(IN_FLIGHT))
_WAITS = "(r.state = 'held' and r.pursued_seq >= r.newest_seq)"
_OPEN = f"(r.state in ({_FLYING}) or (r.settled_seq < r.newest_seq and not {_WAITS}))"


def _settled(column: str) -> str:
    return f"case when not {_OPEN} then r.{column} end"


def _document(text: str | None) -> BillingDocument | None:
    return _DOCUMENT.validate_json(text) if text else None


MAPPINGS = Compared(
    "mappings",
    ("flow", "version"),
    {name: f"r.{name}" for name in ("store", "erp", "body", "needs", "since", "applied_by", "applied_at", "current")},
)

QUEUE = Compared(
    "posting_queue",
    ("flow", "order_key", "seq"),
    {name: f"r.{name}" for name in ("command_id", "document_key", "kind", "command")},
    meanings={"command": Command.model_validate_json},
)

ORDERS = Compared("posting_orders", ("flow", "order_key"), {"erp": "r.erp", "contiguous_seq": "r.contiguous_seq"})

DOCUMENTS = Compared(
    "posting_documents",
    ("document_key",),
    {
        **{name: f"r.{name}" for name in ("flow", "order_key", "kind", "place", "newest_seq", "adjusts")},
        "state": f"case when {_OPEN} then 'unfinished' else r.state end",
        **{name: _settled(name) for name in ("version", "settled_seq", "pursued_seq", "sent", "posted", "erp_ids")},
        **{name: _settled(name) for name in ("reason", "detail", "fix")},
        "command_id": "case when r.adjusts is not null then r.command_id end",
        "plan": f"case when r.posted is not null and not {_OPEN} then r.plan end",
    },
    meanings={"posted": _document, "erp_ids": as_json, "plan": as_json},
    named_by=("order_key", "kind"),
    # What adjusts a posted document and may have been sent is made again, to be looked up.
    where="not (old.there is null and fresh.c_adjusts is not null and fresh.c_state = 'unfinished')",
)

PARTIES = Compared(
    "posting_parties",
    ("party_key",),
    {name: f"r.{name}" for name in ("flow", "version", "state", "external_key", "erp_id")},
    rows="r.state = 'ready'",
)

POSITIONS = Compared(
    "consumer_positions",
    ("consumer", "topic", "part"),
    {"next_offset": "r.next_offset"},
    where="old.c_next_offset > coalesce(fresh.c_next_offset, 0)",
)

_INDEXED = (
    "event_id",
    "event_type",
    "subject",
    "at",
    "stage",
    "facts",
    "record_digest",
    "previous",
    "chain",
    "format",
)

AUDIT_INDEX = Compared(
    "audit_index",
    ("topic", "part", "record_offset"),
    {name: f"r.{name}" for name in _INDEXED},
    # What the auditor had not read yet, the old index cannot have.
    where=f"""
        old.there is not null or exists (
            select 1 from consumer_positions p where p.consumer = '{CONSUMER}' and p.topic = fresh.k_topic
                and p.part = fresh.k_part and p.next_offset > fresh.k_record_offset)
    """,  # noqa: S608 - fixed text
)

COMPARED = (MAPPINGS, QUEUE, ORDERS, DOCUMENTS, PARTIES, POSITIONS)
