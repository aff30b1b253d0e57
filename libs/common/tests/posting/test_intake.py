"""Commands from the log into the queue: each once, none lost, what cannot be read is held or set aside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mlc_common import exactjson
from mlc_common.accounting import HoldReason
from mlc_common.events import CHUNK, DEAD_LETTER, Command, Envelope, HeldWish, Topics, encode
from mlc_common.log import LogProducer, Record, ensure_topics, read_topic
from mlc_common.posting.intake import CommandIntake
from mlc_common.store.outbox import _envelope
from mlc_common.store.pool import Pool, connect
from mlc_common.store.positions import Overtaken

from .wishes import Order

pytestmark = pytest.mark.postgres

TOPICS = Topics("t1")
TOPIC = TOPICS.commands("erp")


class Intake:
    """An intake that is fed by hand."""

    def __init__(self, pool: Pool, bootstrap: str = "", topics: Topics = TOPICS) -> None:
        self.pool = pool
        self.woken = 0
        self.handler = CommandIntake(pool, topics, "erp", wake=self._wake, bootstrap=bootstrap)
        self.offset = 0

    def _wake(self) -> None:
        self.woken += 1

    async def take(self, *envelopes: Envelope, partition: int = 3) -> None:
        records = [record_of(each, self.offset + n, partition) for n, each in enumerate(envelopes)]
        await self.handler.handle(TOPIC, partition, records)
        self.offset += len(records)

    async def queue(self) -> list[Command]:
        rows = await self.pool.fetch("select command from posting_queue order by order_key, seq")
        return [Command.model_validate_json(row["command"]) for row in rows]

    async def dead(self) -> list[Envelope]:
        rows = await self.pool.fetch("select lane, topic, headers, value from outbox order by id")
        assert {(row["lane"], row["topic"]) for row in rows} <= {(0, TOPICS.dead_letter)}
        return [_envelope(row["headers"], row["value"]) for row in rows]


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    pool = await connect(database, application="test")
    yield pool
    await pool.close()


@pytest.fixture
def intake(pool: Pool) -> Intake:
    return Intake(pool)


def record_of(envelope: Envelope, offset: int, partition: int) -> Record:
    headers = tuple(envelope.headers())
    return Record(TOPIC, partition, offset, headers, envelope.key, envelope.data, 1_773_000_000_000)


def sent(command: Command) -> Envelope:
    """A command as the mapper publishes it."""
    extensions = {
        "documentkey": str(command.document_key), "seq": str(command.seq), "flow": command.flow, "kind": command.kind,
    }  # fmt: skip
    return encode(
        command, event_id=command.command_id, subject=command.order_key, source="/t1/mapper",
        time=datetime(2026, 3, 14, tzinfo=UTC), extensions=extensions,
    )  # fmt: skip


async def test_a_batch_and_its_position_are_stored_together(intake: Intake, order: Order) -> None:
    commands = [order.invoice("100.00"), order.credit("30.00")]
    await intake.take(*map(sent, commands))

    assert await intake.queue() == commands
    assert await intake.handler.position(TOPIC, 3) == 2
    assert intake.woken == 1


async def test_the_same_command_twenty_times_is_one_row(intake: Intake, order: Order) -> None:
    command = sent(order.invoice("100.00"))
    for _ in range(4):
        await intake.take(*[command] * 5)

    assert len(await intake.queue()) == 1
    assert await intake.dead() == []
    assert await intake.handler.position(TOPIC, 3) == 20


async def test_an_overtaken_batch_leaves_nothing(intake: Intake, order: Order) -> None:
    first, second = order.invoice("100.00"), order.invoice("120.00")
    await intake.take(sent(first))
    intake.offset = 0

    with pytest.raises(Overtaken):
        await intake.take(sent(second), sent(second))
    assert await intake.queue() == [first]
    assert intake.woken == 1


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[]", b'{"seq": NaN}', b'{"wish": {"wish": "never heard of"}}'])
async def test_a_command_that_cannot_be_read_holds_its_order(intake: Intake, order: Order, body: bytes) -> None:
    command, credit = order.invoice("100.00"), order.credit("30.00")
    await intake.take(replace(sent(command), data=body), sent(credit))
    held, next_one = await intake.queue()

    assert (held.command_id, held.document_key, held.seq) == (command.command_id, command.document_key, 1)
    assert isinstance(held.wish, HeldWish)
    assert held.wish.reason == HoldReason.INTERNAL_ERROR
    assert next_one == credit
    assert await intake.dead() == []


@pytest.mark.parametrize("missing", ["documentkey", "seq", "flow", "kind"])
async def test_without_its_headers_it_is_a_dead_letter_and_the_next_one_goes_through(
    intake: Intake, order: Order, missing: str
) -> None:
    envelope = sent(order.invoice("100.00"))
    rest = {name: text for name, text in envelope.extensions.items() if name != missing}
    other = Order("1002").invoice("5.00")
    await intake.take(replace(envelope, data=b"{", extensions=rest), sent(other))
    (letter,) = await intake.dead()

    assert await intake.queue() == [other]
    assert (letter.type, letter.data, letter.subject) == (DEAD_LETTER, b"{", order_key(order))
    assert letter.extensions["deadtopic"] == TOPIC
    assert (letter.extensions["deadpartition"], letter.extensions["deadoffset"]) == ("3", "0")
    assert "not JSON" in letter.extensions["reason"]


def order_key(order: Order) -> str:
    return f"wc01:order:{order.number}"


@pytest.mark.parametrize(
    "poison",
    [
        {"seq": "0"}, {"seq": "-1"}, {"seq": "x"}, {"seq": str(2**31)}, {"seq": str(10**30)}, {"kind": "journal_entry"},
        {"documentkey": "none"}, {"flow": "a\0b"},
    ],
)  # fmt: skip
async def test_headers_that_make_no_sense_are_a_dead_letter_and_do_not_stop_the_rest(
    intake: Intake, order: Order, poison: dict[str, str]
) -> None:
    envelope = sent(order.invoice("100.00"))
    other = Order("1002").invoice("5.00")
    await intake.take(replace(envelope, data=b"{", extensions={**envelope.extensions, **poison}), sent(other))

    assert await intake.queue() == [other]
    assert len(await intake.dead()) == 1


async def test_a_readable_command_that_postgres_cannot_hold_is_a_dead_letter(intake: Intake, order: Order) -> None:
    envelope = sent(order.invoice("100.00"))
    body = exactjson.loads(envelope.data)
    too_far, nul = {**body, "seq": 2**31}, {**body, "flow": "a\0b"}
    await intake.take(*(replace(envelope, data=exactjson.dumps(each)) for each in (too_far, nul)))

    assert await intake.queue() == []
    assert len(await intake.dead()) == 2


async def test_an_event_of_another_type_is_a_dead_letter(intake: Intake, order: Order) -> None:
    await intake.take(replace(sent(order.invoice("100.00")), type="mlc.outcome.v1", extensions={}))

    assert len(await intake.dead()) == 1


async def test_a_second_command_with_the_same_seq_is_a_dead_letter(intake: Intake) -> None:
    first, other = Order("1001").invoice("100.00"), Order("1001").credit("30.00")
    await intake.take(sent(first))
    await intake.take(sent(other), sent(first))
    (letter,) = await intake.dead()

    assert await intake.queue() == [first]
    assert "same seq" in letter.extensions["reason"]
    assert letter.extensions["deadoffset"] == "1"


async def test_chunks_are_passed_over(intake: Intake, order: Order) -> None:
    command = sent(order.invoice("100.00"))
    await intake.take(replace(command, type=CHUNK, data=b"part", extensions={"chunkof": command.id}), command)

    assert len(await intake.queue()) == 1
    assert await intake.dead() == []


async def test_letters_are_the_same_however_often_a_record_is_read(intake: Intake, order: Order) -> None:
    envelope = replace(sent(order.invoice("100.00")), extensions={})
    await intake.take(replace(envelope, data=b"{"))
    await intake.pool.execute("delete from consumer_positions")
    intake.offset = 0
    await intake.take(replace(envelope, data=b"{"))
    once, again = await intake.dead()

    assert once == again


@pytest.mark.kafka
async def test_a_command_above_the_message_limit_is_put_together(
    kafka_bootstrap: str, tenant: str, pool: Pool, order: Order
) -> None:
    topics = Topics(tenant)
    topic = topics.commands("erp")
    await ensure_topics(kafka_bootstrap, [topic], partitions=1)
    command = order.invoice("100.00").model_copy(update={"cause": "x" * 9_000_000})
    async with LogProducer(kafka_bootstrap, client_id="test") as producer:
        await producer.publish(topic, sent(command))
    records = [record async for record in read_topic(kafka_bootstrap, topic)]
    intake = Intake(pool, kafka_bootstrap, topics)
    await intake.handler.handle(topic, 0, records)

    assert len(records) == 3
    assert await intake.queue() == [command]
