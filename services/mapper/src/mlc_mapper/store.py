"""The mapper's rows: the state of each order in each flow, a projection of raw events and issued commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlc_common.store.pool import Connection, Pool

CONSUMER = "mapper"


@dataclass(frozen=True)
class StoredState:
    """One order's state as text of JSON, and the version of ``evolve`` that folded it.

    ``defect`` names the error of ours that stopped this order; its later events wait for the fix and a replay.
    """

    flow: str
    order_key: str
    evolve_version: int
    state: str
    defect: str = ""


async def load(connection: Connection, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], StoredState]:
    """The states of these (flow, order key) pairs, locked until the transaction ends; absent where never seen."""
    rows = await connection.fetch(
        """
        select s.flow, s.order_key, s.evolve_version, s.state, s.defect
        from unnest($1::text[], $2::text[]) as k (flow, order_key)
        join order_states s on s.flow = k.flow and s.order_key = k.order_key
        order by s.flow, s.order_key for update of s
        """,
        [flow for flow, _ in keys], [order for _, order in keys],
    )  # fmt: skip
    return {(r["flow"], r["order_key"]): StoredState(**r) for r in rows}


async def save(connection: Connection, states: Mapping[tuple[str, str], StoredState]) -> None:
    """Write these states."""
    rows = [(s.flow, s.order_key, s.evolve_version, s.state, s.defect) for _, s in sorted(states.items())]
    await connection.executemany(
        """
        insert into order_states (flow, order_key, evolve_version, state, defect) values ($1, $2, $3, $4, $5)
        on conflict (flow, order_key) do update
        set evolve_version = excluded.evolve_version, state = excluded.state, defect = excluded.defect
        """,
        rows,
    )


async def acknowledged(pool: Pool, topic: str) -> dict[int, int]:
    """Positions below which every outbox row of the mapper has been appended to the log, per partition."""
    rows = await pool.fetch(
        """
        select part, next_offset from consumer_positions p
        where consumer = $1 and topic = $2
            and not exists (select 1 from outbox o where o.producer = $1 and o.lane = p.part)
        """,
        CONSUMER, topic,
    )  # fmt: skip
    return {r["part"]: r["next_offset"] for r in rows}
