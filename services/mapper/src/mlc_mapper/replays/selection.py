"""Which orders a replay takes: those that match all of what was asked for, found in the log and in the ledger.

Reads headers and keys alone, so that a look through a long log is quick; changes nothing but the list of orders.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass

from mlc_common.errors import Undecodable
from mlc_common.events import CHUNK, ReplayRequested
from mlc_common.log import Record, read_topic
from mlc_common.store import holds
from mlc_common.store.pool import Pool
from mlc_mapper.refold import BATCH
from mlc_mapper.replays import store
from mlc_mapper.replays.store import Replay
from mlc_mapper.store import Key


def takes_everything(request: ReplayRequested) -> bool:
    """Whether the log alone says which orders these are: all."""
    return not (request.orders or request.reason or asks_about_events(request))


def asks_about_events(request: ReplayRequested) -> bool:
    """Whether orders are taken by what happened to them, and when."""
    return bool(request.offsets or request.since or request.until)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Finds the orders that a request takes.

    Attributes:
        pool: Of the database.
        brokers: Of the log.
        topic: The raw topic.
        flows: Names of the flows of each store's connection.
        request: What was asked for.
        until: Offset per partition to stop before.
    """

    pool: Pool
    brokers: str
    topic: str
    flows: Mapping[str, Collection[str]]
    request: ReplayRequested
    until: Mapping[int, int]

    async def write(self, replay: Replay) -> None:
        """Write the list of orders for a replay, unless it takes all.

        Raises:
            ReplayLost: another process took over.
        """
        lists = await self._named()
        if asks_about_events(self.request):
            async for keys in self._by_events():
                await self._add(replay, keys)
        elif lists:
            await self._add(replay, lists.pop())
        for keys in lists:
            async with self.pool.acquire() as connection, connection.transaction():
                await store.guard(connection, replay)
                await store.keep_only(connection, keys)

    async def find(self) -> set[Key] | None:
        """The orders; None where all are taken."""
        if takes_everything(self.request):
            return None
        lists = await self._named()
        found = {key async for keys in self._by_events() for key in keys} if asks_about_events(self.request) else None
        for keys in lists:
            found = set(keys) if found is None else found & set(keys)
        return found

    async def _named(self) -> list[Collection[Key]]:
        """Lists of orders that are known without a look at the log; a replay takes what is in all of them."""
        request, lists = self.request, list[Collection[Key]]()
        if request.orders:
            lists.append({key for order_key in request.orders for key in self._keys(order_key)})
        if request.reason:
            held = await holds.held_orders(self.pool, request.reason)
            lists.append({key for key in held if request.flow in ("", key[0])})
        return lists

    async def _by_events(self) -> AsyncIterator[Collection[Key]]:
        """Orders by what happened to them, some at a time."""
        offsets, until = self.request.offsets, self.until
        since: dict[int, int] = {}
        if offsets:
            since = {part: first for part, (first, _) in offsets.items()}
            until = {part: min(end, offsets[part][1] + 1) if part in offsets else 0 for part, end in until.items()}
        found: set[Key] = set()
        async for record in read_topic(self.brokers, self.topic, since=since, until=until):
            if _in_time(record, self.request):
                found |= set(self._keys((record.key or b"").decode("utf-8", "replace")))
            if len(found) >= BATCH:
                yield found
                found = set()
        yield found

    async def _add(self, replay: Replay, keys: Collection[Key]) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            await store.guard(connection, replay)
            await store.select(connection, keys)

    def _keys(self, order_key: str) -> list[Key]:
        flows = self.flows.get(order_key.partition(":")[0], ())
        return [(flow, order_key) for flow in flows if self.request.flow in ("", flow)]


def _in_time(record: Record, request: ReplayRequested) -> bool:
    try:
        envelope = record.envelope()
    except Undecodable:
        return False
    if envelope.type == CHUNK:
        return False
    early = request.since is not None and envelope.time < request.since
    late = request.until is not None and envelope.time >= request.until
    return not (early or late)
