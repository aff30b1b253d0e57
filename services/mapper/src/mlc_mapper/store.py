"""The mapper's rows: the state of each order in each flow, a projection of raw events and issued commands.

The table of the states in force is ``LIVE``; folding the log anew fills others of the same shape beside it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mlc_common.errors import Retryable
from mlc_common.store.pool import Connection, Pool
from mlc_mapper.state import EVOLVE_VERSION

CONSUMER = "mapper"
LIVE = "order_states"

_NAME = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?")

Key = tuple[str, str]
"""Flow and order key."""


@dataclass(frozen=True)
class StoredState:
    """One order's state as text of JSON, and the version of ``evolve`` that folded it.

    ``defect`` names the error of ours that stopped this order; its later events wait for the fix and a release.
    ``newest_event`` and ``newest_offset`` are those of the last raw event that the state has seen.
    """

    flow: str
    order_key: str
    evolve_version: int
    state: str
    defect: str = ""
    newest_event: str = ""
    newest_offset: int = -1

    @property
    def key(self) -> Key:
        """Flow and order key."""
        return self.flow, self.order_key

    @property
    def is_of_another_version(self) -> bool:
        """Whether it may not be what the order's events make of it today."""
        return self.evolve_version != EVOLVE_VERSION

    @property
    def waits(self) -> bool:
        """Whether nothing is decided on it, and the order's events wait until it is folded again from the log."""
        return bool(self.defect) or self.is_of_another_version


class StateTable:
    """A table of states: the one in force, or one that is filled beside it (made with ``create``)."""

    def __init__(self, within: Connection | Pool, name: str = LIVE) -> None:
        """Use the table ``name`` (``table`` or ``schema.table``) over a connection, or over any of a pool.

        Raises:
            ValueError: that is no plain name of a table.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a table")
        self._within = within
        self._name = name

    async def create(self, *, temporary: bool = False) -> None:
        """Make the table; a temporary one is this session's alone and ends with it, or with ``drop``."""
        kind = "temporary table" if temporary else "table"
        await self._within.execute(f"create {kind} {self._name} (like {LIVE} including all)")

    async def drop(self) -> None:
        """Drop the table."""
        await self._within.execute(f"drop table {self._name}")

    async def sweep(self) -> None:
        """Give back the room of old versions; not within a transaction."""
        await self._within.execute(f"vacuum {self._name}")

    async def count(self) -> int:
        """How many states there are."""
        return int(await self._within.fetchval(f"select count(*) from {self._name}"))  # noqa: S608 - the name was checked

    async def admitted(self, keys: Collection[Key]) -> Collection[Key]:
        """Which of these orders are folded into this table: all."""
        return keys

    async def load(self, keys: Collection[Key], *, lock: bool = False) -> dict[Key, StoredState]:
        """The states of these orders; absent where never seen. ``lock``: until the transaction ends, in one order."""
        wanted = sorted(keys)
        rows = await self._within.fetch(
            f"""
            select s.flow, s.order_key, s.evolve_version, s.state, s.defect, s.newest_event, s.newest_offset
            from unnest($1::text[], $2::text[]) as k (flow, order_key)
            join {self._name} s on s.flow = k.flow and s.order_key = k.order_key
            order by s.flow, s.order_key {"for update of s" if lock else ""}
            """,  # noqa: S608 - the name was checked
            [flow for flow, _ in wanted], [order for _, order in wanted],
        )  # fmt: skip
        return {(r["flow"], r["order_key"]): StoredState(**r) for r in rows}

    async def page(self, after: Key, most: int) -> Sequence[StoredState]:
        """The next states behind this order."""
        rows = await self._within.fetch(
            f"""
            select flow, order_key, evolve_version, state, defect, newest_event, newest_offset from {self._name}
            where (flow, order_key) > ($1, $2) order by flow, order_key limit $3
            """,  # noqa: S608 - the name was checked
            *after, most,
        )  # fmt: skip
        return [StoredState(**row) for row in rows]

    async def save(self, states: Collection[StoredState], *, fresh: Collection[Key] = ()) -> None:
        """Write these states.

        Args:
            states: One per order at most.
            fresh: Orders that were absent when they were loaded, so that no lock guards them.

        Raises:
            Retryable: somebody else has written one of the fresh ones meanwhile.
        """
        new, known = set(fresh), sorted(states, key=lambda state: state.key)
        replacing = """
            do update set evolve_version = excluded.evolve_version, state = excluded.state, defect = excluded.defect,
                newest_event = excluded.newest_event, newest_offset = excluded.newest_offset
        """
        await self._insert([state for state in known if state.key not in new], replacing)
        made = [state for state in known if state.key in new]
        if await self._insert(made, "do nothing") != len(made):
            raise Retryable("another process has met one of these orders at the same moment")

    async def _insert(self, states: Sequence[StoredState], on_conflict: str) -> int:
        if not states:
            return 0
        rows = [
            (s.flow, s.order_key, s.evolve_version, s.state, s.defect, s.newest_event, s.newest_offset) for s in states
        ]
        done = await self._within.execute(
            f"""
            insert into {self._name} (flow, order_key, evolve_version, state, defect, newest_event, newest_offset)
            select * from unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::bigint[])
            on conflict (flow, order_key) {on_conflict}
            """,  # noqa: S608 - the name was checked
            *(list(column) for column in zip(*rows, strict=True)),
        )
        return int(done.rpartition(" ")[2])


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
