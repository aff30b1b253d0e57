"""Rows that only a rebuild writes: defects as the log recorded them, and the mapper's events still to be appended."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from mlc_common.events import ReplayCompleted, ReplayRequested
from mlc_common.store import outbox
from mlc_common.store.outbox import Outgoing
from mlc_common.store.pool import Connection, Pool
from mlc_common.store.requests import Answer
from mlc_mapper.store import CONSUMER

_DEFECTS = r"""
update order_states s set defect = substring(q.command from '"detail":"(\w+) in the mapper\."')
from (
    select distinct on (flow, order_key) flow, order_key, command from posting_queue order by flow, order_key, seq desc
) q
where s.flow = q.flow and s.order_key = q.order_key
    and q.command ~ '"reason":"internal_error","detail":"\w+ in the mapper\."'
"""

_UNCOMMANDED = """
select s.flow, s.order_key, s.newest_offset from order_states s
where not exists (select 1 from posting_queue q where q.flow = s.flow and q.order_key = s.order_key)
    and (s.flow, s.order_key) > ($1, $2)
order by s.flow, s.order_key limit 500
"""


async def mark_defects(pool: Pool) -> None:
    """Stop the orders that a defect of ours had stopped: their newest command says so."""
    await pool.execute(_DEFECTS)


async def commanded_without_state(pool: Pool) -> int:
    """How many orders were commanded, and no event of theirs could be folded."""
    query = """
        select count(distinct (q.flow, q.order_key)) from posting_queue q
        where not exists (select 1 from order_states s where s.flow = q.flow and s.order_key = q.order_key)
    """
    return int(await pool.fetchval(query))


async def uncommanded(pool: Pool, after: tuple[str, str]) -> list[tuple[str, str, int]]:
    """The next orders of which nothing was ever commanded: flow, order key, offset of the newest event."""
    return [(row["flow"], row["order_key"], row["newest_offset"]) for row in await pool.fetch(_UNCOMMANDED, *after)]


async def send(pool: Pool, outgoing: Sequence[Outgoing]) -> None:
    """Leave events for the mapper to append once it runs."""
    async with pool.acquire() as connection, connection.transaction():
        await outbox.add(connection, CONSUMER, outgoing)


async def answers_by_command(pool: Pool, requests: Collection[UUID]) -> list[Answer]:
    """What came of these requests, as far as commands tell: they name the request as their cause."""
    rows = await pool.fetch(
        """
        select command::json->>'cause' as cause, flow, order_key, array_agg(command_id order by seq) as ids
        from posting_queue where command::json->>'cause' = any($1::text[]) group by 1, 2, 3
        """,
        [str(request) for request in requests],
    )
    return [Answer(UUID(row["cause"]), row["flow"], row["order_key"], tuple(row["ids"])) for row in rows]


async def add_done_replay(connection: Connection, request: ReplayRequested, done: ReplayCompleted) -> None:
    """A replay that is through."""
    await connection.execute(
        """
        insert into replays (request_id, request, stage, orders, commands, finished_at)
        values ($1, $2, 'done', $3, $4, $5) on conflict do nothing
        """,
        request.request_id, request.model_dump_json(), done.orders, done.commands, done.at,
    )  # fmt: skip
