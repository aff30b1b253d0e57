"""The rows of replays: what was asked for, which orders it takes, how far it is; and the states that it folds.

One replay is worked off at a time, by who holds the lease; its fencing number guards every write, so that a process
that stood still meanwhile writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from mlc_common.errors import ConnectorError
from mlc_common.events import PARTITIONS, ReplayRequested
from mlc_common.store.pool import Connection, Pool
from mlc_mapper.store import CONSUMER, LIVE, Key, StateTable, StoredState

STATES = "replay_states"


class ReplayLost(ConnectorError):  # noqa: N818 - names what happened
    """Another process works on this replay now; drop what you did."""

    code = "replay_lost"


@dataclass(frozen=True)
class Replay:
    """A replay in work.

    Attributes:
        request: What was asked for.
        released: Documents that a person released: a release that needs the log.
        stage: ``asked``, ``selected`` (the orders are known), ``folded`` (their states, too), ``done``.
        ends: Per partition, the offset up to which orders are folded anew.
        fencing: Of whoever works on it.
    """

    request: ReplayRequested
    released: tuple[UUID, ...]
    stage: str
    ends: Mapping[int, int]
    fencing: int


async def ask(connection: Connection, request: ReplayRequested, released: Sequence[UUID] = ()) -> None:
    """Put a replay into the queue, within the caller's transaction; one that is known changes nothing."""
    await connection.execute(
        "insert into replays (request_id, request, released) values ($1, $2, $3) on conflict do nothing",
        request.request_id,
        request.model_dump_json(),
        list(released),
    )


async def waits(pool: Pool) -> bool:
    """Whether there is a replay to be worked off."""
    return bool(await pool.fetchval("select exists (select 1 from replays where stage <> 'done')"))


async def waits_for(pool: Pool, by: str) -> bool:
    """Whether there is a replay to be worked off that was asked for by this one."""
    query = "select exists (select 1 from replays where stage <> 'done' and request::json->>'by' = $1)"
    return bool(await pool.fetchval(query, by))


async def newest(pool: Pool) -> int:
    """The place of the newest replay, worked off or not; 0 where there never was one."""
    return int(await pool.fetchval("select coalesce(max(position), 0) from replays"))


async def folded_by_others(pool: Pool, version: int, table: str = LIVE) -> list[str]:
    """The orders whose states another version of ``evolve`` has folded."""
    query = f"select distinct order_key from {table} where evolve_version <> $1 order by order_key"  # noqa: S608 - a constant
    return [row["order_key"] for row in await pool.fetch(query, version)]


async def take(pool: Pool, fencing: int) -> Replay | None:
    """The next replay, taken over by this fencing number; None when there is none.

    One that was begun comes first, because two would need the same tables; then releases, then the oldest.
    """
    row = await pool.fetchrow(
        """
        update replays set fencing = $1
        where request_id = (
            select request_id from replays where stage <> 'done'
            order by stage = 'asked', cardinality(released) = 0, position limit 1
        )
            and fencing <= $1
        returning request, released, stage, ends
        """,
        fencing,
    )
    if row is None:
        return None
    ends = {int(part): int(end) for part, end in json.loads(row["ends"]).items()}
    request = ReplayRequested.model_validate_json(row["request"])
    return Replay(request, tuple(row["released"]), row["stage"], ends, fencing)


async def guard(connection: Connection, replay: Replay) -> None:
    """See, within a transaction and to its end, that nobody took the replay over.

    Raises:
        ReplayLost: somebody did.
    """
    query = "select 1 from replays where request_id = $1 and fencing = $2 and stage <> 'done' for update"
    if await connection.fetchval(query, replay.request.request_id, replay.fencing) is None:
        raise ReplayLost(f"the replay {replay.request.request_id} was taken over")


async def advance(connection: Connection, replay: Replay, stage: str, ends: Mapping[int, int]) -> None:
    """Say how far a replay is."""
    await connection.execute(
        """
        update replays set stage = $2, ends = $3,
            orders = case when $2 = 'folded' then (select count(*) from replay_orders) else orders end
        where request_id = $1
        """,
        replay.request.request_id, stage, json.dumps(ends),
    )  # fmt: skip


async def finish(connection: Connection, replay: Replay) -> tuple[int, int]:
    """End a replay, and drop what it needed: how many orders it took, and how many commands came of it."""
    row = await connection.fetchrow(
        "update replays set stage = 'done', finished_at = now() where request_id = $1 returning orders, commands",
        replay.request.request_id,
    )
    await forget(connection)
    return (row["orders"], row["commands"]) if row else (0, 0)


