"""The days that are compared, as the store's own calendar has them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from mlc_common.errors import ConfigurationError

LocalDate = Callable[[datetime], date]
"""The date in the store at an instant."""

EARLIEST = date(1970, 1, 1)
"""No store that we read is older, and the calendar of computers begins here."""

_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)


@dataclass(frozen=True)
class Period:
    """Whole days of the store, both included.

    Raises:
        ConfigurationError: it ends before it begins, or begins before all stores.
    """

    first: date
    last: date
    local_date: LocalDate

    def __post_init__(self) -> None:
        if self.first < EARLIEST:
            raise ConfigurationError(f"the period begins on {self.first}; give a day from {EARLIEST} on")
        if self.last < self.first:
            raise ConfigurationError(f"the period ends on {self.last}, before it begins on {self.first}")

    @property
    def days(self) -> Iterator[date]:
        """Its days."""
        return (self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1))

    @property
    def since(self) -> datetime:
        """Its first instant."""
        return self.start_of(self.first)

    @property
    def until(self) -> datetime:
        """The first instant after it."""
        return self.start_of(self.last + _DAY)

    def start_of(self, day: date) -> datetime:
        """The first second that is of this day in the store, or of a later one."""
        noon = datetime.combine(day, time(12), UTC)
        low, high = noon - 2 * _DAY, noon + 2 * _DAY
        while high - low > _SECOND:
            middle = (low + (high - low) / 2).replace(microsecond=0)
            low, high = (low, middle) if self.local_date(middle) >= day else (middle, high)
        return high

    def has(self, instant: datetime | None) -> bool:
        """Whether an instant lies in it."""
        return instant is not None and self.first <= self.local_date(instant) <= self.last
