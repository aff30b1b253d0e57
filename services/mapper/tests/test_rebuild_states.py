"""The mapper's tables rebuilt from the log: what was decided stays decided, what may be lost is read afresh."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pytest

from mlc_common.accounting import document_key, event_id
from mlc_common.clock import SystemClock
from mlc_common.events import DocumentWish, FetchRequested, MapperCheckpoint, decode, encode
from mlc_common.log import ends_of
from mlc_common.store.outbox import _envelope
from mlc_common.store.pool import Pool, connect
from mlc_common.store.rebuild import generation, ledger
from mlc_common.store.rebuild.comparison import differences
from mlc_common.store.rebuild.folding import Folding
from mlc_mapper import decide
from mlc_mapper.rebuild.fold import FOLD

from .livelog import ERP, LATER, STORE, LiveLog
from .making import NOW, back, item, mapping_text, order, refund

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

MUG = item(2, "20.00", "1.00")
LATEST = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
INVOICE = document_key("web", "invoice", "17")


@dataclass
class Fresh:
    """A fresh generation of a mapper's tables, folded and not yet in force."""

    live: LiveLog
    pool: Pool
    notes: list[str]

    async def differing(self) -> list[str]:
        """Every recorded row that is not what it was."""
        found = []
        async with self.live.pool.acquire() as connection, connection.transaction():
            for table in FOLD.compared:
                rows = differences(connection, generation.IN_FORCE, generation.FRESH, table)
                found += [each.sentence() async for each in rows]
        return found

    async def asked(self) -> list[str]:
        """The orders that are asked for afresh."""
        return [request.order_id for request in await self.requests()]

    async def requests(self) -> list[FetchRequested]:
        """The fetches that the mapper will ask for."""
        waiting = [
            _envelope(r["headers"], r["value"]) for r in await self.pool.fetch("select * from outbox order by id")
        ]
        return [decode(one, FetchRequested) for one in waiting if one.type == FetchRequested.event_type]

    async def take_over(self) -> None:
        """Put it in force and let the mapper, as after a restart, go on."""
        await generation.swap(self.live.pool)
        self.live.handler = self.live.another()
        await self.live.publisher.flush()
        await self.live.turn()


@asynccontextmanager
async def folded(live: LiveLog, dsn: str) -> AsyncIterator[Fresh]:
    """A rebuild of what the mapper keeps."""
    await generation.make(live.pool, dsn)
    pool = await connect(dsn, application="test", most=4, schema=generation.FRESH)
    try:
        folding = Folding(pool, live.topics, live.brokers, SystemClock())
        await ledger.fold_mappings(folding)
        await ledger.fold_commands(folding, ERP)
        await FOLD.run(folding)
        yield Fresh(live, pool, folding.notes)
    finally:
        await pool.close()
        await generation.drop(live.pool)


async def checkpoint(live: LiveLog) -> None:
    """The mapper says that everything up to here is on the log."""
    offsets = await ends_of(live.brokers, live.topics.raw_orders)
    event = MapperCheckpoint(topic=live.topics.raw_orders, offsets=offsets, at=NOW)
    made = event_id("checkpoint", str(offsets))
    await live.log.publish(
        live.topics.audit, encode(event, event_id=made, subject="mapper", source="/test/mapper", time=NOW)
    )


async def a_day(live: LiveLog) -> None:
    """Orders that are plain, edited, refunded, deleted; a release, a resolution and a replay."""
    await live.apply(mapping_text())
    back_again = refund(25, "21.00", back(MUG, "20.00", "1.00"))
    refunded = order(MUG, modified="2026-11-21T00:10:00", refunds=[{"id": 25, "reason": "", "total": "-21.00"}])
    await live.hears(order(MUG))
    await live.hears(refunded)
    for number in (101, 102, 103):
        await live.hears(order(MUG, order_id=number))
    await live.hears_bytes(b"[]", 17)
    await live.answer_fetches({"17": (refunded, [back_again])}, at=LATER)
    await live.reads(None, order_id=102, at=LATER)
    await live.turn()
    await live.release(17, INVOICE)
    await live.resolve(101, document_key("web", "invoice", "101"), "posted")
    await live.replay(orders=[f"{STORE}:order:103"])
    await live.turn()


async def test_what_the_mapper_keeps_is_folded_to_the_same(live: LiveLog, database: str) -> None:
    """R13: nothing is decided anew, and nothing is asked for where everything is known to be on the log."""
    await a_day(live)
    await checkpoint(live)
    commands = await live.commands()
    async with folded(live, database) as fresh:
        assert await fresh.differing() == []
        assert (await fresh.asked(), fresh.notes) == ([], [])
        assert await fresh.pool.fetchval("select count(*) from answered_requests") == 2
        assert await fresh.pool.fetchval("select count(*) from replays where stage = 'done'") == 1
        await fresh.take_over()

    assert await live.commands() == commands
    await live.hears(order(MUG, order_id=101, modified="2026-11-21T00:20:00"))
    await live.turn()
    assert await live.commands() == commands, "an equal event commands nothing after a rebuild, either"


