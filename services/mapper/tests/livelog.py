"""A mapper on a real log and database, fed step by step: what is appended is read, decided and published on demand.

No consumer group and no timing: ``turn`` reads from the stored positions to the ends of the topics, as the consumer
would, until nothing is left to be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, groupby
from typing import Any, Literal, TypeVar
from uuid import UUID

from mlc_common import exactjson
from mlc_common.accounting import event_id
from mlc_common.clock import SystemClock
from mlc_common.events import (
    RAW_WEBHOOK,
    Command,
    Envelope,
    Event,
    FetchRequested,
    HoldResolved,
    MappingApplied,
    OrderSnapshot,
    ReleaseRequested,
    ReplayRequested,
    Topics,
    decode,
    encode,
    order_subject,
)
from mlc_common.log import LogProducer, Record, read_topic
from mlc_common.store import positions
from mlc_common.store.pool import Pool
from mlc_common.store.publisher import Publisher
from mlc_common.store.requests import Answer, answers
from mlc_common.telemetry import MetricsRegistry
from mlc_mapper.handler import MapperHandler
from mlc_mapper.mapping import load
from mlc_mapper.replays.turns import Turns
from mlc_mapper.replays.worker import Replays
from mlc_mapper.store import CONSUMER

from .making import NOW, Json, with_refunds

STORE, ERP = "shop", "deltek"
EventT = TypeVar("EventT", bound=Event)


@dataclass
class LiveLog:
    """One tenant's topics and database, and a mapper between them."""

    brokers: str
    topics: Topics
    pool: Pool
    log: LogProducer
    _ids: count[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.metrics = MetricsRegistry()
        self.publisher = Publisher(self.pool, self.log, CONSUMER, SystemClock())
        self.publisher.own(range(4))
        self.replays = self.replaying("test")
        self.handler = self.another()

    def another(self) -> MapperHandler:
        """A mapper as after a restart."""
        return MapperHandler(
            self.pool,
            self.topics,
            self.metrics,
            brokers=self.brokers,
            own=lambda lanes: None,
            wake=lambda: None,
            behind=self.replays.look_for_old_states,
        )

    def replaying(self, owner: str, *, lease_s: float = 30.0) -> Replays:
        """A process that works replays off."""
        turns = Turns(self.pool, owner, lease_s)
        return Replays(
            self.pool, self.topics, SystemClock(), self.metrics, brokers=self.brokers, turns=turns, wake=lambda: None
        )

    async def apply(self, text: str, *, at: datetime = NOW) -> str:
        """Put a mapping in force; its version."""
        mapping = load(text)
        event = MappingApplied(
            flow=mapping.flow, store=mapping.store, erp=mapping.erp, version=mapping.version, text=text, by="ada", at=at
        )
        await self.control(event, f"flow:{mapping.flow}")
        return mapping.version

    async def control(self, event: Event, subject: str) -> None:
        """Append an event to the control topic."""
        made = event_id("test", next(self._ids))
        await self.log.publish(
            self.topics.control, encode(event, event_id=made, subject=subject, source="/test/cli", time=NOW)
        )

    async def release(
        self, order_id: int, *documents: UUID, rebook: bool = False, flow: str = "web", request: str = "release"
    ) -> UUID:
        """Ask for the release of documents of an order; the request's id."""
        made = event_id("test", request, order_id)
        event = ReleaseRequested(
            request_id=made, flow=flow, order_key=order_subject(STORE, order_id), documents=list(documents),
            rebook=rebook, by="ada", why="the mapping was corrected", at=NOW,
        )  # fmt: skip
        await self.control(event, f"flow:{flow}")
        return made

    async def resolve(self, order_id: int, document: UUID, found: Literal["posted", "absent", "closed"]) -> UUID:
        """Settle a document by hand; the request's id."""
        made = event_id("test", "resolve", order_id, str(document), found)
        event = HoldResolved(
            request_id=made, flow="web", order_key=order_subject(STORE, order_id), document_key=document, found=found,
            by="ada", why="seen in the ERP", at=NOW,
        )  # fmt: skip
        await self.control(event, "flow:web")
        return made

    async def replay(self, request: str = "replay", **selector: Any) -> UUID:
        """Ask for a replay; the request's id."""
        made = event_id("test", request)
        event = ReplayRequested(request_id=made, flow="web", by="ada", why="to see", at=NOW, **selector)
        await self.control(event, "flow:web")
        return made

    async def hears(self, body: Json, *, at: datetime = NOW) -> str:
        """Append a webhook with this order; the event's id."""
        return await self.hears_bytes(exactjson.dumps(body), int(body["id"]), at=at)

    async def hears_bytes(
        self, body: bytes, order_id: int | str, *, topic: str = "order.updated", at: datetime = NOW
    ) -> str:
        """Append a webhook with this body, under the key of an order with this id."""
        made = str(event_id("test-webhook", next(self._ids)))
        envelope = Envelope(
            id=made,
            type=RAW_WEBHOOK,
            source="/test/shop",
            subject=order_subject(STORE, order_id),
            time=at,
            data=body,
            extensions={"connection": STORE, "whtopic": topic},
        )
        await self.log.publish(self.topics.raw_orders, envelope)
        return made

    async def reads(
        self, body: Json | None, *refunds: Json, order_id: int = 17, fetch_id: UUID | None = None, at: datetime = NOW
    ) -> str:
        """Append a snapshot of an order with its refunds; the event's id."""
        body = with_refunds(body, *refunds) if body else None
        named = body["id"] if body else order_id
        said = OrderSnapshot(
            connection=STORE, order_id=str(named), order=body, refunds=list(refunds), fetch_id=fetch_id, fetched_at=at
        )
        made = event_id("test-snapshot", next(self._ids))
        subject, extensions = order_subject(STORE, named), {"connection": STORE}
        envelope = encode(said, event_id=made, subject=subject, source="/test/poller", time=at, extensions=extensions)
        await self.log.publish(self.topics.raw_orders, envelope)
        return str(made)

    async def turn(self) -> None:
        """Let the mapper read everything, and publish what it decides, until there is nothing left."""
        while await self._read_on() or await self.replays.work_off():
            await self.publisher.flush()

    async def _read_on(self) -> bool:
        read = False
        for topic in (self.topics.control, self.topics.raw_orders):
            since = {part: await positions.load(self.pool, CONSUMER, topic, part) for part in range(4)}
            records = [record async for record in read_topic(self.brokers, topic, since=since)]
            for partition, batch in groupby(records, key=lambda record: record.partition):
                await self.handler.handle(topic, partition, list(batch))
                read = True
        return read

    async def events(self, topic: str) -> list[Envelope]:
        """Everything on a topic."""
        return [record.envelope() for record in await self.records(topic)]

    async def records(self, topic: str) -> list[Record]:
        """Every record of a topic."""
        return [record async for record in read_topic(self.brokers, topic)]

    async def commands(self, order_id: int | None = None) -> list[Command]:
        """The commands on the log, of one order or all."""
        found = [decode(envelope, Command) for envelope in await self.events(self.topics.commands(ERP))]
        return [one for one in found if order_id is None or one.order_key == order_subject(STORE, order_id)]

    async def fetches(self) -> list[FetchRequested]:
        """The fetches that were asked for."""
        found = await self.events(self.topics.control)
        return [decode(one, FetchRequested) for one in found if one.type == FetchRequested.event_type]

    async def answer_fetches(self, bodies: dict[str, tuple[Json, Sequence[Json]]], *, at: datetime) -> None:
        """Answer every fetch of these orders as the poller would, and let the mapper read on."""
        await self.turn()
        for request in await self.fetches():
            body, refunds = bodies[request.order_id]
            await self.reads(body, *refunds, fetch_id=request.fetch_id, at=at)
        await self.turn()

    async def answers(self, *request_ids: UUID) -> list[Answer]:
        """What came of requests."""
        return await answers(self.pool, request_ids)

    async def is_held(self, order_id: int, document: UUID, reason: str = "account_unknown") -> None:
        """The ledger holds a document that is not in the books."""
        await self.pool.execute(
            """
            insert into posting_documents
                (document_key, flow, order_key, kind, place, newest_seq, command_id, state, reason)
            values ($1, 'web', $2, 'invoice', 1, 1, $1, 'held', $3)
            """,
            document, order_subject(STORE, order_id), reason,
        )  # fmt: skip

    async def states(self, table: str = "order_states") -> list[dict[str, Any]]:
        """Every row of a table of states."""
        return [dict(row) for row in await self.pool.fetch(f"select * from {table} order by flow, order_key")]

    async def dead_letters(self) -> list[str]:
        """The reasons of the dead letters."""
        return [envelope.extensions["reason"] for envelope in await self.events(self.topics.dead_letter)]


LATER = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
