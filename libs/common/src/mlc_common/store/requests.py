"""What came of the requests of people (releases, resolutions, replays): written by the mapper, read by who asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from mlc_common.store.pool import Connection, Pool


@dataclass(frozen=True)
class Answer:
    """What came of a request for one order: the ids of its commands, or a note why there are none."""

    request_id: UUID
    flow: str
    order_key: str
    commands: tuple[UUID, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class ReplayProgress:
    """How far a replay is: orders decided of those selected, and the commands that came of it.

    ``stage`` is ``asked``, ``selected``, ``folded`` or ``done``; ``orders`` is known once it is folded.
    """

    stage: str
    orders: int
    decided: int
    commands: int

    @property
    def done(self) -> bool:
        """Whether every order was decided."""
        return self.stage == "done"


async def answer(connection: Connection, said: Answer) -> None:
    """Record what came of a request for an order, within the caller's transaction."""
    await connection.execute(
        """
        insert into answered_requests (request_id, flow, order_key, commands, note) values ($1, $2, $3, $4, $5)
        on conflict do nothing
        """,
        said.request_id, said.flow, said.order_key, list(said.commands), said.note,
    )  # fmt: skip


async def is_answered(connection: Connection | Pool, request_id: UUID, flow: str, order_key: str) -> bool:
    """Whether a request was dealt with for an order: a second copy of it changes nothing."""
    query = "select exists (select 1 from answered_requests where (request_id, flow, order_key) = ($1, $2, $3))"
    return bool(await connection.fetchval(query, request_id, flow, order_key))


async def answers(pool: Pool, request_ids: Sequence[UUID]) -> list[Answer]:
    """What came of these requests so far."""
    rows = await pool.fetch(
        """
        select request_id, flow, order_key, commands, note from answered_requests
        where request_id = any($1::uuid[]) order by flow, order_key
        """,
        list(request_ids),
    )
    return [Answer(r["request_id"], r["flow"], r["order_key"], tuple(r["commands"]), r["note"]) for r in rows]


async def orders_at_work(pool: Pool, request_ids: Sequence[UUID]) -> int:
    """Of how many orders the commands of these requests have not come to rest: settled, held, or behind a hold."""
    query = """
        with asked as (
            select flow, order_key, unnest(commands) as command_id from answered_requests
            where request_id = any($1::uuid[])
        )
        select count(distinct (a.flow, a.order_key)) from asked a
        left join posting_queue q using (command_id)
        left join posting_orders o on o.flow = q.flow and o.order_key = q.order_key
        where q.command_id is null or o.runnable or o.lease_until > now() or o.contiguous_seq < q.seq
    """
    return int(await pool.fetchval(query, list(request_ids)))


async def replay_progress(pool: Pool, request_id: UUID) -> ReplayProgress | None:
    """How far a replay is; None before the mapper has read the request."""
    row = await pool.fetchrow(
        """
        select stage, orders, commands,
            case when stage = 'folded' then (select count(*) from replay_orders where decided)::int
                when stage = 'done' then orders else 0 end as decided
        from replays where request_id = $1
        """,
        request_id,
    )
    return ReplayProgress(row["stage"], row["orders"], row["decided"], row["commands"]) if row else None


async def documents_of_commands(pool: Pool, command_ids: Sequence[UUID]) -> set[UUID]:
    """The documents that these commands are about."""
    query = "select distinct document_key from posting_queue where command_id = any($1::uuid[])"
    return {row["document_key"] for row in await pool.fetch(query, list(command_ids))}
