"""The log decided anew: what did not change is not commanded, what was corrected is, and no process need survive."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from mlc_common import crash
from mlc_common.accounting import document_key
from mlc_common.events import Command, DocumentWish, ReplayCompleted, decode, order_subject
from mlc_common.store import requests
from mlc_common.store.outbox import _envelope
from mlc_mapper.emitting import lane_of
from mlc_mapper.replays import store, worker
from mlc_mapper.replays.order import decide_anew
from mlc_mapper.replays.store import ReplayLost

from .livelog import ERP, LATER, STORE, LiveLog
from .making import NOW, back, item, mapping_text, order, refund

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

MUG = item(2, "20.00", "1.00")
CUP = item(3, "5.00", sku="CUP")
NO_CUPS = mapping_text(revenue={"by_sku": {"MUG-BLUE": "4711"}, "by_category": None, "default": None})
WITH_CUPS = mapping_text(revenue={"by_sku": {"MUG-BLUE": "4799", "CUP": "4712"}, "by_category": None, "default": None})


def invoice_of(order_id: int) -> UUID:
    return document_key("web", "invoice", str(order_id))


def accounts(command: Command) -> list[str]:
    assert isinstance(command.wish, DocumentWish)
    return [line.account for line in command.wish.document.lines]


async def a_day(live: LiveLog) -> None:
    """Mugs that post, cups that have no account, a refund that was fetched, an edit, an order that is gone."""
    await live.apply(NO_CUPS)
    for number in range(100, 106):
        await live.hears(order(MUG, order_id=number))
    for number in range(200, 204):
        await live.hears(order(CUP, order_id=number))
    await live.hears(order(MUG))
    refunded = order(MUG, modified="2026-11-21T00:10:00", refunds=[{"id": 25, "reason": "", "total": "-21.00"}])
    await live.hears(refunded)
    await live.hears(order(MUG, MUG | {"id": 9}, order_id=101, modified="2026-11-21T00:10:00"))
    await live.answer_fetches({"17": (refunded, [refund(25, "21.00", back(MUG, "20.00", "1.00"))])}, at=LATER)
    await live.reads(None, order_id=102, at=LATER)
    await live.turn()


async def new_commands(live: LiveLog, before: list[Command]) -> list[Command]:
    known = {command.command_id for command in before}
    return [command for command in await live.commands() if command.command_id not in known]


async def completed(live: LiveLog) -> list[tuple[UUID, int, int]]:
    found = [decode(one, ReplayCompleted) for one in await live.events(live.topics.audit)]
    return [(one.request_id, one.orders, one.commands) for one in found]


async def test_a_replay_of_everything_by_the_same_mapping_commands_nothing(live: LiveLog) -> None:
    """R13: whatever the log holds, deciding it again gives what was decided."""
    await a_day(live)
    before, states = await live.commands(), await live.states()
    fetches = await live.fetches()
    request = await live.replay()
    await live.turn()
    assert await live.commands() == before
    assert await live.states() == states
    assert await live.fetches() == fetches
    assert await completed(live) == [(request, len(states), 0)]
    assert await live.states("replay_states") == [], "nothing stays of what was folded"


async def test_a_recorded_log_gives_the_same_commands_to_the_byte_in_an_empty_database(live: LiveLog) -> None:
    """R13: twice, and a replay of it afterwards commands nothing."""
    await a_day(live)
    recorded = {one.id: (sorted(one.headers()), one.data) for one in await live.events(live.topics.commands(ERP))}
    for _ in range(2):
        await live.pool.execute("truncate order_states, outbox, consumer_positions, mappings")
        while await live._read_on():
            pass
        rows = await live.pool.fetch("select * from outbox where topic = $1", live.topics.commands(ERP))
        again = [_envelope(row["headers"], row["value"]) for row in rows]
        assert {one.id: (sorted(one.headers()), one.data) for one in again} == recorded
    await live.replay()
    await live._read_on()
    await live.pool.execute("truncate outbox")
    await live.replays.work_off()
    left = await live.pool.fetch("select topic from outbox")
    assert [row["topic"] for row in left] == [live.topics.audit]


async def test_by_a_corrected_mapping_what_is_held_is_booked_and_what_is_booked_stays(live: LiveLog) -> None:
    await a_day(live)
    before = await live.commands()
    await live.apply(WITH_CUPS)
    request = await live.replay()
    await live.turn()
    made = await new_commands(live, before)
    assert sorted(command.order_key for command in made) == [order_subject(STORE, n) for n in range(200, 204)]
    assert {tuple(accounts(command)) for command in made} == {("4712",)}
    assert {command.cause for command in made} == {str(request)}
    assert {command.adjusting for command in made} == {"difference"}
    newest = {row["order_key"]: row["newest_event"] for row in await live.states()}
    envelopes = {one.id: one for one in await live.events(live.topics.commands(ERP))}
    for command in made:
        envelope = envelopes[str(command.command_id)]
        assert envelope.extensions["replayof"] == newest[command.order_key] != ""
    told = await requests.replay_progress(live.pool, request)
    assert told == requests.ReplayProgress("done", len(await live.states()), len(await live.states()), 4)
    assert len(await live.answers(request)) == 4


async def test_what_the_ledger_holds_and_never_posted_is_booked_by_the_corrected_mapping(live: LiveLog) -> None:
    """A document that the ERP refused was commanded; its booking is still open."""
    await a_day(live)
    await live.is_held(100, invoice_of(100), "refused_by_erp")
    before = await live.commands()
    await live.apply(WITH_CUPS)
    await live.replay(reason="refused_by_erp")
    await live.turn()
    (made,) = await new_commands(live, before)
    assert (made.order_key, accounts(made)) == (order_subject(STORE, 100), ["4799"])


async def test_rebooking_commands_everything_that_is_wanted_by_the_rules_of_today(live: LiveLog) -> None:
    await a_day(live)
    before = await live.commands()
    await live.apply(WITH_CUPS)
    await live.replay(orders=[order_subject(STORE, 100), order_subject(STORE, 17)], rebook=True)
    await live.turn()
    made = await new_commands(live, before)
    assert [command.adjusting for command in made] == ["rebook"] * 3
    assert {tuple(accounts(command)) for command in made} == {("4799",)}


async def selected(live: LiveLog, monkeypatch: pytest.MonkeyPatch, **selector: Any) -> set[int]:
    """The ids of the orders that a replay takes."""
    taken: set[int] = set()
    begin = store.begin_order

    async def noted(connection: Any, key: tuple[str, str]) -> bool:
        taken.add(int(key[1].rpartition(":")[2]))
        return await begin(connection, key)

    monkeypatch.setattr(store, "begin_order", noted)
    await live.replay(str(selector), **selector)
    await live.turn()
    monkeypatch.setattr(store, "begin_order", begin)
    return taken


async def test_a_replay_takes_the_orders_that_match_all_that_was_asked_for(
    live: LiveLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_day(live)
    await live.hears(order(MUG, order_id=300), at=LATER + timedelta(hours=1))
    await live.turn()
    await live.is_held(200, invoice_of(200))
    await live.is_held(201, invoice_of(201))
    late, everybody = LATER + timedelta(minutes=30), {17, *range(100, 106), *range(200, 204), 300}

    async def takes(**selector: Any) -> set[int]:
        return await selected(live, monkeypatch, **selector)

    assert await takes() == everybody
    assert await takes(orders=[order_subject(STORE, n) for n in (100, 200)]) == {100, 200}
    assert await takes(reason="account_unknown") == {200, 201}
    assert await takes(reason="account_unknown", orders=[order_subject(STORE, 200)]) == {200}
    assert await takes(since=late) == {300}
    assert await takes(until=LATER) == everybody - {300}
    assert await takes(since=LATER, until=late) == {17, 102}
    records = [one for one in await live.records(live.topics.raw_orders) if one.key == b"shop:order:103"]
    place = {records[0].partition: (records[0].offset, records[0].offset)}
    assert await takes(offsets=place) == {103}
    assert await takes(offsets=place, since=late) == set()


async def test_what_an_order_sees_while_it_is_replayed_counts(live: LiveLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state that is stored in the end has seen every event, whether before the fold, after it, or at its end."""
    await a_day(live)
    await live.apply(WITH_CUPS)
    undecided, catch_up = store.undecided, live.replays._catch_up
    seen = list[str]()

    async def meanwhile(pool: Any, most: int) -> Any:
        if "before" not in seen:
            seen.append("before")
            await live.hears(order(MUG, CUP, order_id=200, modified="2026-11-21T00:20:00"))
            await live._read_on()
        return await undecided(pool, most)

    async def too_late(work: Any) -> Any:
        work = await catch_up(work)
        if "after" not in seen:
            seen.append("after")
            await live.hears(order(MUG, order_id=201, modified="2026-11-21T00:20:00"))
            await live._read_on()
        return work

    monkeypatch.setattr(store, "undecided", meanwhile)
    monkeypatch.setattr(live.replays, "_catch_up", too_late)
    await live.replay()
    await live.turn()
    assert seen == ["before", "after"]
    commands = {n: await live.commands(n) for n in (200, 201, 202)}
    assert [accounts(commands[n][-1]) for n in commands] == [["4799", "4712"], ["4799"], ["4712"]]
    assert [[command.seq for command in commands[n]] for n in commands] == [[1, 2]] * 3
    before = await live.states()
    await live.replay("once more")
    await live.turn()
    assert await live.states() == before
    assert {n: len(await live.commands(n)) for n in commands} == {200: 2, 201: 2, 202: 2}


