"""What a proposed mapping or a replay would change, told before anything is changed."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from mlc_common.accounting import document_key
from mlc_common.errors import ConfigurationError
from mlc_common.events import ReplayRequested, order_subject
from mlc_common.log import Record
from mlc_common.store.posting_queue import add_commands
from mlc_mapper import refold, whatif
from mlc_mapper.mapping import load
from mlc_mapper.state import OrderState
from mlc_mapper.store import StoredState
from mlc_mapper.whatif import WhatIf

from .livelog import ERP, STORE, LiveLog
from .making import NOW, item, mapping_text, order
from .test_replays import NO_CUPS, WITH_CUPS, a_day, invoice_of

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

MUG = item(2, "20.00", "1.00")


async def diff(live: LiveLog, text: str) -> tuple[dict[int, list[dict[str, Any]]], dict[str, Any]]:
    """The changes by order, and the sums."""
    look = WhatIf(live.pool, live.brokers, live.topics)
    found: dict[int, list[dict[str, Any]]] = {}
    async for one in look.mapping(load(text)):
        found.setdefault(one["order"], []).append(one)
    return found, look.sums.plain()


def says(change: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {one["what"]: (one["from"], one["to"]) for one in change["differences"]}


async def test_a_proposed_mapping_is_compared_document_by_document(
    live: LiveLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whatif, "PAGE", 3)
    monkeypatch.setattr(whatif._Scratch, "_SWEEP_EVERY", 1)
    await a_day(live)
    before = (await live.commands(), await live.states())
    found, sums = await diff(live, WITH_CUPS)
    assert set(found) == {17, *range(100, 106), *range(200, 204)} - {102}, "102 is gone from the store either way"
    assert [one["document"] for one in found[17]] == ["invoice", "credit_note"]
    assert says(found[100][0]) == {"line:2 Blue Mug: account": ("4711", "4799")}
    held = found[200][0]
    assert (held["was"], held["becomes"], held["number"]) == ("held", "document", "WA00200")
    assert says(held)["is"] == ("held: account_unknown", "document")
    assert says(held)["total"] == ("", "5.00 USD")
    assert says(held)["line:3 Blue Mug: account"] == ("", "4712")
    assert "memo" not in says(held), "what comes anew is told by where it is booked"
    assert sums["changed"] == 11
    assert sums["kinds"] == [
        {"was": "document", "becomes": "document", "documents": 7},
        {"was": "held", "becomes": "document", "documents": 4},
    ]
    assert sums["totals"] == [{"currency": "USD", "from": "126.00", "to": "146.00"}]
    accounts = {one["account"]: (one["from"], one["to"]) for one in sums["accounts"]}
    assert accounts == {"4711": ("120.00", "0.00"), "4712": ("0.00", "20.00"), "4799": ("0.00", "120.00")}
    assert (await live.commands(), await live.states()) == before, "a look changes nothing"


async def test_memory_holds_a_batch_of_events_and_a_page_of_orders_however_many_there_are(
    live: LiveLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refold, "BATCH", 4)
    monkeypatch.setattr(whatif, "PAGE", 4)
    await live.apply(NO_CUPS)
    await live.turn()
    for number in range(100, 140):
        await live.hears(order(MUG, order_id=number))
    held: list[tuple[str, int]] = []

    def alive() -> int:
        return sum(type(one) in (OrderState, StoredState, Record) for one in gc.get_objects())

    def told(phase: str, _done: int, _of: int) -> None:
        held.append((phase, alive() - before))

    gc.collect()
    before, look = alive(), WhatIf(live.pool, live.brokers, live.topics, told=told)
    assert sum([1 async for _ in look.mapping(load(WITH_CUPS))]) == 40
    assert {phase for phase, _ in held} == {"read", "decided"}
    assert max(count for _, count in held) <= 12, "records or states of one batch, and what comes next"


async def test_the_mapping_in_force_differs_from_itself_in_nothing(live: LiveLog) -> None:
    await a_day(live)
    found, sums = await diff(live, NO_CUPS)
    assert (found, sums["changed"], sums["accounts"]) == ({}, 0, [])
    assert sums["documents"] == 12
    assert await live.pool.fetchval("select count(*) from pg_class where relname = 'what_if_states'") == 0


async def test_changes_of_project_tax_code_party_and_rule_are_named(live: LiveLog) -> None:
    await a_day(live)
    proposed = mapping_text(
        revenue={"by_sku": {"MUG-BLUE": "4711"}, "by_category": None, "default": None},
        project={"rule": "generic", "code": "OTHER.PROJECT"},
        taxes={"by_rate": {"US-NY-NY STATE-1": {"code": "STATE", "account": "221.00"}}},
        firms={"table": [{"email": "ada@example.test", "firm": "ENGINES"}]},
    )
    found, _ = await diff(live, proposed)
    said = says(found[100][0])
    assert said["project"][1] == "OTHER.PROJECT"
    assert said["line:2 Blue Mug: tax"] == ("NY_STATE 1.00 on 221.00", "STATE 1.00 on 221.00")
    assert said["firm"][1] == "ENGINES"
    later, sums = await diff(live, mapping_text(cut_over="2027-01-01"))
    assert says(later[100][0])["is"] == ("document", "left out: before_cut_over")
    assert sums["kinds"][0] == {"was": "document", "becomes": "left out", "documents": 7}


async def test_what_must_be_read_before_it_can_be_told_is_counted(live: LiveLog) -> None:
    await a_day(live)
    _, sums = await diff(live, mapping_text(revenue={"by_sku": None, "by_category": {"mugs": "1"}, "default": "2"}))
    assert sums["orders_to_be_read"] == 9, "17 was read whole"


async def test_a_flow_does_not_change_its_store(live: LiveLog) -> None:
    await a_day(live)
    with pytest.raises(ConfigurationError, match="never changes its store"):
        await diff(live, mapping_text(store="othershop"))


async def test_a_replay_tells_beforehand_what_it_would_command(live: LiveLog) -> None:
    await a_day(live)
    commands = await live.commands()
    async with live.pool.acquire() as connection, connection.transaction():
        await add_commands(connection, ERP, commands)
    await live.apply(WITH_CUPS)
    await live.turn()
    before = await live.states()
    orders = [order_subject(STORE, number) for number in (100, 200, 201)]
    request = ReplayRequested(request_id=invoice_of(1), flow="web", orders=orders, by="ada", why="x", at=NOW)
    look = WhatIf(live.pool, live.brokers, live.topics)
    found = [one async for one in look.replay(request)]
    assert [(one["order"], one["was"], one["becomes"]) for one in found] == [
        (200, "held", "document"), (201, "held", "document")
    ]  # fmt: skip
    assert look.sums.orders == 3
    rebooked = [one async for one in WhatIf(live.pool, live.brokers, live.topics).replay(
        request.model_copy(update={"orders": orders[:1], "rebook": True})
    )]  # fmt: skip
    assert [says(one) for one in rebooked] == [{"line:2 Blue Mug: account": ("4711", "4799")}]
    assert (await live.states(), len(await live.commands())) == (before, len(commands))


async def test_how_far_a_look_is_can_be_followed(live: LiveLog) -> None:
    await live.apply(NO_CUPS)
    for number in (17, 18):
        await live.hears(order(MUG, order_id=number))
    await live.turn()
    told: list[tuple[str, int, int]] = []
    look = WhatIf(live.pool, live.brokers, live.topics, told=lambda *said: told.append(said))
    assert [one async for one in look.mapping(load(NO_CUPS))] == []
    assert [said for said in told if said[1] == said[2]] == [("read", 2, 2), ("decided", 2, 2)]
    assert told == sorted(told, key=lambda said: (said[0] == "decided", said[1]))
    assert document_key("web", "invoice", "17") == invoice_of(17)
