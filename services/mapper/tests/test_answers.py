"""The answer to a fetch is later than what was known when it was asked for, whatever any clock says."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from mlc_common.accounting import HoldReason
from mlc_common.events import HeldWish
from mlc_mapper.decide import decide
from mlc_mapper.decision import Decision
from mlc_mapper.evolve import evolve
from mlc_mapper.inputs import RawInput
from mlc_mapper.state import OrderState

from .making import NOW, STRICT, Json, item, order, snapshot, webhook
from .test_contested import Told

HOUR = timedelta(hours=1)
SOLD = order(item(2, "72.00"), modified="2026-11-21T00:30:00")
EDITED = order(item(2, "80.00"), modified="2026-11-21T00:30:00")
CANCELLED = order(item(2, "72.00"), status="cancelled", modified="2026-11-21T00:10:00")
DELETED = b'{"id":17}'


class Order(Told):
    """An order whose events come at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[RawInput] = []

    def _take(self, event: RawInput) -> None:
        self.events.append(event)
        decision = decide(self.state, event, STRICT)
        assert isinstance(decision, Decision)
        self.settles(decision)

    def is_hinted_at(self) -> None:
        self._take(webhook(DELETED, offset=self._next(), topic="order.deleted"))

    def shows(self, body: Json | None, after: timedelta, fetch_id: UUID | None = None) -> None:
        """The poller reads it, so long after ``NOW`` by its clock."""
        self._take(snapshot(body, offset=self._next(), fetch_id=fetch_id, at=NOW + after))

    @property
    def newest(self) -> str:
        """What is wished of its invoice."""
        wish = self.commands[-1].wish
        return wish.reason if isinstance(wish, HeldWish) else wish.wish

    def folds_to_the_same(self) -> None:
        """A rebuild gives the same state."""
        folded = OrderState(flow="web", connection="shop", order_id=17)
        for event in self.events:
            folded = evolve(folded, event)
        kept = {"wishes": self.state.wishes, "seq": self.state.seq, "asked": self.state.asked}
        assert folded.model_copy(update=kept) == self.state


@pytest.fixture
def sold() -> Order:
    told = Order()
    told.hears(SOLD)
    assert told.newest == "document"
    return told


@pytest.mark.parametrize("seconds", [1, 5, 60])
def test_what_settles_a_contradiction_counts_although_the_stores_clock_was_just_set_back(
    sold: Order, seconds: int
) -> None:
    """R11: cancelled in the moment in which its clock was set back, under an earlier time than what was heard."""
    sold.hears(EDITED)
    (asked,) = sold.fetches
    sold.shows(CANCELLED, timedelta(seconds=seconds), asked)
    assert sold.newest == "withdrawn"
    assert sold.state.contested is None
    sold.folds_to_the_same()


@pytest.mark.parametrize("ours", [-HOUR, timedelta(), HOUR], ids=["set back", "as it was", "set forward"])
def test_an_order_that_is_deleted_is_noticed_whatever_our_own_clock_did_meanwhile(ours: timedelta) -> None:
    """R11: our clock may be set right between two readings."""
    told = Order()
    told.shows(SOLD, timedelta())
    told.is_hinted_at()
    told.shows(None, ours, told.fetches[-1])
    assert told.newest == HoldReason.ORDER_DELETED
    told.folds_to_the_same()


def test_and_so_is_that_it_is_there_again() -> None:
    """R11."""
    told = Order()
    told.shows(SOLD, timedelta())
    told.is_hinted_at()
    told.shows(None, timedelta(minutes=1), told.fetches[-1])
    again = SOLD | {"date_modified_gmt": "2026-11-21T00:40:00"}
    told.hears(again)
    told.shows(again, -HOUR, told.fetches[-1])
    assert told.newest == "document"
    told.folds_to_the_same()


def test_an_answer_that_comes_twice_counts_once() -> None:
    """The second one may be as old as it likes."""
    told = Order()
    told.shows(SOLD, timedelta())
    told.is_hinted_at()
    told.shows(None, timedelta(minutes=1), told.fetches[-1])
    told.shows(SOLD, -HOUR, told.fetches[-1])
    assert told.newest == HoldReason.ORDER_DELETED


def test_a_deletion_is_looked_for_again_after_one_that_was_none(sold: Order) -> None:
    """Put into the trash, restored, the webhook of the first late; and then deleted for good."""
    sold.is_hinted_at()
    sold.shows(SOLD, timedelta(minutes=1), sold.fetches[-1])
    assert sold.newest == "document"
    sold.is_hinted_at()
    sold.is_hinted_at()
    assert len(sold.fetches) == 2, "however often it is said before the answer"
    sold.shows(None, timedelta(minutes=2), sold.fetches[-1])
    assert sold.newest == HoldReason.ORDER_DELETED
