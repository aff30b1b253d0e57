"""The queue takes each command once, knows where an order's first gap is, and refuses a second one of a seq (R7)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from mlc_common.events import Command
from mlc_common.store.pool import Pool, connect
from mlc_common.store.posting_queue import add_commands

from .wishes import Order

pytestmark = pytest.mark.postgres

_DOCUMENTS = "select document_key, kind, place, newest_seq, command_id from posting_documents order by place"
_ORDER = "select erp, contiguous_seq, runnable from posting_orders where order_key = $1"


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    pool = await connect(database, application="test", most=4)
    yield pool
    await pool.close()


async def add(pool: Pool, *commands: Command, traces: Sequence[str] = ()) -> set[UUID]:
    async with pool.acquire() as connection, connection.transaction():
        return await add_commands(connection, "erp", commands, traces)


async def queued(pool: Pool) -> list[UUID]:
    return [row["command_id"] for row in await pool.fetch("select command_id from posting_queue order by seq")]


async def documents(pool: Pool) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await pool.fetch(_DOCUMENTS)]


async def contiguous(pool: Pool, order: Order) -> int:
    found = await pool.fetchrow(_ORDER, f"wc01:order:{order.number}")
    assert found is not None
    return int(found["contiguous_seq"])


async def test_a_command_is_kept_as_it_came(pool: Pool, order: Order) -> None:
    command = order.invoice("100.00")
    assert await add(pool, command, traces=["00-trace"]) == set()

    row = await pool.fetchrow("select * from posting_queue")
    assert row is not None
    assert Command.model_validate_json(row["command"]) == command
    assert (row["command_id"], row["flow"], row["order_key"]) == (command.command_id, command.flow, command.order_key)
    assert (row["document_key"], row["seq"], row["kind"]) == (command.document_key, 1, "invoice")
    assert row["trace"] == "00-trace"
    assert await documents(pool) == [(command.document_key, "invoice", 1, 1, command.command_id)]
    assert tuple(await pool.fetchrow(_ORDER, command.order_key) or ()) == ("erp", 1, True)


async def test_a_command_seen_before_changes_nothing(pool: Pool, order: Order) -> None:
    command = order.invoice("100.00")
    await add(pool, command)
    await pool.execute("update posting_orders set runnable = false")
    assert await add(pool, command, command) == set()

    assert await queued(pool) == [command.command_id]
    assert await pool.fetchval("select trace from posting_queue") == ""
    assert not await pool.fetchval("select runnable from posting_orders")


async def test_another_command_of_a_seq_that_is_taken_is_refused_and_makes_no_document(
    pool: Pool, order: Order
) -> None:
    first = order.invoice("100.00")
    other = first.model_copy(update={"command_id": uuid4(), "document_key": uuid4()})
    await add(pool, first)

    assert await add(pool, other) == {other.command_id}
    assert await queued(pool) == [first.command_id]
    assert [row[0] for row in await documents(pool)] == [first.document_key]


async def test_of_a_batch_only_what_is_taken_twice_is_refused(pool: Pool, order: Order) -> None:
    first, second = order.invoice("100.00"), order.credit("30.00")
    other = second.model_copy(update={"command_id": uuid4()})

    assert await add(pool, first, second, other) == {other.command_id}
    assert await queued(pool) == [first.command_id, second.command_id]


@pytest.mark.parametrize("batches", [[[1, 2, 3]], [[3], [1], [2]], [[2, 3], [1]], [[1, 3], [2]]])
async def test_an_order_is_known_up_to_its_first_gap(pool: Pool, order: Order, batches: list[list[int]]) -> None:
    commands = [order.invoice("100.00"), order.credit("30.00"), order.invoice("120.00")]
    arrived: set[int] = set()
    for batch in batches:
        await add(pool, *(commands[seq - 1] for seq in batch))
        arrived |= set(batch)
        assert await contiguous(pool, order) == next(seq for seq in range(4) if seq + 1 not in arrived)

    assert await queued(pool) == [command.command_id for command in commands]
    assert [(row[1], row[2], row[3]) for row in await documents(pool)] == [("invoice", 1, 3), ("credit_note", 2, 2)]


async def test_a_document_names_the_newest_command_that_it_came_with(pool: Pool, order: Order) -> None:
    commands = [order.invoice("100.00"), order.invoice("110.00"), order.invoice("120.00")]
    await add(pool, *commands)

    assert await documents(pool) == [(order.key, "invoice", 1, 3, commands[2].command_id)]


async def test_orders_do_not_fill_each_others_gaps(pool: Pool) -> None:
    one, two = Order("1001"), Order("1002")
    gap = [one.invoice("1.00"), one.invoice("2.00")][1]
    await add(pool, gap, two.invoice("3.00"))

    assert (await contiguous(pool, one), await contiguous(pool, two)) == (0, 1)
    other_flow = two.invoice("4.00").model_copy(update={"flow": "another", "command_id": uuid4()})
    await add(pool, other_flow)
    assert await contiguous(pool, two) == 1


async def test_a_new_command_wakes_an_order_at_once_and_never_later_than_it_was_to_wake(
    pool: Pool, order: Order
) -> None:
    await add(pool, order.invoice("100.00"))
    past, future = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)
    for not_before, kept in ((future, False), (past, True)):
        await pool.execute("update posting_orders set runnable = false, not_before = $1", not_before)
        await add(pool, order.invoice("110.00"))
        found = await pool.fetchrow("select runnable, not_before, now() as now from posting_orders")
        assert found is not None
        assert found["runnable"]
        assert found["not_before"] <= found["now"]
        assert (found["not_before"] == not_before) is kept


async def test_nothing_to_add_touches_nothing(pool: Pool) -> None:
    assert await add(pool) == set()
    assert await pool.fetchval("select count(*) from posting_orders") == 0
