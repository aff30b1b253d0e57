"""The store's clock, and answers that a cache kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from mlc_common.clock import FixedClock
from mlc_vendors.woocommerce.storeclock import StoreClock

NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


def dated(instant: datetime, **more: str) -> httpx.Headers:
    return httpx.Headers({"Date": format_datetime(instant, usegmt=True), **more})


def test_the_skew_is_known_from_the_first_answer(clock: FixedClock) -> None:
    store = StoreClock(clock)
    assert store.skew_s is None
    store.hear(dated(NOON + timedelta(minutes=6)), took_s=0.5)
    assert store.skew_s == 360
    clock.advance(10)
    assert store.now() == NOON + timedelta(minutes=6, seconds=10)


def test_the_beginning_of_an_answer_is_never_taken_too_late(clock: FixedClock) -> None:
    began = StoreClock(clock).hear(dated(NOON), took_s=8.0)
    assert began == NOON - timedelta(seconds=9)


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}, {"Date": ""}])
def test_without_a_readable_date_nothing_is_known(clock: FixedClock, headers: dict[str, str]) -> None:
    store = StoreClock(clock)
    assert store.hear(httpx.Headers(headers), took_s=0.0) is None
    assert store.skew_s is None
    assert not store.is_stale(httpx.Headers(headers))


def test_an_answer_that_has_an_age_is_old(clock: FixedClock) -> None:
    store = StoreClock(clock)
    assert store.is_stale(dated(NOON, Age="600"))
    assert not store.is_stale(dated(NOON, Age="0"))


def test_a_date_that_steps_back_and_stands_still_is_a_cached_copy(clock: FixedClock) -> None:
    store = StoreClock(clock)
    old = NOON - timedelta(minutes=20)
    assert not store.is_stale(dated(NOON))
    for _ in range(4):
        assert store.is_stale(dated(old))
        clock.advance(60)
    assert not store.is_stale(dated(clock.now()))


def test_a_clock_that_was_set_back_is_believed_once_it_runs_on(clock: FixedClock) -> None:
    store = StoreClock(clock)
    back = timedelta(minutes=20)
    assert not store.is_stale(dated(NOON))
    assert store.is_stale(dated(clock.now() - back))
    clock.advance(60)
    assert not store.is_stale(dated(clock.now() - back))
    assert not store.is_stale(dated(clock.now() - back))
