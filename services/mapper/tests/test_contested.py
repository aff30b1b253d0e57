"""Two pictures of one second contradict each other: until a fetch has settled which is true, nothing is decided.

The facts of an order are folded from every picture, so that they may say "paid" of one that shows an unpaid order.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_common import exactjson
from mlc_common.accounting import HoldReason
from mlc_common.events import Command, DocumentWish, HeldWish
from mlc_mapper.decide import decide, release
from mlc_mapper.decision import Decision
from mlc_mapper.inputs import RawInput
from mlc_mapper.replays.order import decide_anew
from mlc_mapper.state import OrderState

from .making import NOW, STRICT, Json, item, order, snapshot, webhook

UNPAID, EDITED, PAID = (
    order(item(2, "12.00"), status="on-hold", paid=None),
    order(item(2, "72.00"), status="on-hold", paid=None),
    order(item(2, "72.00"), status="completed"),
)
"""One second of an order: placed, edited, paid."""


class Told:
    """An order to which events are told one by one."""

    def __init__(self) -> None:
        self.state = OrderState(flow="web", connection="shop", order_id=17)
        self.commands: list[Command] = []
        self.fetches: list[UUID] = []
        self._offset = 0

    def hears(self, *bodies: Json) -> None:
        for body in bodies:
            self._take(webhook(exactjson.dumps(body), offset=self._next()))

    def reads(self, body: Json | None, fetch_id: UUID | None) -> None:
        self._take(snapshot(body, offset=self._next(), fetch_id=fetch_id, at=NOW))

    def is_replayed(self) -> None:
        self.settles(decide_anew(self.state, STRICT, cause="replay"))

    def _next(self) -> int:
        self._offset += 1
        return self._offset

    def _take(self, event: RawInput) -> None:
        decision = decide(self.state, event, STRICT)
        assert isinstance(decision, Decision)
        self.settles(decision)

    def settles(self, decision: Decision) -> None:
        self.state = decision.state
        self.commands += decision.commands
        self.fetches += [request.fetch_id for request in decision.fetches]


def totals(commands: Iterable[Command]) -> list[Decimal]:
    return [command.wish.document.total for command in commands if isinstance(command.wish, DocumentWish)]


@pytest.fixture
def torn() -> Told:
    """Heard in order, and not settled yet: the picture is of an order without payment, the facts are of a paid one."""
    told = Told()
    told.hears(UNPAID, EDITED, PAID)
    return told


def test_a_contested_picture_is_not_posted_by_a_replay_in_the_middle(torn: Told) -> None:
    torn.is_replayed()
    assert torn.commands == []
    for fetch_id in torn.fetches:
        torn.reads(PAID, fetch_id)
    assert totals(torn.commands) == [Decimal(72)]


@pytest.mark.parametrize("again", [UNPAID, EDITED, PAID], ids=["unpaid", "edited", "paid"])
def test_nor_by_a_webhook_that_comes_twice(torn: Told, again: Json) -> None:
    torn.hears(again)
    assert torn.commands == []


def test_nor_by_the_answer_to_another_question(torn: Told) -> None:
    first, last = torn.fetches
    torn.reads(EDITED, first)
    assert torn.commands == []
    torn.reads(PAID, last)
    assert totals(torn.commands) == [Decimal(72)]


def test_a_later_picture_settles_it_without_the_answer(torn: Told) -> None:
    torn.hears(PAID | {"date_modified_gmt": "2026-11-21T00:03:16"})
    assert totals(torn.commands) == [Decimal(72)]
    assert torn.state.contested is None


def test_an_order_that_is_gone_when_its_fetch_is_answered_is_contested_no_more(torn: Told) -> None:
    for fetch_id in torn.fetches:
        torn.reads(None, fetch_id)
    assert torn.state.contested is None
    assert totals(torn.commands) == []


def test_a_release_meanwhile_says_that_the_order_is_read_once_more() -> None:
    held = Told()
    held.hears(PAID)
    (command,) = held.commands
    held.hears(UNPAID)
    decision = release(held.state, STRICT, cause="ada", documents=[command.document_key])
    (again,) = decision.commands
    assert isinstance(again.wish, HeldWish)
    assert again.wish.reason == HoldReason.TO_BE_READ
    assert again.wish.detail == "The order is read once more, because what was heard of it contradicts itself."
    assert [request.fetch_id for request in decision.fetches] == held.fetches
    held.settles(decision)
    held.reads(PAID, held.fetches[0])
    assert totals(held.commands) == [Decimal(72), Decimal(72)], "what was released is commanded once it is settled"


@given(st.lists(st.sampled_from(["unpaid", "edited", "paid", "replay", "answer"]), max_size=12))
def test_whatever_comes_in_whatever_order_only_what_was_paid_is_posted(steps: list[str]) -> None:
    """R8: webhooks of one second in any order, doubled, with replays between them; answers come late or at once."""
    told = Told()
    open_fetches: list[UUID] = []
    for step in [*steps, "unpaid", "edited", "paid"]:
        known = len(told.fetches)
        if step == "replay":
            told.is_replayed()
        elif step == "answer" and open_fetches:
            told.reads(PAID, open_fetches.pop(0))
        elif step != "answer":
            told.hears({"unpaid": UNPAID, "edited": EDITED, "paid": PAID}[step])
        open_fetches += [fetch_id for fetch_id in told.fetches[known:] if fetch_id not in told.state.answered]
    while open_fetches:
        known = len(told.fetches)
        told.reads(PAID, open_fetches.pop(0))
        open_fetches += told.fetches[known:]
    assert totals(told.commands) == [Decimal(72)]
    assert len(told.commands) == 1
