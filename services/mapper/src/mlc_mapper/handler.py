"""Takes batches of the raw and control topics through the pure decisions, and stores everything in one transaction.

Order states, commands and fetch requests (as outbox rows) and the consumer's position stand or fall together. A defect
of ours holds its order as ``internal_error``, its later events wait, the others go on; twenty in a row stop the mapper.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import structlog
from opentelemetry.trace import SpanKind

from mlc_common import crash
from mlc_common.accounting import HoldReason, command_id, content_digest, document_key, event_id
from mlc_common.errors import ConnectorError, Undecodable
from mlc_common.events import (
    Command,
    Envelope,
    FetchRequested,
    HeldWish,
    MappingApplied,
    Topics,
    decode,
    encode,
    order_subject,
)
from mlc_common.log.dead_letters import dead_letter
from mlc_common.log.records import Record
from mlc_common.store import mappings, outbox, positions
from mlc_common.store.outbox import Outgoing
from mlc_common.store.pool import Connection, Pool
from mlc_common.telemetry import MetricsRegistry, tracing
from mlc_mapper.decide import decide
from mlc_mapper.decision import Decision, NotAnOrder
from mlc_mapper.evolve import evolve
from mlc_mapper.flows import Flow, Flows
from mlc_mapper.inputs import CommandIssued
from mlc_mapper.seen import Seen, read_record, unseen
from mlc_mapper.state import EVOLVE_VERSION, OrderState
from mlc_mapper.store import CONSUMER, Key, StateTable, StoredState

_log = structlog.get_logger(__name__)

DEFECTS_IN_A_ROW = 20


class TooManyDefects(ConnectorError):  # noqa: N818
    """Event after event fails for no reason of its own; a person must look before anything else is held."""

    code = "too_many_defects"


@dataclass
class _Batch:
    """What a batch leads to, until it is committed."""

    states: dict[Key, StoredState]
    fresh: Collection[Key]
    folded: dict[Key, OrderState] = field(default_factory=dict)
    outgoing: list[Outgoing] = field(default_factory=list)


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
    ) -> None:
        self._pool = pool
        self._topics = topics
        self._metrics = metrics
        self._brokers = brokers
        self._own = own
        self._wake = wake
        self._flows = Flows()
        self._defects = 0

    async def position(self, topic: str, partition: int) -> int:
        """See ``Handler``."""
        return await positions.load(self._pool, CONSUMER, topic, partition)

    async def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        """See ``Handler``. Whoever reads a raw partition publishes its outbox rows."""
        self._own([partition for topic, partition in partitions if topic == self._topics.raw_orders])

    async def handle(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        """See ``Handler``."""
        expected, upto = records[0].offset, records[-1].offset + 1
        if topic == self._topics.control:
            async with self._pool.acquire() as connection, connection.transaction():
                await self._fold_control(connection, records)
                await positions.advance(connection, CONSUMER, topic, partition, expected=expected, next_offset=upto)
            return
        seen, dead = await self._read(records)
        async with self._pool.acquire() as connection, connection.transaction():
            batch = await self._decide(connection, seen)
            await StateTable(connection).save(batch.states.values(), fresh=batch.fresh)
            await outbox.add(connection, CONSUMER, [*dead, *batch.outgoing])
            await positions.advance(connection, CONSUMER, topic, partition, expected=expected, next_offset=upto)
            crash.point("mapper.before_commit")
        crash.point("mapper.after_commit")
        self._wake()

    async def _fold_control(self, connection: Connection, records: Sequence[Record]) -> None:
        for record in records:
            try:
                envelope = record.envelope()
                if envelope.type == MappingApplied.event_type:
                    await mappings.apply(connection, decode(envelope, MappingApplied))
            except Undecodable as error:
                await outbox.add(connection, CONSUMER, [dead_letter(self._topics, record, str(error))])

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

    async def _decide(self, connection: Connection, seen: Sequence[Seen]) -> _Batch:
        flows = await self._flows.of_stores(connection) if seen else {}
        pairs = {(flow.mapping.flow, item.order_key) for item in seen for flow in flows.get(item.connection, [])}
        known = await StateTable(connection).load(pairs, lock=True) if pairs else {}
        batch = _Batch(known, fresh=pairs - known.keys())
        for item in seen:
            for flow in flows.get(item.connection, []):
                with tracing.span("map", parent=tracing.extract(item.record.headers), kind=SpanKind.CONSUMER):
                    self._one(batch, flow, item)
        return batch

    def _one(self, batch: _Batch, flow: Flow, item: Seen) -> None:
        name, order_key = key = flow.mapping.flow, item.order_key
        known = batch.states.get(key)
        if known is not None and known.defect:
            _log.warning("mapper.order_waits", flow=name, order=order_key, defect=known.defect)
            return
        state = batch.folded.get(key) or (OrderState.model_validate_json(known.state) if known else unseen(name, item))
        try:
            decision = decide(state, item.event, flow.mapping, told=item.told)
            self._defects = 0
            defect = ""
        except Exception as error:  # whatever it is, it is ours: this order waits, the others go on
            decision, defect = self._defect(state, flow, item, error), type(error).__name__
        if isinstance(decision, NotAnOrder):
            batch.outgoing.append(dead_letter(self._topics, item.record, decision.reason))
            return
        batch.folded[key] = decision.state
        text = decision.state.model_dump_json()
        batch.states[key] = StoredState(
            name, order_key, EVOLVE_VERSION, text, defect, item.envelope.id, item.record.offset
        )
        batch.outgoing += self._outgoing(decision, flow, item)
        self._count(decision, name, item.envelope.type)

    def _defect(self, state: OrderState, flow: Flow, item: Seen, error: Exception) -> Decision:
        self._defects += 1
        _log.exception("mapper.defect", flow=flow.mapping.flow, order_id=item.order_id, error=type(error).__name__)
        if self._defects >= DEFECTS_IN_A_ROW:
            raise TooManyDefects(f"{self._defects} events in a row failed; the last: {type(error).__name__}") from error
        wish = HeldWish(reason=HoldReason.INTERNAL_ERROR, detail=f"{type(error).__name__} in the mapper.")
        key = document_key(flow.mapping.flow, "invoice", str(item.order_id))
        command = Command(
            command_id=command_id(key, state.seq + 1),
            document_key=key,
            flow=flow.mapping.flow,
            order_key=order_subject(item.connection, item.order_id),
            seq=state.seq + 1,
            kind="invoice",
            wish=wish,
            cause=item.envelope.id,
            content_digest=content_digest(wish),
            mapping_version=flow.mapping.version,
        )
        return Decision(state=evolve(state, CommandIssued(command)), commands=(command,))

    def _outgoing(self, decision: Decision, flow: Flow, item: Seen) -> list[Outgoing]:
        lane, source = item.record.partition, f"/{self._topics.tenant}/mapper"
        commands = [
            Outgoing(self._topics.commands(flow.erp), _command(command, source, item.envelope), lane)
            for command in decision.commands
        ]
        fetches = [
            Outgoing(self._topics.control, _fetch(request, source, item.envelope), lane) for request in decision.fetches
        ]
        return [*commands, *fetches]

    def _count(self, decision: Decision, flow: str, event_type: str) -> None:
        self._metrics.events_mapped.labels(flow, event_type).inc()
        for command in decision.commands:
            self._metrics.commands.labels(flow, command.kind, command.wish.wish).inc()
        for excluded in decision.excluded:
            self._metrics.excluded.labels(flow, excluded.rule).inc()


def _command(command: Command, source: str, cause: Envelope) -> Envelope:
    return encode(
        command,
        event_id=command.command_id,
        subject=command.order_key,
        source=source,
        time=cause.time,
        extensions={
            "documentkey": str(command.document_key),
            "seq": str(command.seq),
            "flow": command.flow,
            "kind": command.kind,
            "cause": cause.id,
            **tracing.trace_extensions(),
        },
    )


def _fetch(request: FetchRequested, source: str, cause: Envelope) -> Envelope:
    return encode(
        request,
        event_id=event_id("fetch-requested", str(request.fetch_id)),
        subject=order_subject(request.connection, request.order_id),
        source=source,
        time=cause.time,
        extensions={"cause": cause.id, **tracing.trace_extensions()},
    )
