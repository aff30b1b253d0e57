"""What waits for a person, as the posting ledger knows it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from asyncpg import Record
from pydantic import TypeAdapter

from mlc_common.accounting import CreditNote, Invoice
from mlc_common.events import Command, DocumentWish, ResolvedWish, Wish
from mlc_common.store.pool import Connection, Pool

_DOCUMENT: TypeAdapter[Invoice | CreditNote] = TypeAdapter(Invoice | CreditNote)


@dataclass(frozen=True)
class HeldDocument:
    """One document that is held: why, since when, and how many of its order wait behind it.

    ``released_as`` is the key of the document to be released or resolved: its own, or, for what adjusts a posted
    document, that document's.
    """

    flow: str
    order_key: str
    kind: str
    document_key: str
    reason: str
    detail: str
    fix: str
    posted: bool
    since: datetime
    behind: int = 0
    released_as: UUID | None = None


@dataclass(frozen=True)
class LedgerDocument:
    """One document of an order as the ledger knows it.

    Attributes:
        wish: What was last asked of it: a wish's name.
        number: In the ERP, or as it would be; ``reference`` likewise.
        total: Of what is to be posted; ``posted_total`` of what stands in the books by itself. With the currency.
        erp_ids: As the ERP gave them.
        sent: Whether a draft of ours may be in the ERP.
        settled: Whether the newest command has reached its end.
        adjusts: The document that this one adjusts.
    """

    flow: str
    order_key: str
    document_key: UUID
    kind: str
    place: int
    state: str
    wish: str
    number: str
    reference: str
    total: str
    posted_total: str
    erp_ids: dict[str, str]
    sent: bool
    settled: bool
    attempts: int
    reason: str
    detail: str
    fix: str
    adjusts: UUID | None
    updated_at: datetime


async def held(pool: Pool, *, reason: str = "", flow: str = "", since: datetime | None = None) -> list[HeldDocument]:
    """Every held document, the oldest first.

    Args:
        pool: Of the database.
        reason: Only this one.
        flow: Only of this one.
        since: Only what is held since then.
    """
    rows = await pool.fetch(
        """
        select d.flow, d.order_key, d.kind, d.document_key::text, d.reason, d.detail, d.fix,
            d.posted is not null as posted, d.updated_at as since,
            coalesce(d.adjusts, d.document_key) as released_as,
            (
                select count(*) from posting_documents b
                where b.flow = d.flow and b.order_key = d.order_key and b.place > d.place and b.state <> 'held'
                    and b.settled_seq < b.newest_seq
            )::int as behind
        from posting_documents d
        where d.state = 'held' and ($1 = '' or d.reason = $1) and ($2 = '' or d.flow = $2)
            and ($3::timestamptz is null or d.updated_at >= $3)
        order by d.updated_at, d.order_key, d.place
        """,
        reason,
        flow,
        since,
    )
    return [HeldDocument(**row) for row in rows]


async def documents_of(pool: Pool, flow: str, order_key: str) -> list[LedgerDocument]:
    """Every document of an order, by its place."""
    rows = await pool.fetch(
        """
        select d.*, q.command from posting_documents d
        left join lateral (
            select command from posting_queue q
            where q.document_key = coalesce(d.adjusts, d.document_key) order by q.seq desc limit 1
        ) q on true
        where d.flow = $1 and d.order_key = $2 order by d.place, d.adjusts nulls first
        """,
        flow,
        order_key,
    )
    return [_document(row) for row in rows]


def _document(row: Record) -> LedgerDocument:
    wish = Command.model_validate_json(row["command"]).wish if row["command"] else None
    wished = wish.document if isinstance(wish, DocumentWish) and row["adjusts"] is None else None
    posted, pursued = _billing(row["posted"]), _billing(row["pursued"])
    known = pursued or posted or wished
    plan = json.loads(row["plan"]) if row["plan"] else {}
    return LedgerDocument(
        flow=row["flow"],
        order_key=row["order_key"],
        document_key=row["document_key"],
        kind=row["kind"],
        place=row["place"],
        state=row["state"],
        wish=wish.wish if wish else "",
        number=plan.get("number") or (known.number if known else ""),
        reference=plan.get("reference") or (known.reference if known else ""),
        total=_amount(wished or known),
        posted_total=_amount(posted),
        erp_ids=json.loads(row["erp_ids"]),
        sent=row["sent"],
        settled=row["settled_seq"] >= row["newest_seq"],
        attempts=row["attempts"],
        reason=row["reason"],
        detail=row["detail"],
        fix=row["fix"],
        adjusts=row["adjusts"],
        updated_at=row["updated_at"],
    )


def _billing(text: str | None) -> Invoice | CreditNote | None:
    return _DOCUMENT.validate_json(text) if text else None


def _amount(document: Invoice | CreditNote | None) -> str:
    return f"{document.total} {document.currency}" if document else ""


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


async def newest_wishes(connection: Connection | Pool, flow: str, order_key: str) -> dict[UUID, Wish]:
    """What was last wished of each document of an order; what a person said of one is no wish."""
    query = """
        select command from posting_queue where flow = $1 and order_key = $2 order by seq
    """
    commands = [Command.model_validate_json(row["command"]) for row in await connection.fetch(query, flow, order_key)]
    return {one.document_key: one.wish for one in commands if not isinstance(one.wish, ResolvedWish)}
