"""R18: while an old and a new mapper run side by side, no event is decided on a state that the other has folded."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from mlc_common.accounting import HoldReason, document_key
from mlc_common.events import HeldWish, order_subject
from mlc_mapper.replays import store, worker
from mlc_mapper.replays.order import decide_anew
from mlc_mapper.state import EVOLVE_VERSION, OrderState

from .livelog import LATER, STORE, LiveLog
from .making import item, mapping_text, order
from .test_contested import PAID, UNPAID, totals

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

MUG = item(2, "20.00", "1.00")


async def is_folded_by_version_2(live: LiveLog, order_id: int = 17) -> None:
    """A mapper of version 2, which knew nothing of contested pictures, has written the order's state."""
    (text,) = [row["state"] for row in await live.states() if row["order_key"] == order_subject(STORE, order_id)]
    old = {name: value for name, value in json.loads(text).items() if name != "contested"} | {"version": 2}
    await live.pool.execute(
        "update order_states set evolve_version = 2, state = $2 where order_key = $1",
        order_subject(STORE, order_id), json.dumps(old),
    )  # fmt: skip


async def replays_what_waits(live: LiveLog) -> None:
    await live.replays.ask_for_old_states()
    await live.turn()


async def versions(live: LiveLog) -> set[tuple[int, int]]:
    """Of the rows, and of the states in them."""
    rows = await live.states()
    return {(row["evolve_version"], OrderState.model_validate_json(row["state"]).version) for row in rows}


async def test_a_doubled_webhook_on_a_state_of_another_version_waits_and_is_not_decided_on_half_of_it(
    live: LiveLog,
) -> None:
    """R7, R18: version 2 forgot that the two pictures contradict each other, and 12.00 would be invoiced."""
    await live.apply(mapping_text())
    await live.hears(UNPAID)
    await live.hears(PAID)
    await live.turn()
    await live.replays.ask_for_old_states()  # as at its start: there is nothing yet
    await is_folded_by_version_2(live)
    await live.hears(UNPAID)
    await live.turn()
    assert await live.commands() == []
    await replays_what_waits(live)
    assert await live.commands() == [], "the two pictures contradict each other still"
    assert await versions(live) == {(EVOLVE_VERSION, EVOLVE_VERSION)}
    first, *_ = await live.fetches()
    await live.reads(PAID, fetch_id=first.fetch_id, at=LATER)
    await live.turn()
    assert [str(total) for total in totals(await live.commands())] == ["72.00"]


async def test_the_event_that_waited_is_decided_by_the_replay(live: LiveLog) -> None:
    await live.apply(mapping_text())
    await live.hears(order(MUG))
    await live.turn()
    await is_folded_by_version_2(live)
    await live.hears(order(item(2, "30.00", "1.50"), modified="2026-11-21T00:10:00"))
    await live.turn()
    assert len(await live.commands()) == 1
    await replays_what_waits(live)
    assert [str(total) for total in totals(await live.commands())] == ["21.00", "31.50"]


async def test_a_deletion_that_waited_is_asked_for(live: LiveLog) -> None:
    """Such an event holds nothing but the order's id, so that no fold keeps anything of it."""
    await live.apply(mapping_text())
    await live.hears(order(MUG))
    await live.turn()
    await is_folded_by_version_2(live)
    await live.hears({"id": 17})
    await live.turn()
    await replays_what_waits(live)
    (request,) = await live.fetches()
    await live.reads(None, fetch_id=request.fetch_id, at=LATER)
    await live.turn()
    wish = (await live.commands())[-1].wish
    assert isinstance(wish, HeldWish)
    assert wish.reason == HoldReason.ORDER_DELETED


async def test_a_replay_of_what_did_not_have_to_wait_asks_for_nothing(live: LiveLog) -> None:
    await live.apply(mapping_text())
    await live.hears(order(MUG))
    await live.turn()
    await is_folded_by_version_2(live)
    await replays_what_waits(live)
    assert await versions(live) == {(EVOLVE_VERSION, EVOLVE_VERSION)}
    assert (await live.fetches(), len(await live.commands())) == ([], 1)


async def test_what_an_old_mapper_wrote_after_the_first_look_is_looked_for_when_its_orders_become_ours(
    live: LiveLog,
) -> None:
    """The same orders once more: their second replay is not taken for the first."""
    await live.apply(mapping_text())
    await live.hears(order(MUG))
    await live.turn()
    for _ in range(2):
        await is_folded_by_version_2(live)
        await live.handler.assigned([(live.topics.raw_orders, 0)])
        await replays_what_waits(live)
        assert await versions(live) == {(EVOLVE_VERSION, EVOLVE_VERSION)}
    assert await live.pool.fetchval("select count(*) from replays") == 2


async def test_it_is_asked_for_once_by_all_mappers_together(live: LiveLog) -> None:
    await live.apply(mapping_text())
    await live.hears(order(MUG))
    await live.turn()
    await is_folded_by_version_2(live)
    for mapper in (live.replays, live.replaying("another"), live.replaying("a third")):
        await mapper.ask_for_old_states()
    assert await live.pool.fetchval("select count(*) from replays") == 1


async def test_a_replay_that_a_mapper_of_another_version_began_is_folded_once_more(
    live: LiveLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live.apply(mapping_text())
    await live.hears(order(MUG))
    await live.turn()
    await live.replay(orders=[order_subject(STORE, 17)])
    await live._read_on()

    async def dies(pool: Any, most: int) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(store, "undecided", dies)
        with pytest.raises(ZeroDivisionError):
            await live.replays.work_off()
    await live.pool.execute(
        """
        update replay_states set evolve_version = 2, state = replace(state, '"first_name":"Ada"', '"first_name":"Old"')
        """
    )
    before = await live.states()
    await live.turn()
    assert await live.states() == before


async def test_an_event_that_waited_for_a_replay_which_fails_is_held(
    live: LiveLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody released it, so that nobody would look for it."""
    await live.apply(mapping_text())
    for number in (17, 18):
        await live.hears(order(MUG, order_id=number))
    await live.turn()
    for number in (17, 18):
        await is_folded_by_version_2(live, number)
    await live.hears(order(item(2, "30.00", "1.50"), modified="2026-11-21T00:10:00"))
    await live.turn()

    def broken(*_rest: Any, **_more: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(worker, "decide_anew", broken)
    await replays_what_waits(live)
    monkeypatch.setattr(worker, "decide_anew", decide_anew)
    wish = (await live.commands(17))[-1].wish
    assert isinstance(wish, HeldWish)
    assert wish.reason == HoldReason.INTERNAL_ERROR
    assert len(await live.commands(18)) == 1, "what has nothing that waits stays as it is"
    await live.release(17, invoice_of(17))
    await live.turn()
    assert [str(total) for total in totals(await live.commands(17))] == ["21.00", "31.50"]


def invoice_of(order_id: int) -> UUID:
    return document_key("web", "invoice", str(order_id))
