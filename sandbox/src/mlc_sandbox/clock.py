"""The time of a sandbox: runs with the machine's, can be shifted, frozen and set by the control API.

A vendor's server stamps, expires and orders things by this clock, so that a test can move a token past its life or two
refunds into one second without waiting. Nothing else in the sandbox may ask the system for the time.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta


class SandboxClock:
    """Real time plus an offset, or standing still.

    Args:
        start: The instant it shows first; it runs on from there. None = the machine's time.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._offset = timedelta(0)
        self._frozen: datetime | None = None
        self._changed = asyncio.Event()
        if start is not None:
            self.set(start)

    @property
    def frozen(self) -> bool:
        """Whether time stands still until somebody moves it."""
        return self._frozen is not None

    def now(self) -> datetime:
        """The instant in the sandbox, UTC, timezone-aware."""
        return self._frozen if self._frozen is not None else datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> None:
        """Move on by ``seconds`` (negative steps back); a frozen clock stays frozen."""
        if self._frozen is not None:
            self._frozen += timedelta(seconds=seconds)
        else:
            self._offset += timedelta(seconds=seconds)
        self._tell()

    def set(self, instant: datetime) -> None:
        """Show ``instant`` now and run on from there."""
        self._frozen = None
        self._offset = _aware(instant) - datetime.now(UTC)
        self._tell()

    def freeze(self, instant: datetime | None = None) -> None:
        """Stand still at ``instant`` (None = where it is)."""
        self._frozen = self.now() if instant is None else _aware(instant)
        self._tell()

    async def sleep(self, seconds: float) -> None:
        """Wait ``seconds`` of this clock; wakes when it is moved, so a frozen clock waits until somebody moves it."""
        due = self.now() + timedelta(seconds=seconds)
        while (left := (due - self.now()).total_seconds()) > 0:
            changed = self._changed
            with suppress(TimeoutError):  # not wait_for: up to Python 3.11 it loses a cancellation that meets the event
                async with asyncio.timeout(None if self.frozen else left):
                    await changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("the instant needs a time zone, for example 2026-11-21T04:58:06Z")
    return instant.astimezone(UTC)