async def test_orders_of_before_the_mapping_are_decided_by_a_replay(live: LiveLog) -> None:
    await live.hears(order(MUG))
    await live.turn()
    await live.apply(WITH_CUPS)
    await live.turn()
    assert await live.commands() == []
    await live.replay()
    await live.turn()
    (made,) = await live.commands(17)
    assert (made.seq, accounts(made)) == (1, ["4799"])


async def test_states_that_another_version_has_folded_are_folded_again(live: LiveLog) -> None:
    """R18: a new version of the fold takes every order through it, and commands nothing for that."""
    await a_day(live)
    before, commands = await live.states(), await live.commands()
    old = """
        update order_states set evolve_version = 0, state = replace(state, '"first_name":"Ada"', '"first_name":"Old"')
        where order_key like '%:10_'
    """
    await live.pool.execute(old)
    assert await live.states() != before
    await live.replays.ask_for_old_states()
    await live.turn()
    assert await live.states() == before
    assert await live.commands() == commands
    assert [(orders, made) for _, orders, made in await completed(live)] == [(6, 0)]


async def test_a_request_that_comes_twice_is_worked_off_once(live: LiveLog) -> None:
    await a_day(live)
    await live.apply(WITH_CUPS)
    request = await live.replay()
    await live.replay()
    await live.turn()
    await live.replay()
    await live.turn()
    assert len(await completed(live)) == 1
    assert len(await live.answers(request)) == 4


