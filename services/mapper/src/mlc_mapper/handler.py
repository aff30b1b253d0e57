"""Takes batches of the raw and control topics through the pure decisions, and stores everything in one transaction.

Order states, commands and fetch requests (as outbox rows) and the consumer's position stand or fall together. A defect
of ours holds its order as ``internal_error``, its later events wait, the others go on; twenty in a row stop the mapper.
Where another version of ``evolve`` has folded an order's state, its events wait, too, until a replay folds it again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import structlog
from opentelemetry.trace import SpanKind

from mlc_common import crash
from mlc_common.events import Topics
from mlc_common.log.dead_letters import dead_letter
from mlc_common.log.records import Record
from mlc_common.store import outbox, positions
from mlc_common.store.outbox import Outgoing
from mlc_common.store.pool import Connection, Pool
from mlc_common.telemetry import MetricsRegistry, tracing
from mlc_mapper.control import ControlFold
from mlc_mapper.decide import decide
from mlc_mapper.decision import Decision, NotAnOrder
from mlc_mapper.defects import Defects
from mlc_mapper.emitting import Because, Emission
from mlc_mapper.flows import Flow, Flows
from mlc_mapper.seen import Seen, read_record, unseen
from mlc_mapper.state import EVOLVE_VERSION, OrderState
from mlc_mapper.store import CONSUMER, Key, StateTable, StoredState

_log = structlog.get_logger(__name__)


@dataclass
class _Batch:
    """What a batch leads to, until it is committed.

    Attributes:
        emission: What it sends.
        states: As they are to be stored.
        fresh: Orders that were not known before.
        folded: The states as values.
        decided: Each decision about an event, and which that was.
        behind: Whether an event met a state that another version of ``evolve`` has folded.
    """

    emission: Emission
    states: dict[Key, StoredState] = field(default_factory=dict)
    fresh: Collection[Key] = ()
    folded: dict[Key, OrderState] = field(default_factory=dict)
    decided: list[tuple[Flow, Seen, Decision]] = field(default_factory=list)
    behind: bool = False


class MapperHandler:
    """Handler of the raw and control topics (see ``mlc_common.log.consumer.Handler``)."""

    def __init__(
        self,
        pool: Pool,
        topics: Topics,
        metrics: MetricsRegistry,
        *,
        brokers: str,
        own: Callable[[Sequence[int]], None],
        wake: Callable[[], None],
        asked: Callable[[], None] = lambda: None,
        behind: Callable[[], None] = lambda: None,
    ) -> None:
        """Wire the handler.

        Args:
            pool: Of the database.
            topics: The tenant's.
            metrics: What is counted.
            brokers: Of the log.
            own: Told which raw partitions are ours.
            wake: Called when there is something to publish.
            asked: Called when a replay may have been asked for.
            behind: Called when states of another version may be in force: one was met, or another mapper's orders are
                ours now, which it may have left so.
        """
        self._pool = pool
        self._topics = topics
        self._metrics = metrics
        self._brokers = brokers
        self._own = own
        self._wake = wake
        self._asked = asked
        self._behind = behind
        self._flows = Flows()
        self._defects = Defects()
        self._control = ControlFold(self._flows, self._defects)

    async def position(self, topic: str, partition: int) -> int:
        """See ``Handler``."""
        return await positions.load(self._pool, CONSUMER, topic, partition)

    async def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        """See ``Handler``. Whoever reads a raw partition publishes its outbox rows."""
        self._own([partition for topic, partition in partitions if topic == self._topics.raw_orders])
        self._behind()

    async def handle(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        """See ``Handler``."""
        if topic == self._topics.control:
            await self._handle_control(partition, records)
        else:
            await self._handle_raw(topic, partition, records)
        self._wake()

    async def _handle_control(self, partition: int, records: Sequence[Record]) -> None:
        emission = Emission(self._topics)
        async with self._pool.acquire() as connection, connection.transaction():
            asked = await self._control.fold(connection, records, emission)
            await outbox.add(connection, CONSUMER, emission.rows)
            await _advance(connection, self._topics.control, partition, records)
            crash.point("control.before_commit")
        emission.count(self._metrics)
        if asked:
            self._asked()

    async def _handle_raw(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        seen, dead = await self._read(records)
        batch = _Batch(Emission(self._topics, rows=dead))
        async with self._pool.acquire() as connection, connection.transaction():
            await self._decide(connection, batch, seen)
            await StateTable(connection).save(batch.states.values(), fresh=batch.fresh)
            await outbox.add(connection, CONSUMER, batch.emission.rows)
            await _advance(connection, topic, partition, records)
            crash.point("mapper.before_commit")
        crash.point("mapper.after_commit")
        if batch.behind:
            self._behind()
        self._count(batch)

    async def _read(self, records: Sequence[Record]) -> tuple[list[Seen], list[Outgoing]]:
        """Every record as an event of an order, or as a dead letter with its reason."""
        seen, dead = [], []
        for record in records:
            found = await read_record(self._brokers, record)
            if isinstance(found, NotAnOrder):
                _log.warning("mapper.dead_letter", offset=record.offset, why=found.reason)
                self._metrics.dead_letters.labels(record.topic, "not_an_order").inc()
                dead.append(dead_letter(self._topics, record, found.reason))
            elif found is not None:
                seen.append(found)
        return seen, dead

    async def _decide(self, connection: Connection, batch: _Batch, seen: Sequence[Seen]) -> None:
        flows = await self._flows.of_stores(connection) if seen else {}
        pairs = {(flow.mapping.flow, item.order_key) for item in seen for flow in flows.get(item.connection, [])}
        batch.states = await StateTable(connection).load(pairs, lock=True) if pairs else {}
        batch.fresh = pairs - batch.states.keys()
        for item in seen:
            for flow in flows.get(item.connection, []):
                with tracing.span("map", parent=tracing.extract(item.record.headers), kind=SpanKind.CONSUMER):
                    self._one(batch, flow, item)

    def _one(self, batch: _Batch, flow: Flow, item: Seen) -> None:
        name, order_key = key = flow.mapping.flow, item.order_key
        known = batch.states.get(key)
        if known is not None and known.waits:
            batch.behind |= known.is_of_another_version
            version = known.evolve_version
            _log.warning("mapper.order_waits", flow=name, order=order_key, defect=known.defect, version=version)
            return
        state = batch.folded.get(key) or (OrderState.model_validate_json(known.state) if known else unseen(name, item))
        try:
            decision = decide(state, item.event, flow.mapping, told=item.told)
            self._defects.none()
            defect = ""
        except Exception as error:  # whatever it is, it is ours: this order waits, the others go on
            defect = type(error).__name__
            decision = self._defects.held(state, flow.mapping, item.envelope.id, defect)
        if isinstance(decision, NotAnOrder):
            batch.emission.rows.append(dead_letter(self._topics, item.record, decision.reason))
            return
        batch.folded[key] = decision.state
        text = decision.state.model_dump_json()
        batch.states[key] = StoredState(
            name, order_key, EVOLVE_VERSION, text, defect, item.envelope.id, item.record.offset
        )
        because = Because(cause=item.envelope.id, time=item.envelope.time, lane=item.record.partition)
        batch.emission.add(flow.erp, decision, because)
        batch.decided.append((flow, item, decision))

    def _count(self, batch: _Batch) -> None:
        batch.emission.count(self._metrics)
        for flow, item, decision in batch.decided:
            self._metrics.events_mapped.labels(flow.mapping.flow, item.envelope.type).inc()
            for excluded in decision.excluded:
                self._metrics.excluded.labels(flow.mapping.flow, excluded.rule).inc()


async def _advance(connection: Connection, topic: str, partition: int, records: Sequence[Record]) -> None:
    """Store that these were read, in the transaction of what came of them."""
    expected, upto = records[0].offset, records[-1].offset + 1
    await positions.advance(connection, CONSUMER, topic, partition, expected=expected, next_offset=upto)
