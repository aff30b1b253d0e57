"""Walks a store's orders by modification time, so that nothing depends on a webhook having arrived.

The cursor is the store's own time up to which everything was read; every walk begins some minutes before it. It
moves only when a walk was read whole and everything in it is on the log (``PollCompleted``), and never back. An order
that cannot be read is put off, so that it keeps nobody else's from being read; a store that cannot be read postpones
the walk. A flow that begins later than the polling, or further back, is read for once from its cut-over, and the log
says that it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

import structlog

from mlc_common.accounting import event_id
from mlc_common.clock import Clock
from mlc_common.events import PollCompleted, Topics, encode, order_subject
from mlc_common.store.outbox import Outgoing
from mlc_common.store.pool import Pool
from mlc_poller import store
from mlc_poller.snapshots import TROUBLE, Snapshots, id_of
from mlc_poller.store import Backfill
from mlc_vendors.woocommerce.client import WooCommerceClient
from mlc_vendors.woocommerce.paging import LARGEST_PAGE

_log = structlog.get_logger(__name__)

_KEPT_EVERY = 500
"""Orders of a walk for flows after which is written down how far it has come."""

_NO_FLOWS: Mapping[str, date] = MappingProxyType({})


@dataclass
class _Read:
    """What a walk, or a stretch of one, has read."""

    seen: int = 0
    published: int = 0
    put_off: dict[str, UUID] = field(default_factory=dict)

    def until(self, until: datetime, connection: str, what: str, since: datetime) -> PollCompleted:
        """The event that says so."""
        return PollCompleted(
            connection=connection,
            what=what,
            since=since,
            until=until,
            seen=self.seen,
            published=self.published,
            put_off=self.put_off,
        )


@dataclass
class OrderPoll:
    """The polling of one store connection's orders.

    Attributes:
        flows: The flows of this store, each with its cut-over date. They must be these for as long as ``snapshots``
            lives, which appends nothing twice: a flow that is new, or begins earlier, has missed what it remembers.
        overlap: How far before the cursor each walk begins.
        lookback: How far back the slow sweep goes, for what changes without a trace (a deleted refund).
    """

    pool: Pool
    client: WooCommerceClient
    snapshots: Snapshots
    topics: Topics
    connection: str
    clock: Clock
    flows: Mapping[str, date]
    overlap: timedelta = timedelta(minutes=3)
    lookback: timedelta = timedelta(days=14)
    _polled_at: float | None = None
    _behind: bool = False

    async def poll(self) -> PollCompleted:
        """Read everything modified since shortly before the cursor; the first time, since the earliest cut-over.

        Where the store's clock is behind the cursor (it was set back, or orders bear times to come), what it stamps now
        lies before the cursor: then that is read, too, from the last poll on.
        """
        began = self.clock.monotonic()
        cursor = await store.cursor(self.pool, self.connection, "orders")
        if cursor is None:
            done = await self._walk("orders", _start(self.flows), reads_for=self.flows)
        else:
            done = await self._walk("orders", cursor - self.overlap)
            now = self._now_in_the_store()
            if self._behind or now < cursor:
                since_then = self.lookback if self._polled_at is None else self._since(self._polled_at)
                await self._walk("orders", now - since_then - self.overlap)
                self._behind = now < cursor
        self._polled_at = began
        return done

    def _now_in_the_store(self) -> datetime:
        """By its clock, as its last answer told it; by ours where it did not tell."""
        return self.clock.now() + timedelta(seconds=self.client.clock_skew_s or 0)

    def _since(self, monotonic: float) -> timedelta:
        return timedelta(seconds=self.clock.monotonic() - monotonic)

    async def sweep(self) -> PollCompleted:
        """Read the last days again, whatever the cursor says."""
        return await self._walk("orders-sweep", max(_start(self.flows), self.clock.now() - self.lookback))

    async def backfill(self) -> PollCompleted | None:
        """Read once from their cut-over for flows that came, or whose cut-over moved, after the first poll.

        Returns:
            The event that was written; None where there is no such flow, or the first poll is still to read for all.
        """
        if await store.cursor(self.pool, self.connection, "orders") is None:
            return None
        last = await store.last_backfills(self.pool)
        # The last one alone counts: meanwhile another cut-over, or another store, may have left orders out.
        lacking = {
            flow: since
            for flow, since in self.flows.items()
            if flow not in last or (last[flow].connection, last[flow].since) != (self.connection, since)
        }
        return await self._walk("orders-backfill", _start(lacking), reads_for=lacking) if lacking else None

    async def _walk(self, what: str, since: datetime, *, reads_for: Mapping[str, date] = _NO_FLOWS) -> PollCompleted:
        """One walk; one for flows, which may be long, goes on where trouble in the middle has left it."""
        name = store.name_of_reached(what, since, reads_for)
        resume = await store.cursor(self.pool, self.connection, name) if reads_for else None
        # Those in the trash must be asked for by name.
        walk = self.client.walk_orders(since, trash=True, resume=resume)
        # The walk hands out one order after the other. Its page was asked for when the first order of it was, which is
        # not further back than a page is long: an order deleted since then must not count as seen alive.
        asked_at = deque([self.clock.now()], maxlen=LARGEST_PAGE)
        read, kept = _Read(), walk.reached
        async for order in walk:
            if reads_for and read.seen >= _KEPT_EVERY and walk.reached > kept:
                await self._complete(read.until(walk.reached, self.connection, name, since), of=what)
                read, kept = _Read(), walk.reached
            await self._take(order, asked_at[0], read, anew=bool(reads_for))
            asked_at.append(self.clock.now())
        event = read.until(walk.read_until, self.connection, what, since)
        backfills = [
            event.model_copy(update={"what": one.what, "until": one.at, "put_off": {}})
            for one in await self._backfills(reads_for)
        ]
        await self._complete(event, *backfills)
        _log.info("poll.completed", connection=self.connection, what=what, seen=read.seen, published=read.published)
        return event

    async def _take(self, order: Mapping[str, Any], asked_at: datetime, read: _Read, *, anew: bool) -> None:
        read.seen += 1
        try:
            snapshot = await self.snapshots.of_listed(order, asked_at)
        except Exception as error:  # whatever the store says of an order keeps nobody else's from being read
            read.put_off |= await self._put_off(str(id_of(order.get("id"))), error)
        else:
            read.published += await self.snapshots.append(snapshot, anew=anew)

    async def _complete(self, *events: PollCompleted, of: str = "") -> None:
        await store.complete(self.pool, [(one, self._outgoing(one, of or one.what)) for one in events])

    async def _backfills(self, flows: Mapping[str, date]) -> list[Backfill]:
        """That these flows were read for now; later than whatever was before, although our clock was set back."""
        if not flows:
            return []
        last = await store.last_backfills(self.pool)
        at = max([self.clock.now(), *(one.at + timedelta(microseconds=1) for one in last.values())])
        return [Backfill(flow, self.connection, since, at) for flow, since in flows.items()]

    def _outgoing(self, event: PollCompleted, of: str) -> Outgoing:
        """The event; what is said of one kind of walk lies on one partition, so that a rebuild folds it in order."""
        now = self.clock.now()
        envelope = encode(
            event,
            event_id=event_id(self.connection, event.what, event.since.isoformat(), now.isoformat()),
            subject=f"{self.connection}:poll:{of}",
            source=f"/{self.topics.tenant}/poller",
            time=now,
        )
        return Outgoing(self.topics.control, envelope)

    async def _put_off(self, order_id: str, error: Exception) -> dict[str, UUID]:
        """The fetch that reads an order later; none where it waits for one already.

        Raises:
            ConnectorError: not the order is in trouble, but the store: it does not show the order itself, either.
        """
        await self.clock.sleep(self.client.breaker.remaining_s)  # two such orders in a row are enough to open it
        await self.client.get_order(id_of(order_id))
        ours = not isinstance(error, TROUBLE)
        _log.warning("poll.order_put_off", order=order_id, error=type(error).__name__, detail=str(error), exc_info=ours)
        if await store.is_asked_for(self.pool, self.connection, order_id):
            return {}
        subject = order_subject(self.connection, order_id)
        return {order_id: event_id("fetch", subject, "put off", self.clock.now().isoformat())}


def _start(flows: Mapping[str, date]) -> datetime:
    """Where to begin to read for flows: a day before the earliest cut-over, which is a date in the store's zone."""
    return datetime.combine(min(flows.values()), time.min, UTC) - timedelta(days=1)
