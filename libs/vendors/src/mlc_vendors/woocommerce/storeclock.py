"""The store's clock, read from the ``Date`` of its answers: how far it is off ours, and whether an answer is old.

It is the only clock that order times are made with (facts §4). Page caches in front of a store do serve old copies of
GETs (§19): one shows by an ``Age``, or by a ``Date`` that steps back and then stands still.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from mlc_common.clock import Clock

_OLD_AGE_S = 30.0
_STEP_BACK_S = 120.0
_SETTLE = timedelta(seconds=1)
"""``Date`` and order times are whole seconds."""


class StoreClock:
    """What is known of one store's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._skew: timedelta | None = None
        self._newest: tuple[datetime, float] | None = None
        self._suspect: tuple[datetime, float] | None = None

    @property
    def skew_s(self) -> float | None:
        """Seconds that the store's clock is ahead of ours; None before its first answer."""
        return self._skew.total_seconds() if self._skew is not None else None

    def now(self) -> datetime:
        """The time by the store's clock, as well as it is known."""
        return self._clock.now() + (self._skew or timedelta())

    def hear(self, headers: httpx.Headers, *, took_s: float) -> datetime | None:
        """Take note of an answer.

        Args:
            headers: The answer's.
            took_s: Seconds from asking to having the answer.

        Returns:
            The instant, by the store's clock, before which the store cannot have begun to work on the request; None
            where it does not say the time.
        """
        date = _date(headers)
        if date is None:
            return None
        self._skew = date - self._clock.now()
        return date - timedelta(seconds=took_s) - _SETTLE

    def is_stale(self, headers: httpx.Headers) -> bool:
        """Whether an answer is an old copy from a cache."""
        if _seconds(headers.get("age")) >= _OLD_AGE_S:
            return True
        date = _date(headers)
        if date is None:
            return False
        heard = (date, self._clock.monotonic())
        if (
            self._newest is not None
            and (self._newest[0] - date).total_seconds() > _STEP_BACK_S
            and not self._runs(heard)
        ):
            self._suspect = self._suspect or heard
            return True
        self._newest, self._suspect = heard, None
        return False

    def _runs(self, heard: tuple[datetime, float]) -> bool:
        """Whether a clock that stepped back goes on since, which a cached copy's does not."""
        if self._suspect is None:
            return False
        advanced = (heard[0] - self._suspect[0]).total_seconds()
        passed = heard[1] - self._suspect[1]
        return passed >= 3.0 and abs(advanced - passed) <= 2.0


def _date(headers: httpx.Headers) -> datetime | None:
    try:
        date = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isdecimal() else 0.0
