"""What a proposed mapping, or a replay, would change: the log folded aside and decided, and nothing written down.

In bounded memory: states lie in a temporary table of the session, a page of orders is decided at a time. Only reads
what is in force.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from mlc_common.errors import ConfigurationError
from mlc_common.events import ReplayRequested, Topics
from mlc_common.log import ends_of
from mlc_common.store import holds
from mlc_common.store.pool import Connection, Pool
from mlc_mapper.decision import Decision
from mlc_mapper.differing import Said, Sums, change, said_of
from mlc_mapper.flows import Flow, Flows, by_store
from mlc_mapper.mapping import Mapping as Rules
from mlc_mapper.refold import refold_events
from mlc_mapper.replays.order import decide_anew, with_commands
from mlc_mapper.replays.selection import Selection
from mlc_mapper.replays.store import read_until
from mlc_mapper.state import OrderState
from mlc_mapper.store import Key, StateTable, StoredState
from mlc_mapper.woocommerce.completeness import missing
from mlc_mapper.woocommerce.documents import Mapped, map_order
from mlc_mapper.woocommerce.invoices import invoice_key

PAGE = 200
_TABLE = "what_if_states"

Told = Callable[[str, int, int], None]
"""Told a phase (``read`` or ``decided``), how much of it is done, and how much there is (0: not known)."""


def _untold(_phase: str, _done: int, _of: int) -> None:
    """Tell nobody."""


class WhatIf:
    """One look; iterate over ``changes`` and read ``sums`` after."""

    def __init__(self, pool: Pool, brokers: str, topics: Topics, *, told: Told = _untold) -> None:
        """Prepare a look at this log and database."""
        self._pool = pool
        self._brokers = brokers
        self._topic = topics.raw_orders
        self._told = told
        self.sums = Sums()

    async def mapping(self, proposed: Rules) -> AsyncIterator[dict[str, Any]]:
        """Documents that the proposed mapping would make otherwise than the one in force, were all decided afresh.

        Raises:
            Retryable: the broker cannot be reached.
        """
        in_force = (await Flows().by_name(self._pool)).get(proposed.flow)
        names = {proposed.store: (proposed.flow,)}
        if in_force is not None and in_force.store != proposed.store:
            raise ConfigurationError(
                f"the flow {proposed.flow} is of the store {in_force.store}, and the file says {proposed.store}; "
                "a flow never changes its store: give the other one a flow of its own"
            )
        ends = await ends_of(self._brokers, self._topic)
        async with self._folded(names, ends, None) as table:
            async for _, stored in self._pages(table):
                state = OrderState.model_validate_json(stored.state)
                before = map_order(state, in_force.mapping) if in_force else Mapped()
                for found in self._compare(state, said_of(before, state), proposed):
                    yield found

    def _compare(self, state: OrderState, before: Mapping[UUID, Said], proposed: Rules) -> list[dict[str, Any]]:
        after = said_of(map_order(state, proposed), state)
        self.sums.orders += 1
        self.sums.to_be_read += state.contested is not None or bool(missing(state, proposed))
        return self._changes(state, before, after)

    async def replay(self, request: ReplayRequested) -> AsyncIterator[dict[str, Any]]:
        """Documents that a replay would command otherwise than they were.

        Raises:
            Retryable: the broker cannot be reached.
        """
        flows = await Flows().by_name(self._pool)
        names, ends = by_store(flows), await read_until(self._pool, self._topic)
        selection = Selection(
            pool=self._pool, brokers=self._brokers, topic=self._topic, flows=names, request=request, until=ends
        )
        chosen = await selection.find()
        names = {store: [name for name in of if request.flow in ("", name)] for store, of in names.items()}
        async with self._folded(names, ends, chosen) as table:
            async for connection, stored in self._pages(table):
                for found in await self._replayed(connection, stored, flows[stored.flow], request):
                    yield found

    async def _replayed(
        self, connection: Connection, stored: StoredState, flow: Flow, request: ReplayRequested
    ) -> list[dict[str, Any]]:
        live = (await StateTable(connection).load([stored.key])).get(stored.key)
        known = OrderState.model_validate_json(live.state) if live else None
        state = with_commands(OrderState.model_validate_json(stored.state), known)
        held = await holds.held_keys(connection, *stored.key)
        decision: Decision = decide_anew(state, flow.mapping, cause="", held=held, rebook=request.rebook)
        self.sums.orders += 1
        self.sums.to_be_read += bool(decision.fetches)
        after: dict[UUID, Said] = {command.document_key: command.wish for command in decision.commands}
        before: dict[UUID, Said] = {}
        if after:
            wishes = await holds.newest_wishes(connection, *stored.key)
            before = {key: wishes.get(key) for key in after}
        return self._changes(state, before, after)

    def _changes(
        self, state: OrderState, before: Mapping[UUID, Said], after: Mapping[UUID, Said]
    ) -> list[dict[str, Any]]:
        found = []
        for key in [*before, *(key for key in after if key not in before)]:
            was, becomes = before.get(key), after.get(key)
            one = change(state, "invoice" if key == invoice_key(state) else "credit_note", was, becomes)
            self.sums.add(was, becomes, differs=one is not None)
            found += [one] if one else []
        return found

    @asynccontextmanager
    async def _folded(
        self, names: Mapping[str, Collection[str]], ends: Mapping[int, int], chosen: set[Key] | None
    ) -> AsyncIterator[_Scratch]:
        """The states of these orders, in a table of this session."""
        total = sum(ends.values())
        async with self._pool.acquire() as connection:
            table = _Scratch(connection, chosen)
            await table.create(temporary=True)
            try:
                await refold_events(
                    self._brokers,
                    self._topic,
                    names,
                    table,
                    until=ends,
                    told=lambda count: self._told("read", count, total),
                )
                yield table
            finally:
                await table.drop()

    async def _pages(self, table: _Scratch) -> AsyncIterator[tuple[Connection, StoredState]]:
        after: Key = ("", "")
        total = await table.count()
        while page := await table.page(after, PAGE):
            for stored in page:
                yield table.connection, stored
            after = page[-1].key
            self._told("decided", self.sums.orders, total)


class _Scratch(StateTable):
    """A temporary table of some orders, or of all; swept now and then, because nobody else sweeps temporary tables."""

    _SWEEP_EVERY = 100

    def __init__(self, connection: Connection, chosen: set[Key] | None) -> None:
        super().__init__(connection, _TABLE)
        self.connection = connection
        self._chosen = chosen
        self._saves = 0

    async def admitted(self, keys: Collection[Key]) -> Collection[Key]:
        """See ``Storage``."""
        return keys if self._chosen is None else self._chosen & set(keys)

    async def save(self, states: Collection[StoredState], *, fresh: Collection[Key] = ()) -> None:
        """See ``StateTable``."""
        await super().save(states, fresh=fresh)
        self._saves += 1
        if self._saves % self._SWEEP_EVERY == 0:
            await self.sweep()
