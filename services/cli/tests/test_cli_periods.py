"""Periods as people write them: a date is its whole day, and no date, however odd, is a defect."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mlc_cli.audit.period import FIRST, LAST, period
from mlc_common.errors import ConfigurationError


def test_a_date_is_the_whole_of_its_day_and_a_time_is_itself() -> None:
    assert period("2026-11-21", "2026-11-21") == (
        datetime(2026, 11, 21, tzinfo=UTC),
        datetime(2026, 11, 22, tzinfo=UTC),
    )
    since, until = period("2026-11-21T23:30:00-05:00", "")
    assert (since, until) == (datetime(2026, 11, 22, 4, 30, tzinfo=UTC), None)


@pytest.mark.parametrize("since", ["0001-01-01", "1969-12-31", "0001-01-01T00:00:00+14:00"])
def test_what_lies_before_all_logs_is_their_beginning(since: str) -> None:
    begins, _ = period(since, "")
    assert begins == FIRST
    assert begins.timestamp() >= 0


@pytest.mark.parametrize("until", ["9999-12-31", "9999-12-31T23:59:59.999999", "9999-12-31T23:59:59-12:00"])
def test_what_lies_after_all_logs_is_their_end(until: str) -> None:
    _, ends = period("", until)
    assert ends == LAST
    assert ends - timedelta(days=1) < LAST


@pytest.mark.parametrize("pair", [("2026-11-22", "2026-11-21"), ("2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z")])
def test_what_ends_before_it_begins_is_named(pair: tuple[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="is not before --to"):
        period(*pair)
