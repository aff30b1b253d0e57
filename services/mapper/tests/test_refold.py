"""Folding the log anew gives what the live mapper keeps, in fresh storage, and never decides."""

from __future__ import annotations

import pytest

from mlc_common.log import ends_of
from mlc_mapper import evolve, refold
from mlc_mapper.refold import refold_asked, refold_events, refold_issued
from mlc_mapper.state import OrderState
from mlc_mapper.store import StateTable

from .livelog import ERP, LATER, STORE, LiveLog
from .making import back, item, mapping_text, order, refund

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

MUG = item(2, "20.00", "1.00")
FLOWS = {STORE: ("web",)}
TABLE = "folded_anew"


async def a_day(live: LiveLog) -> None:
    """Orders of every kind: plain, edited, refunded (a fetch and its answer), deleted; and what is no order."""
    await live.apply(mapping_text())
    for number in range(100, 120):
        await live.hears(order(MUG, order_id=number))
    back_again = refund(25, "21.00", back(MUG, "20.00", "1.00"))
    refunded = order(MUG, modified="2026-11-21T00:10:00", refunds=[{"id": 25, "reason": "", "total": "-21.00"}])
    await live.hears(order(MUG))
    await live.hears(refunded)
    await live.hears_bytes(b"[]", 17)
    await live.hears(order(MUG, order_id=101, modified="2026-11-21T00:10:00", number="101-B"))
    await live.answer_fetches({"17": (refunded, [back_again])}, at=LATER)
    await live.reads(None, order_id=102, at=LATER)
    await live.turn()


async def fold_all(live: LiveLog) -> StateTable:
    table = StateTable(live.pool, TABLE)
    await table.create()
    await refold_events(live.brokers, live.topics.raw_orders, FLOWS, table)
    return table


async def test_events_commands_and_fetches_folded_from_the_log_give_the_states_in_force(
    live: LiveLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R13: what the log recorded is all there is to know of an order; in batches of seven, as in one."""
    monkeypatch.setattr(refold, "BATCH", 7)
    await a_day(live)
    table = await fold_all(live)
    assert await refold_issued(live.brokers, live.topics.commands(ERP), table) == len(await live.commands())
    assert await refold_asked(live.brokers, live.topics.control, FLOWS, table) == 1
    assert await live.states(TABLE) == await live.states()
    assert len(await live.states()) == 21


@pytest.mark.parametrize("rebook", [False, True])
async def test_what_a_replay_asked_of_an_order_that_must_be_read_first_is_on_the_log(
    live: LiveLog, rebook: bool
) -> None:
    """R19: the database may be lost before the answer comes."""
    await live.apply(mapping_text(revenue={"by_category": {}, "by_sku": {}, "default": "4000"}))
    await live.hears(order(MUG))
    await live.turn()
    (command,) = await live.commands()
    await live.is_held(17, command.document_key)
    await live.apply(mapping_text(revenue={"by_category": {"mugs": "4998"}, "by_sku": {}, "default": "4000"}))
    for request in ("a replay", "and another"):
        await live.replay(request, rebook=rebook)
        await live.turn()
    state = OrderState.model_validate_json((await live.states())[0]["state"])
    assert state.pending == {command.document_key: "rebook" if rebook else "anew"}
    assert len({request.fetch_id for request in await live.fetches()}) == 1

    table = await fold_all(live)
    await refold_issued(live.brokers, live.topics.commands(ERP), table)
    await refold_asked(live.brokers, live.topics.control, FLOWS, table)
    assert await live.states(TABLE) == await live.states()

    await live.reads(order(MUG), fetch_id=(await live.fetches())[0].fetch_id, at=LATER)
    await live.turn()
    again = StateTable(live.pool, "after_the_answer")
    await again.create()
    await refold_events(live.brokers, live.topics.raw_orders, FLOWS, again)
    await refold_issued(live.brokers, live.topics.commands(ERP), again)
    await refold_asked(live.brokers, live.topics.control, FLOWS, again)
    assert OrderState.model_validate_json((await live.states())[0]["state"]).pending == {}
    assert await live.states("after_the_answer") == await live.states()


async def test_folding_the_same_events_again_changes_nothing(live: LiveLog) -> None:
    await a_day(live)
    table = await fold_all(live)
    before = await live.states(TABLE)
    await refold_events(live.brokers, live.topics.raw_orders, FLOWS, table)
    assert await live.states(TABLE) == before


async def test_a_fold_stops_where_it_is_asked_to_and_goes_on_from_there(live: LiveLog) -> None:
    await a_day(live)
    topic = live.topics.raw_orders
    half = {part: end // 2 for part, end in (await ends_of(live.brokers, topic)).items()}
    table = StateTable(live.pool, TABLE)
    await table.create()
    told: list[int] = []
    first = await refold_events(live.brokers, topic, FLOWS, table, until=half, told=told.append)
    assert (told, told[-1]) == (sorted(told), sum(half.values()))
    rest = await refold_events(live.brokers, topic, FLOWS, table, since=half)
    other = StateTable(live.pool, "in_one_go")
    await other.create()
    assert await refold_events(live.brokers, topic, FLOWS, other) == first + rest
    assert await live.states(TABLE) == await live.states("in_one_go")


async def test_only_admitted_orders_are_folded(live: LiveLog) -> None:
    await a_day(live)

    class Some(StateTable):
        async def admitted(self, keys: object) -> set[tuple[str, str]]:
            return {("web", f"{STORE}:order:101")}

    table = Some(live.pool, TABLE)
    await table.create()
    assert await refold_events(live.brokers, live.topics.raw_orders, FLOWS, table) == 2
    assert [row["order_key"] for row in await live.states(TABLE)] == [f"{STORE}:order:101"]


async def test_a_defect_stops_the_fold_of_its_order_alone(live: LiveLog, monkeypatch: pytest.MonkeyPatch) -> None:
    await a_day(live)
    fold = evolve.fold

    def broken(state: object, told: object) -> object:
        if told.order_id == 101 and state.picture is not None:  # type: ignore[attr-defined] # any state, anything told
            raise ZeroDivisionError
        return fold(state, told)  # type: ignore[arg-type] # as above

    monkeypatch.setattr(refold, "fold", broken)
    await fold_all(live)
    rows = {row["order_key"]: row for row in await live.states(TABLE)}
    assert rows[f"{STORE}:order:101"]["defect"] == "ZeroDivisionError"
    assert '"101-B"' not in rows[f"{STORE}:order:101"]["state"]
    assert [row["defect"] for row in rows.values()].count("") == 20


def test_a_table_is_named_plainly() -> None:
    with pytest.raises(ValueError, match="no name of a table"):
        StateTable(None, "x; drop table y")  # type: ignore[arg-type] # refused before it is used