async def forget(connection: Connection) -> None:
    """Drop the orders and states of the replay before."""
    await connection.execute("delete from replay_orders")
    await forget_states(connection)


async def forget_states(connection: Connection) -> None:
    """Drop the states that were folded."""
    await connection.execute(f"delete from {STATES}")  # noqa: S608 - a constant


async def read_until(connection: Connection | Pool, topic: str) -> dict[int, int]:
    """How far the mapper has read each partition of a topic."""
    rows = await connection.fetch(
        "select part, next_offset from consumer_positions where consumer = $1 and topic = $2", CONSUMER, topic
    )
    return dict.fromkeys(range(PARTITIONS), 0) | {row["part"]: row["next_offset"] for row in rows}


async def select(connection: Connection, keys: Collection[Key]) -> None:
    """Add orders to those that the replay takes."""
    await connection.execute(
        """
        insert into replay_orders (flow, order_key) select * from unnest($1::text[], $2::text[]) on conflict do nothing
        """,
        [flow for flow, _ in keys], [order for _, order in keys],
    )  # fmt: skip


async def keep_only(connection: Connection, keys: Collection[Key]) -> None:
    """Drop every order but these from those that the replay takes."""
    await connection.execute(
        """
        delete from replay_orders r where not exists (
            select 1 from unnest($1::text[], $2::text[]) as k (flow, order_key)
            where k.flow = r.flow and k.order_key = r.order_key)
        """,
        [flow for flow, _ in keys], [order for _, order in keys],
    )  # fmt: skip


async def select_folded(connection: Connection) -> None:
    """Take every order that was folded."""
    await connection.execute(
        f"insert into replay_orders (flow, order_key) select flow, order_key from {STATES} on conflict do nothing"  # noqa: S608 - a constant
    )


async def few_selected(connection: Connection | Pool, most: int) -> list[Key] | None:
    """The orders that the replay takes, if they are not more than ``most``."""
    rows = await connection.fetch("select flow, order_key from replay_orders limit $1", most + 1)
    return [(row["flow"], row["order_key"]) for row in rows] if len(rows) <= most else None


async def undecided(pool: Pool, most: int) -> list[Key]:
    """The next orders to be decided about."""
    rows = await pool.fetch(
        "select flow, order_key from replay_orders where not decided order by flow, order_key limit $1", most
    )
    return [(row["flow"], row["order_key"]) for row in rows]


async def begin_order(connection: Connection, key: Key) -> bool:
    """Lock an order that is to be decided about; False when it was decided meanwhile."""
    query = "select 1 from replay_orders where flow = $1 and order_key = $2 and not decided for update"
    return await connection.fetchval(query, *key) is not None


async def end_order(connection: Connection, replay: Replay, key: Key, commands: int) -> None:
    """Say that an order was decided about."""
    await connection.execute("update replay_orders set decided = true where flow = $1 and order_key = $2", *key)
    if commands:
        await connection.execute(
            "update replays set commands = commands + $2 where request_id = $1", replay.request.request_id, commands
        )


class ReplayStates:
    """The states of the replay in work: see ``refold.Storage``; every write is guarded."""

    def __init__(self, pool: Pool, replay: Replay, *, everything: bool) -> None:
        """Take all orders of the log, or only those that were selected."""
        self._pool = pool
        self._replay = replay
        self._everything = everything

    async def admitted(self, keys: Collection[Key]) -> Collection[Key]:
        """See ``Storage``."""
        if self._everything:
            return [key for key in keys if self._replay.request.flow in ("", key[0])]
        rows = await self._pool.fetch(
            """
            select flow, order_key from replay_orders
            join unnest($1::text[], $2::text[]) as k (flow, order_key) using (flow, order_key)
            """,
            [flow for flow, _ in keys], [order for _, order in keys],
        )  # fmt: skip
        return {(row["flow"], row["order_key"]) for row in rows}

    async def load(self, keys: Collection[Key]) -> Mapping[Key, StoredState]:
        """See ``Storage``."""
        return await StateTable(self._pool, STATES).load(keys)

    async def save(self, states: Collection[StoredState]) -> None:
        """See ``Storage``."""
        async with self._pool.acquire() as connection, connection.transaction():
            await guard(connection, self._replay)
            await StateTable(connection, STATES).save(states)