async def test_an_order_that_fails_is_left_as_it_is_and_told(live: LiveLog, monkeypatch: pytest.MonkeyPatch) -> None:
    await a_day(live)
    await live.apply(WITH_CUPS)

    def broken(state: Any, *rest: Any, **more: Any) -> Any:
        return 1 / 0 if state.order_id == 200 else decide_anew(state, *rest, **more)

    monkeypatch.setattr(worker, "decide_anew", broken)
    before = await live.states()
    request = await live.replay(reason="")
    await live.turn()
    notes = {one.order_key: one.note for one in await live.answers(request) if one.note}
    assert notes == {order_subject(STORE, 200): "A defect of ours (ZeroDivisionError); the order stays as it is."}
    assert [row for row in await live.states() if "order:200" in row["order_key"]] == [
        row for row in before if "order:200" in row["order_key"]
    ]
    assert len(await live.commands(201)) == 2


async def test_who_stood_still_while_another_took_over_writes_nothing(
    live: LiveLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R16: a frozen worker wakes up behind the fence."""
    await a_day(live)
    await live.apply(WITH_CUPS)
    await live.replay()
    await live._read_on()
    before = await live.pool.fetchval("select count(*) from outbox")

    async def overtaken(pool: Any, most: int) -> Any:
        await live.pool.execute("update replays set fencing = fencing + 1")
        return [("web", order_subject(STORE, 200))]

    monkeypatch.setattr(store, "undecided", overtaken)
    with pytest.raises(ReplayLost):
        await live.replays.work_off()
    assert await live.pool.fetchval("select count(*) from outbox") == before


POINTS = tuple(point for point in crash.POINTS if point.startswith(("control.", "replay.")))


@pytest.mark.crash
@pytest.mark.parametrize("point", [one for one in POINTS if one.startswith("replay.")])
async def test_a_replay_that_is_killed_goes_on_and_commands_everything_once(
    live: LiveLog, database: str, tenant: str, point: str
) -> None:
    """R1: at every step of a replay."""
    await a_day(live)
    before = await live.commands()
    await live.apply(WITH_CUPS)
    await live.replay()
    await live._read_on()
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("replaying.py")),
        live.brokers,
        database,
        tenant,
        env=os.environ | {"CRASH_AT": f"{point}:2" if point.endswith("commit") else point},
    )
    assert await child.wait() == -signal.SIGKILL
    await live.pool.execute("update leases set lease_until = now()")  # as if the dead process's had run out
    await live.publisher.flush()
    await live.turn()
    made = await new_commands(live, before)
    assert sorted((command.order_key, command.seq) for command in made) == [
        (order_subject(STORE, n), 2) for n in range(200, 204)
    ]
    assert [(orders, commands) for _, orders, commands in await completed(live)] == [(11, 4)]


@pytest.mark.crash
async def test_requests_whose_fold_is_lost_are_folded_again_and_once(
    live: LiveLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R1: what dies before the commit (`control.before_commit`) has done nothing."""
    assert "control.before_commit" in POINTS
    await a_day(live)

    def dies(point: str) -> None:
        if point == "control.before_commit":
            raise asyncio.CancelledError

    await live.apply(WITH_CUPS)
    await live.release(200, invoice_of(200))
    with monkeypatch.context() as patched:
        patched.setattr("mlc_mapper.handler.crash.point", dies)
        with pytest.raises(asyncio.CancelledError):
            await live._read_on()
    await live.turn()
    assert [command.seq for command in await live.commands(200)] == [1, 2]


async def test_lanes_are_the_partitions_that_the_log_uses(live: LiveLog) -> None:
    for number in (17, 100, 101, 102):
        await live.hears(order(MUG, order_id=number), at=datetime.fromisoformat(NOW.isoformat()))
    for record in await live.records(live.topics.raw_orders):
        assert lane_of((record.key or b"").decode()) == record.partition
