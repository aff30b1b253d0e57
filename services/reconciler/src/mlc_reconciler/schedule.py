"""When the daily comparison is due, in the store's own calendar. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta

from mlc_reconciler.period import Period

LocalDate = Callable[[datetime], date]


def due_day(now: datetime, at: time, local_date: LocalDate) -> date:
    """The last day on which a comparison became due.

    Args:
        now: The present.
        at: The time of day in the store from which on it is due.
        local_date: The store's calendar.
    """
    today = local_date(now)
    return today if now >= _begins(today, at, local_date) else today - timedelta(days=1)


def seconds_until_due(now: datetime, at: time, local_date: LocalDate) -> float:
    """Seconds until the next comparison is due, when the last one is done; at least one."""
    today = local_date(now)
    begins = _begins(today, at, local_date)
    if begins <= now:
        begins = _begins(today + timedelta(days=1), at, local_date)
    return max(1.0, (begins - now).total_seconds())


def _begins(day: date, at: time, local_date: LocalDate) -> datetime:
    """So long after the day's beginning: on a day that is an hour shorter or longer, an hour off, and never skipped."""
    return Period(day, day, local_date).since + timedelta(hours=at.hour, minutes=at.minute, seconds=at.second)
