"""What a person asks of an order that must be read first is done once it is read, and not forgotten on the way."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import pytest

from mlc_common import exactjson
from mlc_common.accounting import HoldReason
from mlc_common.events import Command, DocumentWish, HeldWish, HoldResolved
from mlc_mapper.decide import decide, release, resolve
from mlc_mapper.decision import Decision
from mlc_mapper.evolve import evolve
from mlc_mapper.inputs import CommandIssued, RawInput
from mlc_mapper.mapping import Mapping
from mlc_mapper.replays.order import decide_anew, with_commands
from mlc_mapper.state import OrderState

from .making import BILLING, NOW, item, mapping, order, refund, snapshot, webhook, with_refunds
from .test_contested import Told

BASE = {"taxes": {"default": None}, "cut_over": "2026-11-01"}
MOVED = mapping(**BASE, revenue={"default": "4999", "by_sku": {}, "by_category": {}})
BY_CATEGORY = mapping(**BASE, revenue={"default": "4000", "by_category": {"mugs": "4998"}, "by_sku": {}})
MUGS = [{"id": 11, "categories": [{"id": 5, "slug": "mugs"}]}]
SOLD = order(item(2, "72.00"))
TORN = order(item(2, "72.00"), billing={**BILLING, "phone": "1"})
"""The same second, and another picture."""


class Asked(Told):
    """An order that was commanded by the mapping of then; what is told of it later is decided by another."""

    def __init__(self, by: Mapping) -> None:
        super().__init__()
        self.hears(SOLD)
        self.by = by
        (self.first,) = self.commands

    @property
    def key(self) -> UUID:
        return self.first.document_key

    @property
    def newest(self) -> Command:
        return self.commands[-1]

    def takes(self, event: RawInput) -> None:
        decision = decide(self.state, event, self.by)
        assert isinstance(decision, Decision)
        self.settles(decision)

    def is_torn(self) -> None:
        self.takes(webhook(exactjson.dumps(TORN), offset=2))
        assert self.state.contested is not None

    def is_released(self, *, rebook: bool = False) -> None:
        self.settles(release(self.state, self.by, cause="ada", documents=[self.key], rebook=rebook))

    def is_replayed_anew(self, *, held: bool = False, rebook: bool = False) -> None:
        keys = [self.key] if held else []
        self.settles(decide_anew(self.state, self.by, cause="replay", held=keys, rebook=rebook))

    def is_answered(self) -> None:
        self.takes(snapshot(SOLD, offset=9, fetch_id=self.fetches[-1], at=NOW, products=MUGS))


def reason(command: Command) -> str:
    assert isinstance(command.wish, HeldWish)
    return command.wish.reason


def account(command: Command) -> str:
    assert isinstance(command.wish, DocumentWish)
    return command.wish.document.lines[0].account


@pytest.mark.parametrize(("rebook", "adjusting"), [(False, "difference"), (True, "rebook")])
def test_what_is_released_while_it_is_contested_is_released_by_the_answer(rebook: bool, adjusting: str) -> None:
    told = Asked(MOVED)
    told.is_torn()
    told.is_released(rebook=rebook)
    told.is_answered()
    assert (account(told.newest), told.newest.released, told.newest.adjusting) == ("4999", True, adjusting)
    assert told.state.pending == {}


def test_or_by_whatever_settles_it_before_the_answer() -> None:
    told = Asked(MOVED)
    told.is_torn()
    told.is_released()
    told.takes(webhook(exactjson.dumps(SOLD | {"date_modified_gmt": "2026-11-21T00:03:16"}), offset=3))
    assert (account(told.newest), told.newest.released) == ("4999", True)
    known = len(told.commands)
    told.is_answered()
    assert len(told.commands) == known, "it is released once"


def test_a_replay_that_rebooks_what_must_be_read_first_rebooks_it_when_it_is_read() -> None:
    told = Asked(BY_CATEGORY)
    told.is_replayed_anew(rebook=True)
    assert told.commands == [told.first]
    told.is_answered()
    assert (account(told.newest), told.newest.adjusting, told.newest.released) == ("4998", "rebook", True)


def test_a_replay_books_what_is_held_anew_when_it_is_read() -> None:
    told = Asked(BY_CATEGORY)
    told.is_replayed_anew(held=True)
    told.is_answered()
    assert (account(told.newest), told.newest.adjusting, told.newest.released) == ("4998", "difference", False)


def test_a_plain_replay_of_what_must_be_read_first_leaves_it_as_it_is_booked() -> None:
    told = Asked(BY_CATEGORY)
    told.is_replayed_anew()
    told.is_answered()
    assert told.commands == [told.first]


def test_the_most_that_was_asked_for_counts() -> None:
    told = Asked(BY_CATEGORY)
    told.is_released(rebook=True)
    told.is_released()
    told.is_replayed_anew(held=True)
    told.is_answered()
    assert (account(told.newest), told.newest.adjusting, told.newest.released) == ("4998", "rebook", True)


@pytest.mark.parametrize("found", ["posted", "closed"])
def test_what_a_person_settles_meanwhile_is_released_no_more(found: Literal["posted", "closed"]) -> None:
    told = Asked(MOVED)
    told.is_torn()
    told.is_released()
    event = HoldResolved(
        request_id=UUID(int=1), flow="web", order_key="shop:order:17", document_key=told.key, found=found, by="ada",
        why="seen in the ERP", at=NOW,
    )  # fmt: skip
    told.settles(resolve(told.state, event, MOVED))
    told.is_answered()
    assert not told.newest.released


def test_a_credit_that_is_released_while_the_order_is_to_be_read_waits_for_nothing_but_its_invoice_then() -> None:
    """A hold says what it is for: what was read is not to be read any more."""
    one = refund(25, "5.00")
    sold = with_refunds(SOLD, one)
    told = Asked(MOVED)
    told.takes(snapshot(with_refunds(SOLD | {"date_modified_gmt": "2026-11-21T00:03:16"}, one), one, offset=2))
    credit = told.newest
    assert (credit.kind, credit.wish.wish) == ("credit_note", "document")
    odd = sold | {"status": "odd", "date_modified_gmt": "2026-11-21T00:03:16"}
    told.takes(webhook(exactjson.dumps(odd), offset=3))
    assert told.state.contested is not None
    told.settles(release(told.state, told.by, cause="ada", documents=[credit.document_key]))
    assert reason(told.newest) == HoldReason.TO_BE_READ
    told.takes(snapshot(odd, one, offset=4, fetch_id=told.fetches[-1]))
    assert {reason(command) for command in told.commands[-2:]} == {HoldReason.STATUS_UNKNOWN}
    assert told.newest.document_key == credit.document_key
    mended = sold | {"date_modified_gmt": "2026-11-21T00:03:17"}
    told.takes(snapshot(mended, one, offset=5))
    assert [command.wish.wish for command in told.commands[-2:]] == ["document", "document"]


def test_a_replay_in_the_middle_forgets_nothing_of_it() -> None:
    told = Asked(MOVED)
    told.is_torn()
    told.is_released()
    folded = evolve(told.state, webhook(exactjson.dumps(TORN), offset=2)).model_copy(update={"pending": {}})
    told.state = with_commands(folded, told.state)
    told.is_replayed_anew()
    told.is_answered()
    assert (account(told.newest), told.newest.released) == ("4999", True)


@pytest.mark.parametrize("rebook", [False, True])
def test_the_log_tells_of_a_release_that_waits_and_of_one_that_does_no_more(rebook: bool) -> None:
    """R19: the commands alone give the same, at every point."""
    told = Asked(MOVED)
    told.is_torn()
    told.is_released(rebook=rebook)
    assert told.state.pending == {told.key: "rebook" if rebook else "released"}
    assert folded_from(told.commands).pending == told.state.pending
    told.is_answered()
    assert folded_from(told.commands).pending == told.state.pending == {}


def folded_from(commands: list[Command]) -> OrderState:
    state = OrderState(flow="web", connection="shop", order_id=17)
    for command in commands:
        state = evolve(state, CommandIssued(command))
    return state
