"""R11: the date of a document is the store's own, over daylight saving, month ends and whatever our clock says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_common import exactjson
from mlc_mapper.decide import decide
from mlc_mapper.decision import Decision
from mlc_mapper.inputs import RawInput
from mlc_mapper.state import OrderState

from .making import NOW as READ_AT
from .making import Json, item, mapping, order, refund, shown, snapshot, webhook, with_refunds

NEW_YORK = mapping(time_zone="America/New_York", cut_over="2025-01-01")


def dated(paid: str, zone: str) -> str:
    """The date of the invoice of an order that was paid then (UTC)."""
    by = mapping(time_zone=zone, cut_over="2025-01-01")
    (document,) = shown(order(item(2, "1.00"), paid=paid), by=by)["documents"]
    return str(document["date"])


@pytest.mark.parametrize(
    ("paid", "zone", "date"),
    [
        # the night in which New York's clocks go forward: midnight is 05:00 UTC before it and 04:00 UTC after
        ("2026-03-08T04:59:59", "America/New_York", "2026-03-07"),
        ("2026-03-08T05:00:00", "America/New_York", "2026-03-08"),
        ("2026-03-09T03:59:59", "America/New_York", "2026-03-08"),
        ("2026-03-09T04:00:00", "America/New_York", "2026-03-09"),
        # and back: the hour that comes twice is of one day
        ("2026-11-01T05:30:00", "America/New_York", "2026-11-01"),
        ("2026-11-01T06:30:00", "America/New_York", "2026-11-01"),
        ("2026-11-02T04:59:59", "America/New_York", "2026-11-01"),
        # month and year ends, before and behind Greenwich
        ("2026-12-01T04:59:59", "America/New_York", "2026-11-30"),
        ("2026-12-01T05:00:00", "America/New_York", "2026-12-01"),
        ("2026-12-31T23:30:00", "Europe/Berlin", "2027-01-01"),
        ("2027-01-01T04:59:59", "America/New_York", "2026-12-31"),
        ("2028-02-29T12:00:00", "Pacific/Kiritimati", "2028-03-01"),
        ("2026-11-30T13:30:00", "Pacific/Auckland", "2026-12-01"),
        # a zone whose midnight does not exist once a year
        ("2026-09-06T03:59:59", "America/Santiago", "2026-09-05"),
        ("2026-09-06T04:00:00", "America/Santiago", "2026-09-06"),
    ],
)
def test_an_invoice_is_of_the_stores_own_day(paid: str, zone: str, date: str) -> None:
    """R11: posting date by the store's zone."""
    assert dated(paid, zone) == date


