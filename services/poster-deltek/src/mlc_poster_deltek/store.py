"""What the poster counts in its tables, for the gauges. Reads only."""

from __future__ import annotations

from mlc_common.store.pool import Pool


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
