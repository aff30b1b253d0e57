"""R11: the date of a document is the store's own, over daylight saving, month ends and whatever our clock says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_mapper.decide import decide
from mlc_mapper.decision import Decision
from mlc_mapper.state import OrderState

from .making import NOW as READ_AT
from .making import item, mapping, order, refund, shown, snapshot, with_refunds

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
