"""What the last outcomes left unfinished, made safe to go on with: it may have got further than the log knows.

An outcome is appended a moment after the step that it tells of, so the last ones may be missing when a database is
lost, and with them the announcement of a write. Whatever might have been sent is therefore announced now: the engine
looks it up for as long as the ERP's delays ask before it makes anything (architecture §2, §5.2). What is held stays so.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import TypeAdapter

from mlc_common.accounting import CreditNote, Invoice
from mlc_common.errors import Held
from mlc_common.posting import adjusting
from mlc_common.posting.gateway import BillingDocument
from mlc_common.posting.ledger import IN_FLIGHT, DocumentRow, OrderLease, State
from mlc_common.posting.store import PostgresLedger
from mlc_common.store.pool import Connection
from mlc_common.store.rebuild.folding import Folding

_DOCUMENT: TypeAdapter[BillingDocument] = TypeAdapter(Invoice | CreditNote)
_PAGE = 200

_WAITS = "(d.state = 'held' and d.pursued_seq >= d.newest_seq)"

_LOOK_UP = f"""
with doubtful as (
    select d.document_key, d.settled_seq from posting_documents d
    where d.state = any($1) or (d.posted is null and d.settled_seq < d.newest_seq and not {_WAITS})
)
update posting_documents d set state = 'unknown', intent_at = now(), reason = '', detail = '', fix = '',
    pursued = coalesce(d.pursued, w.document),
    pursued_seq = case when d.pursued is null then w.seq else d.pursued_seq end
from doubtful o left join lateral (
    select seq, (command::json->'wish'->'document')::text as document from posting_queue q
    where q.document_key = o.document_key and q.seq > o.settled_seq and command::json->'wish'->>'wish' = 'document'
    order by seq limit 1
) w on true
where d.document_key = o.document_key and (d.pursued is not null or w.document is not null)
"""  # noqa: S608 - fixed text

_PARTIES_OF = """
select flow, pursued from posting_documents where state = 'unknown' and pursued is not null
"""

_ANNOUNCE_PARTY = """
insert into posting_parties as p (party_key, flow, external_key, intent_at) values ($1, $2, $3, now())
on conflict (party_key) do nothing
"""

_ADJUSTED_ORDERS = f"""
select distinct o.flow, o.order_key, o.contiguous_seq from posting_documents d
join posting_orders o using (flow, order_key)
where d.adjusts is null and d.posted is not null and not {_WAITS}
    and (d.settled_seq < d.newest_seq or d.state in ('withdrawn', 'adjusted')) and (o.flow, o.order_key) > ($1, $2)
order by o.flow, o.order_key limit {_PAGE}
"""  # noqa: S608 - fixed text

_ANNOUNCE_ADJUSTMENT = """
insert into posting_documents as d (
    document_key, flow, order_key, kind, place, newest_seq, command_id, adjusts, state, intent_at)
values ($1, $2, $3, 'adjustment', $4, $4, $5, $6, 'unknown', now())
on conflict (document_key) do update set state = 'unknown', intent_at = now(), settled_seq = 0, pursued_seq = 0,
    pursued = null, plan = null
"""

_AT_REST = """
update posting_orders o set runnable = exists (
    select 1 from posting_documents d where d.flow = o.flow and d.order_key = o.order_key
        and (d.settled_seq < d.newest_seq or d.intent_at is not null or d.state in ('withdrawn', 'adjusted')))
"""


async def announce(folding: Folding) -> None:
    """Mark what is to be looked up, and its parties; let orders with nothing to do rest."""
    async with folding.pool.acquire() as connection, connection.transaction():
        await connection.execute(_LOOK_UP, [state.value for state in IN_FLIGHT])
        await connection.execute("update posting_documents set intent_at = now() where intent_at is not null")
        await connection.execute("update posting_parties set intent_at = now() where state <> 'ready'")
        await _announce_parties(connection)
    await _announce_adjustments(folding)
    await folding.pool.execute(_AT_REST)


async def _announce_parties(connection: Connection) -> None:
    """A firm may have been asked for and not be seen yet: its buyer's orders wait for it as long as for a document."""
    found: list[tuple[object, ...]] = []
    async for row in connection.cursor(_PARTIES_OF, prefetch=_PAGE):
        party = _DOCUMENT.validate_json(row["pursued"]).party
        if not party.firm and (party.match or party.create):
            found.append((party.key, row["flow"], party.external_key))
        if len(found) >= _PAGE:
            await connection.executemany(_ANNOUNCE_PARTY, found)
            found = []
    await connection.executemany(_ANNOUNCE_PARTY, found)


async def _announce_adjustments(folding: Folding) -> None:
    """A posted document may owe a difference that was being posted: its row may never have been told of."""
    ledger = PostgresLedger(folding.pool, folding.topics, folding.clock, producer="rebuild")
    after: tuple[str, str] = ("", "")
    while orders := await folding.pool.fetch(_ADJUSTED_ORDERS, *after):
        missing = []
        for order in orders:
            lease = OrderLease(order["flow"], order["order_key"], "rebuild", 0, order["contiguous_seq"])
            rows = await ledger.documents(lease)
            missing += [_adjustment(base, rows) for base in rows if _is_owed(base, rows)]
            after = (order["flow"], order["order_key"])
        await folding.pool.executemany(_ANNOUNCE_ADJUSTMENT, missing)


def _is_owed(base: DocumentRow, rows: Sequence[DocumentRow]) -> bool:
    waits = base.state is State.HELD and base.pursued_seq >= base.newest.seq
    if base.adjusts is not None or base.posted is None or waits:
        return False
    pending = adjusting.pending(base, rows)
    if pending is not None and not pending.is_final:
        return False
    try:
        return bool(adjusting.owed(base, rows, base.wish))
    except Held:
        return False


def _adjustment(base: DocumentRow, rows: Sequence[DocumentRow]) -> tuple[object, ...]:
    key, newest = adjusting.next_key(base, rows), base.newest
    return (key, base.flow, base.order_key, newest.seq, newest.command_id, base.key)
