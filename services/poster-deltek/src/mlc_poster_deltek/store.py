"""What the poster reads in its tables beside the ledger's own work: figures for the gauges, what is finally posted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from mlc_common.accounting import CreditNote, Invoice
from mlc_common.posting.gateway import BillingDocument, Plan
from mlc_common.store.pool import Pool

_DOCUMENT: TypeAdapter[BillingDocument] = TypeAdapter(Invoice | CreditNote)


@dataclass(frozen=True)
class Settled:
    """A document for which nothing is outstanding, as it was sent: ``posted`` into the books, or given up."""

    document: BillingDocument
    plan: Plan
    posted: bool


async def open_documents(pool: Pool, erp: str) -> dict[str, int]:
    """How many documents of an ERP connection are unfinished or held, by state. What is final is not among them."""
    rows = await pool.fetch(
        """
        select d.state, count(*) as n from posting_orders o join posting_documents d using (flow, order_key)
        where o.erp = $1 and o.runnable and d.settled_seq < d.newest_seq and d.state <> 'held' group by d.state
        union all
        select 'held', count(*) from posting_documents d join posting_orders o using (flow, order_key)
        where o.erp = $1 and d.state = 'held'
        """,
        erp,
    )
    return {row["state"]: row["n"] for row in rows}


async def outbox_length(pool: Pool, producer: str) -> int:
    """How many events of a producer wait to be appended to the log."""
    return int(await pool.fetchval("select count(*) from outbox where producer = $1", producer))


async def settled_for_good(pool: Pool, erp: str, references: Sequence[str]) -> list[Settled]:
    """Those of the references whose document is posted or withdrawn, with nothing newer wanted, nothing outstanding."""
    rows = await pool.fetch(
        """
        select coalesce(d.posted, d.pursued) as document, d.plan, d.posted is not null as posted
        from posting_documents d join posting_orders o using (flow, order_key)
        where o.erp = $1 and (d.posted is not null or (d.pursued is not null and d.state = 'withdrawn'))
            and d.settled_seq >= d.newest_seq and d.intent_at is null
            and d.plan::json ->> 'reference' = any($2::text[])
        """,
        erp,
        list(references),
    )
    return [Settled(_DOCUMENT.validate_json(r["document"]), Plan(**json.loads(r["plan"])), r["posted"]) for r in rows]
