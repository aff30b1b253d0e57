"""Walks a store's orders by modification time, so that nothing depends on a webhook having arrived.

The cursor is the store's own time up to which everything was read; every walk begins some minutes before it. It
moves only when a walk was read whole and everything in it is on the log (``PollCompleted``). An order that cannot be
read is put off, so that it keeps nobody else's from being read; a store that cannot be read postpones the walk.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from mlc_common.accounting import event_id
from mlc_common.clock import Clock
from mlc_common.events import PollCompleted, Topics, encode, order_subject
from mlc_common.store.outbox import Outgoing
from mlc_common.store.pool import Pool
from mlc_poller import store
from mlc_poller.snapshots import TROUBLE, Snapshots, id_of
from mlc_vendors.woocommerce.client import WooCommerceClient
from mlc_vendors.woocommerce.paging import LARGEST_PAGE

_log = structlog.get_logger(__name__)


@dataclass
class OrderPoll:
    """The polling of one store connection's orders.

    Attributes:
        since: Where the very first poll begins (the flows' cut-over, in UTC).
        overlap: How far before the cursor each walk begins.
        lookback: How far back the slow sweep goes, for what changes without a trace (a deleted refund).
    """

    pool: Pool
    client: WooCommerceClient
    snapshots: Snapshots
    topics: Topics
    connection: str
    clock: Clock
    since: datetime
    overlap: timedelta = timedelta(minutes=3)
    lookback: timedelta = timedelta(days=14)

    async def poll(self) -> PollCompleted:
        """Read everything modified since shortly before the cursor; the event that was written."""
        cursor = await store.cursor(self.pool, self.connection, "orders")
        return await self._walk("orders", cursor - self.overlap if cursor else self.since)

    async def sweep(self) -> PollCompleted:
        """Read the last days again, whatever the cursor says."""
        start = max(self.since, self.clock.now() - self.lookback)
        return await self._walk("orders-sweep", start)

    async def _walk(self, what: str, since: datetime) -> PollCompleted:
        seen = published = 0
        walk = self.client.walk_orders(since, trash=True)  # those in the trash must be asked for by name
        # The walk hands out one order after the other. Its page was asked for when the first order of it was, which is
        # not further back than a page is long: an order deleted since then must not count as seen alive.
        asked_at = deque([self.clock.now()], maxlen=LARGEST_PAGE)
        put_off: dict[str, UUID] = {}
        async for order in walk:
            seen += 1
            try:
                snapshot = await self.snapshots.of_listed(order, asked_at[0])
            except TROUBLE as error:
                put_off |= await self._put_off(str(order["id"]), error)
            else:
                published += await self.snapshots.append(snapshot)
            asked_at.append(self.clock.now())
        event = PollCompleted(
            connection=self.connection,
            what=what,
            since=since,
            until=walk.read_until,
            seen=seen,
            published=published,
            put_off=put_off,
        )
        now = self.clock.now()
        envelope = encode(
            event,
            event_id=event_id(self.connection, what, since.isoformat(), now.isoformat()),
            subject=f"{self.connection}:poll:{what}",
            source=f"/{self.topics.tenant}/poller",
            time=now,
        )
        await store.complete(self.pool, event, Outgoing(self.topics.control, envelope))
        _log.info("poll.completed", connection=self.connection, what=what, seen=seen, published=published)
        return event

    async def _put_off(self, order_id: str, error: Exception) -> dict[str, UUID]:
        """The fetch that reads an order later; none where it waits for one already.

        Raises:
            ConnectorError: not the order is in trouble, but the store: it does not show the order itself, either.
        """
        await self.clock.sleep(self.client.breaker.remaining_s)  # two such orders in a row are enough to open it
        await self.client.get_order(id_of(order_id))
        _log.warning("poll.order_put_off", order=order_id, error=type(error).__name__, detail=str(error))
        if await store.is_asked_for(self.pool, self.connection, order_id):
            return {}
        subject = order_subject(self.connection, order_id)
        return {order_id: event_id("fetch", subject, "put off", self.clock.now().isoformat())}
