"""Commands and fetches as rows of the outbox: their envelopes, and the lane that keeps an order's events in order.

The lane of an order is its partition of the raw topic, whose owner publishes it (architecture §2). Deterministic: the
same decision gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mlc_common.accounting import event_id
from mlc_common.events import PARTITIONS, Command, FetchRequested, Topics, encode, order_subject
from mlc_common.log.partitioner import partition_of
from mlc_common.store.outbox import Outgoing
from mlc_common.telemetry import MetricsRegistry, tracing
from mlc_mapper.decision import Decision

_PARTITIONS = range(PARTITIONS)


def lane_of(order_key: str) -> int:
    """The lane of an order's events: its partition of the raw topic."""
    return partition_of(order_key.encode(), _PARTITIONS, _PARTITIONS)


@dataclass(frozen=True, kw_only=True)
class Because:
    """What a decision follows from.

    Attributes:
        cause: Id of the event.
        time: When that was.
        lane: Of the order.
        replay_of: Where a person asked for it: the order's newest raw event.
    """

    cause: str
    time: datetime
    lane: int
    replay_of: str = ""


def outgoing(topics: Topics, erp: str, decision: Decision, because: Because) -> list[Outgoing]:
    """What a decision sends, in the order in which it must reach the log."""
    source = f"/{topics.tenant}/mapper"
    commands = [_command(command, topics.commands(erp), source, because) for command in decision.commands]
    fetches = [_fetch(request, topics.control, source, because) for request in decision.fetches]
    return [*commands, *fetches]


@dataclass
class Emission:
    """What one transaction sends; whatever asks for a command, it goes through here, and is counted once.

    Attributes:
        topics: The tenant's.
        rows: For the outbox, in the order in which they must reach the log.
        commands: Those among them.
    """

    topics: Topics
    rows: list[Outgoing] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)

    def add(self, erp: str, decision: Decision, because: Because) -> None:
        """Send what was decided."""
        self.rows += outgoing(self.topics, erp, decision, because)
        self.commands += decision.commands

    def count(self, metrics: MetricsRegistry) -> None:
        """Count the commands; after the commit, because what is rolled back is decided once more."""
        for command in self.commands:
            metrics.commands.labels(command.flow, command.kind, command.wish.wish).inc()


def _command(command: Command, topic: str, source: str, because: Because) -> Outgoing:
    envelope = encode(
        command,
        event_id=command.command_id,
        subject=command.order_key,
        source=source,
        time=because.time,
        extensions={
            "documentkey": str(command.document_key),
            "seq": str(command.seq),
            "flow": command.flow,
            "kind": command.kind,
            "cause": because.cause,
            **({"replayof": because.replay_of} if because.replay_of else {}),
            **tracing.trace_extensions(),
        },
    )
    return Outgoing(topic, envelope, because.lane)


def _fetch(request: FetchRequested, topic: str, source: str, because: Because) -> Outgoing:
    envelope = encode(
        request,
        event_id=event_id("fetch-requested", str(request.fetch_id), *([because.cause] if request.asks else [])),
        subject=order_subject(request.connection, request.order_id),
        source=source,
        time=because.time,
        extensions={"cause": because.cause, **tracing.trace_extensions()},
    )
    return Outgoing(topic, envelope, because.lane)
