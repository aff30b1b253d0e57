"""What the intake takes from a record besides its command: the trace it belongs to, and where its chunks lie."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest

from mlc_common.accounting import HoldReason, command_id
from mlc_common.clock import SystemClock
from mlc_common.events import Command, Envelope, HeldWish, Topics, encode
from mlc_common.log.records import Record
from mlc_common.posting import intake as taking
from mlc_common.posting.intake import CommandIntake
from mlc_common.store.outbox import _envelope
from mlc_common.store.pool import Pool, connect

from .wishes import Order

pytestmark = pytest.mark.postgres

TOPIC = "t1.commands.erp"
KEY = UUID("00000000-0000-5000-8000-000000000007")
PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    pool = await connect(database, application="test", most=2)
    yield pool
    await pool.close()


def arrived(*headers: tuple[str, bytes], **changes: object) -> tuple[Record, Envelope]:
    command = Order("1").invoice("10.00").model_copy(update=changes)
    envelope = encode(
        command, event_id=command.command_id, subject=command.order_key, source="/t1/mapper", time=SystemClock().now()
    )
    return Record(TOPIC, 0, 0, (*envelope.headers(), *headers), envelope.key, envelope.data, 0), envelope


@pytest.mark.parametrize(
    ("headers", "trace"),
    [
        ([("ce_traceparent", PARENT)], PARENT.decode()),
        ([("ce_traceparent", b"\xc3\xbc\0odd")], "\ufffd\ufffdodd"),
        ([("traceparent", PARENT)], ""),
        ([], ""),
    ],
)
async def test_the_trace_of_a_command_is_kept_whatever_it_says(
    pool: Pool, headers: list[tuple[str, bytes]], trace: str
) -> None:
    record, _ = arrived(*headers)
    await CommandIntake(pool, Topics("t1"), "erp", wake=lambda: None).handle(TOPIC, 0, [record])

    assert await pool.fetchval("select trace from posting_queue") == trace


async def test_a_command_that_cannot_be_read_is_held_with_all_that_its_headers_say(pool: Pool) -> None:
    record, envelope = arrived(("ce_documentkey", str(KEY).encode()), ("ce_seq", b"7"), ("ce_flow", b"shop"),
                               ("ce_kind", b"credit_note"))  # fmt: skip
    await CommandIntake(pool, Topics("t1"), "erp", wake=lambda: None).handle(TOPIC, 0, [replace(record, value=b"{")])

    held = Command.model_validate_json(await pool.fetchval("select command from posting_queue"))
    assert isinstance(held.wish, HeldWish)
    assert held.wish.reason == HoldReason.INTERNAL_ERROR
    assert held.wish.detail.startswith("The command cannot be read: ")
    assert held == Command(
        command_id=command_id(KEY, 7), document_key=KEY, flow="shop", order_key=envelope.subject, seq=7,
        kind="credit_note", wish=held.wish, cause=envelope.id, content_digest="",
    )  # fmt: skip


async def told(pool: Pool) -> list[str]:
    """Why records went to the dead letters."""
    rows = await pool.fetch("select headers, value from outbox order by id")
    return [_envelope(row["headers"], row["value"]).extensions["reason"] for row in rows]


@pytest.mark.parametrize(("seq", "taken"), [(2**31 - 1, True), (2**31, False)])
async def test_a_seq_that_no_order_reaches_is_set_aside(pool: Pool, seq: int, taken: bool) -> None:
    record, _ = arrived(seq=seq)
    await CommandIntake(pool, Topics("t1"), "erp", wake=lambda: None).handle(TOPIC, 0, [record])

    assert bool(await pool.fetchval("select count(*) from posting_queue")) is taken
    assert await told(pool) == ([] if taken else ["the seq or a key of the command is none that we issue"])


async def test_a_second_command_of_a_seq_is_set_aside_with_the_reason(pool: Pool) -> None:
    first, _ = arrived()
    other, _ = arrived(command_id=KEY)
    intake = CommandIntake(pool, Topics("t1"), "erp", wake=lambda: None)
    await intake.handle(TOPIC, 0, [first, replace(other, offset=1)])

    assert await told(pool) == ["another command of this order has the same seq"]


@pytest.mark.parametrize("bootstrap", ["kafka:9092", ""])
async def test_a_command_is_made_whole_where_its_chunks_can_be_read(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, bootstrap: str
) -> None:
    asked: list[tuple[object, ...]] = []

    async def whole(*where: object) -> object:
        asked.append(where)
        return where[-1]

    monkeypatch.setattr(taking, "whole", whole)
    record, _ = arrived()
    intake = CommandIntake(pool, Topics("t1"), "erp", wake=lambda: None, bootstrap=bootstrap)
    await intake.handle(TOPIC, 0, [record])

    assert asked == ([(bootstrap, TOPIC, 0, record.envelope())] if bootstrap else [])
    assert await pool.fetchval("select count(*) from posting_queue") == 1