async def test_a_state_altered_by_hand_is_found(live: LiveLog, database: str) -> None:
    await a_day(live)
    await live.pool.execute(
        """
        update order_states set state = replace(state, '"seq":1', '"seq":9') where order_key = $1
        """,
        f"{STORE}:order:103",
    )
    async with folded(live, database) as fresh:
        assert await fresh.differing() == [f"order_states web {STORE}:order:103: state differs"]


async def test_a_command_that_was_lost_on_its_way_is_commanded_after_the_rebuild(live: LiveLog, database: str) -> None:
    """R19: decided and stored, but the outbox went down with the database."""
    await live.apply(mapping_text())
    await live.hears(order(MUG))
    await live.turn()
    await checkpoint(live)
    edited = order(item(2, "30.00", "1.50"), modified="2026-11-21T00:10:00")
    await live.hears(edited)
    await live._read_on()
    await live.pool.execute("truncate outbox")
    async with folded(live, database) as fresh:
        (request,) = await fresh.requests()
        assert fresh.notes == [
            "Orders read afresh from the store, as the log may lack what their last events led to: 1."
        ]
        await fresh.take_over()
    assert len(await live.commands()) == 1
    await live.reads(edited, fetch_id=request.fetch_id, at=LATEST)
    await live.turn()

    first, second = await live.commands()
    assert isinstance(second.wish, DocumentWish)
    assert (second.seq, str(second.wish.document.total)) == (2, "31.50")
    assert second.command_id != first.command_id


async def test_what_was_decided_behind_the_checkpoint_is_not_decided_again(live: LiveLog, database: str) -> None:
    await live.apply(mapping_text())
    await live.hears(order(MUG))
    edited = order(item(2, "30.00", "1.50"), modified="2026-11-21T00:10:00")
    await live.hears(edited)
    await live.turn()
    commands = await live.commands()
    async with folded(live, database) as fresh:
        assert await fresh.asked() == ["17"]
        (request,) = await fresh.requests()
        await fresh.take_over()
    await live.reads(edited, fetch_id=request.fetch_id, at=LATEST)
    await live.turn()

    assert await live.commands() == commands
    assert [command.seq for command in commands] == [1, 2]


async def test_an_order_that_was_heard_of_before_its_flow_began_is_read_afresh(live: LiveLog, database: str) -> None:
    await live.hears(order(MUG))
    await live.turn()
    await live.apply(mapping_text())
    await live.turn()
    await checkpoint(live)
    assert await live.commands() == []
    async with folded(live, database) as fresh:
        (request,) = await fresh.requests()
        await fresh.take_over()
    await live.reads(order(MUG), fetch_id=request.fetch_id, at=LATEST)
    await live.turn()

    assert [command.seq for command in await live.commands()] == [1]


async def test_a_request_that_nobody_answered_reaches_the_mapper_again_and_once(live: LiveLog, database: str) -> None:
    await live.apply(mapping_text())
    await live.hears(order(MUG))
    await live.turn()
    answered = await live.release(17, INVOICE)
    await live.turn()
    request = await live.release(17, INVOICE, request="another")
    await live.release(17, INVOICE, request="another")
    async with folded(live, database) as fresh:
        assert "Requests of people without an answer on the log, which the mapper gets again: 1." in fresh.notes
        await fresh.take_over()

    causes = [command.cause for command in await live.commands()]
    assert causes[1:] == [str(answered), str(request)]


async def test_a_request_that_was_refused_is_not_tried_again(live: LiveLog, database: str) -> None:
    await live.apply(mapping_text())
    await live.release(99, UUID(int=7))
    await live.turn()
    (reason,) = await live.dead_letters()
    async with folded(live, database) as fresh:
        assert fresh.notes == []
        rows = await fresh.pool.fetch("select note from answered_requests")
        assert [row["note"] for row in rows] == [reason]


async def test_an_order_that_a_defect_of_ours_stopped_comes_back_stopped(
    live: LiveLog, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live.apply(mapping_text())

    def broken(*_: object, **__: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(decide, "map_order", broken)
    await live.hears(order(MUG))
    await live.turn()
    await checkpoint(live)
    monkeypatch.undo()
    async with folded(live, database) as fresh:
        rows = await fresh.pool.fetch("select defect from order_states")
        assert [row["defect"] for row in rows] == ["ZeroDivisionError"]
        assert await fresh.differing() == []


async def test_what_is_no_order_becomes_a_dead_letter_if_it_had_not_become_one(live: LiveLog, database: str) -> None:
    await live.apply(mapping_text())
    await live.turn()
    await checkpoint(live)
    await live.hears_bytes(b"[]", 17)
    async with folded(live, database) as fresh:
        await fresh.take_over()

    assert len(await live.dead_letters()) == 1