@given(
    seconds=st.integers(0, 3 * 365 * 86400),
    zone=st.sampled_from(["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
)
def test_any_second_of_any_zone_is_of_the_day_that_a_clock_on_the_wall_there_shows(seconds: int, zone: str) -> None:
    """R11."""
    paid = datetime(2025, 6, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    wall = paid.astimezone(ZoneInfo(zone)).date().isoformat()
    assert dated(paid.strftime("%Y-%m-%dT%H:%M:%S"), zone) == wall


def test_a_refund_is_of_the_day_of_the_refund() -> None:
    """R11: one minute apart, over the end of a month."""
    before = refund(25, "0.10") | {"date_created_gmt": "2026-12-01T04:59:30"}
    after = refund(26, "0.10") | {"date_created_gmt": "2026-12-01T05:00:30"}
    out = shown(order(item(2, "1.00")), before, after, by=NEW_YORK)
    assert [one["date"] for one in out["documents"] if one["type"] == "credit_note"] == ["2026-11-30", "2026-12-01"]


@pytest.mark.parametrize("minutes", [6, -6, 24 * 60, -24 * 60])
def test_our_own_clock_changes_no_document(minutes: int) -> None:
    """R11: ±6 minutes, ±1 day: what is decided rests on the store's times alone."""

    def decided(at: datetime) -> list[str]:
        one = refund(25, "0.10")
        seen = snapshot(with_refunds(order(item(2, "1.00")), one), one, at=at)
        decision = decide(OrderState(flow="web", connection="shop", order_id="17"), seen, NEW_YORK)
        assert isinstance(decision, Decision)
        return [command.wish.model_dump_json() for command in decision.commands]

    assert decided(READ_AT + timedelta(minutes=minutes)) == decided(READ_AT)
    assert len(decided(READ_AT)) == 2


class TestAStoresClockThatIsSetBack:
    """R11: the store's clock steps back, so that what happens after bears an earlier time than what is known."""

    SOLD = order(item(2, "1.00"), modified="2026-11-21T00:30:00")
    ONE = refund(25, "0.10")
    REFUNDED = with_refunds(order(item(2, "1.00"), modified="2026-11-21T00:10:00"), ONE)

    CANCELLED = order(item(2, "1.00"), status="cancelled", modified="2026-11-21T00:10:00")

    def sold(self) -> OrderState:
        """An order that is known by its webhook."""
        state = OrderState(flow="web", connection="shop", order_id="17")
        return self.decided(state, webhook(exactjson.dumps(self.SOLD))).state

    def decided(self, state: OrderState, event: RawInput) -> Decision:
        decision = decide(state, event, NEW_YORK)
        assert isinstance(decision, Decision)
        return decision

    def test_a_refund_that_is_read_later_is_asked_for_once_more_and_credited(self) -> None:
        asked = self.decided(
            self.sold(), snapshot(self.REFUNDED, self.ONE, at=READ_AT + timedelta(minutes=9), offset=1)
        )
        (request,) = asked.fetches
        assert asked.commands == ()

        answer = snapshot(
            self.REFUNDED, self.ONE, at=READ_AT + timedelta(minutes=10), offset=2, fetch_id=request.fetch_id
        )
        (credit,) = self.decided(asked.state, answer).commands
        assert (credit.kind, credit.wish.wish) == ("credit_note", "document")

    def test_the_same_reading_again_asks_for_nothing_more(self) -> None:
        late = READ_AT + timedelta(minutes=9)
        asked = self.decided(self.sold(), snapshot(self.REFUNDED, self.ONE, at=late, offset=1))
        again = self.decided(asked.state, snapshot(self.REFUNDED, self.ONE, at=late, offset=2))
        assert (again.fetches, again.commands) == ((), ())

    def test_what_was_read_before_the_webhook_came_is_only_old(self) -> None:
        early = snapshot(self.REFUNDED, self.ONE, at=READ_AT - timedelta(minutes=1), offset=1)
        decision = self.decided(self.sold(), early)
        assert (decision.fetches, decision.commands) == ((), ())

    @pytest.fixture
    def settled(self) -> OrderState:
        """It was cancelled after its clock was set back by twenty minutes, and read once more."""
        asked = self.decided(self.sold(), snapshot(self.CANCELLED, at=READ_AT + timedelta(minutes=9), offset=1))
        answer = self.answered(asked, self.CANCELLED, 2)
        assert [command.wish.wish for command in answer.commands] == ["withdrawn"]
        return answer.state

    def answered(self, asked: Decision, body: Json, offset: int) -> Decision:
        (request,) = asked.fetches
        assert asked.commands == ()
        at = READ_AT + timedelta(minutes=10 + offset)
        return self.decided(asked.state, snapshot(body, at=at, offset=offset, fetch_id=request.fetch_id))

    @pytest.mark.parametrize("time", ["00:30:00", "00:20:00"], ids=["the newest of then", "an older one of then"])
    def test_a_webhook_of_before_that_comes_twice_reverts_nothing(self, settled: OrderState, time: str) -> None:
        """R7, R11: its time is later than that of the cancellation, and it is earlier all the same."""
        doubled = webhook(exactjson.dumps(self.SOLD | {"date_modified_gmt": f"2026-11-21T{time}"}), offset=3)
        asked = self.decided(settled, doubled)
        again = self.answered(asked, self.CANCELLED, 4)
        assert again.commands == ()
        assert self.answered(self.decided(again.state, doubled), self.CANCELLED, 5).commands == (), "however often"

    def test_what_happens_before_the_clock_has_caught_up_is_asked_for_and_booked(self, settled: OrderState) -> None:
        restored = self.SOLD | {"date_modified_gmt": "2026-11-21T00:15:00"}
        asked = self.decided(settled, webhook(exactjson.dumps(restored), offset=3))
        (invoice,) = self.answered(asked, restored, 4).commands
        assert invoice.wish.wish == "document"

    def test_what_happens_after_it_has_caught_up_is_booked_at_once(self, settled: OrderState) -> None:
        restored = webhook(exactjson.dumps(self.SOLD | {"date_modified_gmt": "2026-11-21T00:30:01"}), offset=3)
        (invoice,) = self.decided(settled, restored).commands
        assert invoice.wish.wish == "document"
        late = webhook(exactjson.dumps(self.SOLD), offset=4)
        after = self.decided(self.decided(settled, restored).state, late)
        assert (after.fetches, after.commands) == ((), ()), "and what is of before is only old"

    def test_a_late_webhook_proves_nothing(self) -> None:
        late = webhook(exactjson.dumps(self.REFUNDED), offset=1)
        decision = self.decided(self.sold(), replace(late, received_at=READ_AT + timedelta(hours=1)))
        assert (decision.fetches, decision.commands) == ((), ())
