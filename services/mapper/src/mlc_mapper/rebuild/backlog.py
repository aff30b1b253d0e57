"""Orders of which something may have been lost on its way to the log: a fresh snapshot of each is asked for.

Asking is no decision: it is what the mapper does, too, whenever it cannot decide from what it has. The requests wait in
the outbox of the fresh generation, so they are appended if and only if that generation comes into force.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlc_common.accounting import event_id
from mlc_common.events import FetchRequested
from mlc_common.log import Record, read_topic
from mlc_common.log.dead_letters import dead_letter
from mlc_common.store.outbox import Outgoing
from mlc_common.store.rebuild.folding import BATCH, Folding
from mlc_mapper.decision import Decision, NotAnOrder
from mlc_mapper.emitting import Because, lane_of, outgoing
from mlc_mapper.rebuild import store
from mlc_mapper.seen import read_record
from mlc_mapper.state import OrderState

_LATE_MS = 600_000
"""So long after a flow began, at the most, an event was read by a mapper that did not know of the flow yet."""


@dataclass
class Onboarding:
    """Which flows each store has or had, since when, and which events are older than that (or hardly younger).

    Attributes:
        flows: Names of the flows of each store's connection.
    """

    flows: dict[str, list[str]] = field(default_factory=dict)
    _since: dict[str, int] = field(default_factory=dict)
    _early: dict[tuple[str, int], int] = field(default_factory=dict)

    def add(self, connection: str, flow: str, at_ms: int) -> None:
        """A mapping was applied."""
        known = self.flows.setdefault(connection, [])
        if flow not in known:
            known.append(flow)
        self._since[flow] = min(at_ms, self._since.get(flow, at_ms))

    def see(self, record: Record) -> bool:
        """Remember how far each partition goes back; always true, so that every record is folded."""
        for flow, since in self._since.items():
            if record.timestamp_ms < since + _LATE_MS:
                self._early[flow, record.partition] = record.offset
        return True

    def is_early(self, flow: str, order_key: str, newest_offset: int) -> bool:
        """Whether all that is known of an order may have been read before there was a flow to decide for."""
        return newest_offset <= self._early.get((flow, lane_of(order_key)), -1)


class Backlog:
    """The orders of one rebuild that are asked for afresh; one small entry each is held in memory."""

    def __init__(self, folding: Folding, flows: Mapping[str, Sequence[str]]) -> None:
        self._folding = folding
        self._flows = flows
        self._orders: dict[str, int] = {}

    async def read(self, checkpoint: Mapping[int, int]) -> None:
        """Take the orders of all events behind the mapper's last checkpoint, and what is none as a dead letter."""
        folding, raw = self._folding, self._folding.topics.raw_orders
        dead: list[Outgoing] = []
        async for record in read_topic(folding.brokers, raw, since=checkpoint, until=await folding.ends_of(raw)):
            found = await read_record(folding.brokers, record)
            if isinstance(found, NotAnOrder):
                dead.append(dead_letter(folding.topics, record, found.reason))
            elif found is not None and found.connection in self._flows:
                self._orders[found.order_key] = record.offset
        await store.send(folding.pool, dead)

    async def add_uncommanded(self, onboarding: Onboarding) -> None:
        """Take the orders that were seen when their flow began, and of which nothing was ever commanded."""
        after = ("", "")
        while rows := await store.uncommanded(self._folding.pool, after):
            for flow, order_key, newest in rows:
                if onboarding.is_early(flow, order_key, newest):
                    self._orders.setdefault(order_key, newest)
                after = (flow, order_key)

    async def ask(self) -> None:
        """Leave the requests to be appended."""
        orders = sorted(self._orders.items())
        for start in range(0, len(orders), BATCH):
            page = [self._request(order_key, offset) for order_key, offset in orders[start : start + BATCH]]
            await store.send(self._folding.pool, page)
        if orders:
            self._folding.notes.append(
                f"Orders read afresh from the store, as the log may lack what their last events led to: {len(orders)}."
            )

    def _request(self, order_key: str, offset: int) -> Outgoing:
        connection, _, order_id = order_key.rpartition(":order:")
        because, lane = "rebuild", lane_of(order_key)
        fetch_id = event_id("fetch", order_key, because, f"{lane}:{offset}")
        request = FetchRequested(fetch_id=fetch_id, connection=connection, order_id=order_id, because=because)
        nothing = OrderState(flow="", connection=connection, order_id=int(order_id))
        why = Because(cause=because, time=self._folding.clock.now(), lane=lane)
        (asked,) = outgoing(self._folding.topics, "", Decision(state=nothing, fetches=(request,)), why)
        return asked
