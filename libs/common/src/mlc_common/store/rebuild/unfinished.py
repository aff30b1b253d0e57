"""What the last outcomes left unfinished, made safe to go on with: it may have got further than the log knows.

An outcome is appended a moment after the step that it tells of, so the last ones may be missing when a database is
lost, and with them the announcement of a write. Whatever might have been sent is therefore announced now: the engine
looks it up for as long as the ERP's delays ask before it makes anything (architecture §2, §5.2). What is held stays so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydantic import TypeAdapter

from mlc_common.accounting import CreditNote, Invoice
from mlc_common.errors import Held
from mlc_common.events import Command
from mlc_common.posting import adjusting
from mlc_common.posting.gateway import BillingDocument
from mlc_common.posting.ledger import IN_FLIGHT, DocumentRow, OrderLease, State
from mlc_common.posting.store import PostgresLedger
from mlc_common.store.pool import Connection, Pool
from mlc_common.store.rebuild.folding import Folding

_DOCUMENT: TypeAdapter[BillingDocument] = TypeAdapter(Invoice | CreditNote)
_PAGE = 200

_WAITS = "(d.state = 'held' and d.pursued_seq >= d.newest_seq)"

_LOOK_UP = f"""
with doubtful as (
    select d.document_key, greatest(d.settled_seq, case when d.state = 'held' and d.intent_at is null and not d.sent
        then d.pursued_seq else 0 end) as known_seq
    from posting_documents d
    where d.state = any($1) or (d.posted is null and d.settled_seq < d.newest_seq and not {_WAITS})
)
update posting_documents d set state = 'unknown', intent_at = now(), reason = '', detail = '', fix = '',
    pursued = coalesce(d.pursued, w.document),
    pursued_seq = case when d.pursued is null then w.seq else d.pursued_seq end,
    doubted = case when d.adjusts is null then coalesce(w.commands, '[]') else '[]' end
from doubtful o left join lateral (
    select min(seq) as seq, (array_agg(command::json->'wish'->'document' order by seq))[1]::text as document,
        json_agg(command::json order by seq)::text as commands
    from posting_queue q
    where q.document_key = o.document_key and q.seq > o.known_seq and command::json->'wish'->>'wish' = 'document'
) w on true
where d.document_key = o.document_key and (d.pursued is not null or w.document is not null)
"""  # noqa: S608 - fixed text
"""What the log tells of a document after a hold with nothing sent can only follow from what was asked for since."""

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
    document_key, flow, order_key, kind, place, newest_seq, command_id, adjusts, state, intent_at, doubted)
values ($1, $2, $3, 'adjustment', $4, $4, $5, $6, 'unknown', now(), $7)
on conflict (document_key) do update set state = 'unknown', intent_at = now(), settled_seq = 0, pursued_seq = 0,
    pursued = null, plan = null, doubted = excluded.doubted
"""

_DOUBT_ADJUSTMENT = "update posting_documents set doubted = $2 where document_key = $1 and state = 'unknown'"

_EARLIER = "select command from posting_queue where document_key = $1 and seq >= $2 and seq < $3 order by seq"

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
    """A posted document may owe a difference that was being posted: its row may never have been told of.

    So may it for a wish that another has followed since.
    """
    ledger = PostgresLedger(folding.pool, folding.topics, folding.clock, producer="rebuild")
    after: tuple[str, str] = ("", "")
    while orders := await folding.pool.fetch(_ADJUSTED_ORDERS, *after):
        for order in orders:
            lease = OrderLease(order["flow"], order["order_key"], "rebuild", 0, order["contiguous_seq"])
            rows = await ledger.documents(lease)
            for base in rows:
                await _announce_adjustment(folding.pool, base, rows)
            after = (order["flow"], order["order_key"])


async def _announce_adjustment(pool: Pool, base: DocumentRow, rows: Sequence[DocumentRow]) -> None:
    waits = base.state is State.HELD and base.pursued_seq >= base.newest.seq
    if base.adjusts is not None or base.posted is None or waits:
        return
    earlier = await pool.fetch(_EARLIER, base.key, base.settled_seq, base.newest.seq)
    commands = (Command.model_validate_json(row["command"]) for row in earlier)
    doubted = [one.model_dump_json() for one in commands if _is_owed(replace(base, newest=one, before=None), rows)]
    pending = adjusting.pending(base, rows)
    if pending is not None and not pending.is_final:
        await pool.execute(_DOUBT_ADJUSTMENT, pending.key, f"[{','.join(doubted)}]")
    elif doubted or _is_owed(base, rows):
        key, newest = adjusting.next_key(base, rows), base.newest
        await pool.execute(
            _ANNOUNCE_ADJUSTMENT, key, base.flow, base.order_key, newest.seq, newest.command_id, base.key,
            f"[{','.join(doubted)}]",
        )  # fmt: skip


def _is_owed(base: DocumentRow, rows: Sequence[DocumentRow]) -> bool:
    try:
        return bool(adjusting.owed(base, rows, base.wish))
    except Held:
        return False
