"""What the posting ledger says of given orders, for whoever explains why something is not in the books. Reads only.

It never proves that something is posted: that is read from the ERP itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from mlc_common.store.pool import Pool

# JSON is read here and not by the server, which refuses what a store's text may hold (an escaped NUL).
_ROWS = """
select d.order_key, d.document_key, d.adjusts, d.state, d.reason, d.detail, d.fix, d.updated_at,
    d.settled_seq < d.newest_seq as unfinished, q.command, coalesce(d.posted, d.pursued) as document
from posting_documents d
left join lateral (
    select command from posting_queue q where q.document_key = d.document_key order by q.seq desc limit 1
) q on true
where d.flow = $1 and d.order_key = any($2::text[])
order by d.order_key, d.place
"""

_STATES = """
select s.order_key, s.state, coalesce(o.contiguous_seq, 0) as arrived
from order_states s left join posting_orders o using (flow, order_key)
where s.flow = $1 and s.order_key = any($2::text[])
"""


@dataclass(frozen=True)
class LedgerRow:
    """One document's row.

    Attributes:
        adjusts: Key of the document that this one corrects.
        unfinished: Its newest command is not settled.
        since: When the row last changed.
        wish: The newest wish's own word (``document``, ``withdrawn``, ``held``, ``resolved``); empty where unknown.
        refund: The store's id of the refund that it credits, as far as the row tells; empty otherwise.
        by: Who settled it by hand, and ``why``.
    """

    key: UUID
    adjusts: UUID | None
    state: str
    reason: str
    detail: str
    fix: str
    unfinished: bool
    since: datetime
    wish: str
    refund: str
    by: str
    why: str


@dataclass(frozen=True)
class LedgerOrder:
    """One order's rows by place; ``queued`` while commands of it have not reached the poster."""

    rows: tuple[LedgerRow, ...] = ()
    queued: bool = False


@dataclass
class _Found:
    rows: list[LedgerRow] = field(default_factory=list)
    queued: bool = False


async def recorded(pool: Pool, flow: str, order_keys: Sequence[str]) -> dict[str, LedgerOrder]:
    """What is recorded of these orders of a flow; orders of which nothing is recorded are left out."""
    found: dict[str, _Found] = {}
    for row in await pool.fetch(_ROWS, flow, list(order_keys)):
        found.setdefault(row["order_key"], _Found()).rows.append(_row(row))
    for row in await pool.fetch(_STATES, flow, list(order_keys)):
        if int(json.loads(row["state"]).get("seq", 0)) > row["arrived"]:
            found.setdefault(row["order_key"], _Found()).queued = True
    return {key: LedgerOrder(tuple(order.rows), order.queued) for key, order in found.items()}


def _row(row: Any) -> LedgerRow:
    wish = json.loads(row["command"])["wish"] if row["command"] else {}
    sources = json.loads(row["document"])["sources"] if row["document"] else []
    return LedgerRow(
        key=row["document_key"],
        adjusts=row["adjusts"],
        state=row["state"],
        reason=row["reason"],
        detail=row["detail"],
        fix=row["fix"],
        unfinished=row["unfinished"],
        since=row["updated_at"],
        wish=str(wish.get("wish", "")),
        refund=next((str(source["id"]) for source in sources if source["kind"] == "refund"), ""),
        by=str(wish.get("by", "")),
        why=str(wish.get("why", "")),
    )
