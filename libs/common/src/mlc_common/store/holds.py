"""What waits for a person, as the posting ledger knows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mlc_common.store.pool import Connection, Pool


@dataclass(frozen=True)
class HeldDocument:
    """One document that is held: why, since when, and what blocks behind it."""

    flow: str
    order_key: str
    kind: str
    document_key: str
    reason: str
    detail: str
    fix: str
    posted: bool
    since: datetime


async def held(pool: Pool) -> list[HeldDocument]:
    """Every held document, the oldest first."""
    rows = await pool.fetch(
        """
        select flow, order_key, kind, document_key::text, reason, detail, fix, posted is not null as posted,
            updated_at as since
        from posting_documents where state = 'held' order by updated_at, order_key
        """
    )
    return [HeldDocument(**row) for row in rows]


async def count_by_state(pool: Pool) -> dict[tuple[str, str], int]:
    """How many documents are in which state, by (flow, state)."""
    rows = await pool.fetch("select flow, state, count(*) as n from posting_documents group by flow, state")
    return {(row["flow"], row["state"]): row["n"] for row in rows}


async def unsettled(pool: Pool) -> int:
    """How many documents are neither final nor held: 0 = everything that arrived has an outcome."""
    query = """
        select count(*) from posting_documents
        where not (state = 'held') and settled_seq < newest_seq
    """
    return int(await pool.fetchval(query))


async def held_keys(connection: Connection | Pool, flow: str, order_key: str) -> set[UUID]:
    """The documents of an order that are held and not in the books: how they are booked is still open."""
    query = """
        select document_key from posting_documents
        where flow = $1 and order_key = $2 and state = 'held' and posted is null
    """
    return {row["document_key"] for row in await connection.fetch(query, flow, order_key)}


async def held_orders(connection: Connection | Pool, reason: str) -> list[tuple[str, str]]:
    """Flow and key of every order that is held for a reason."""
    query = "select distinct flow, order_key from posting_documents where state = 'held' and reason = $1"
    return [(row["flow"], row["order_key"]) for row in await connection.fetch(query, reason)]
