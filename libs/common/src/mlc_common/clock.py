"""Time as a value that is handed in. Nothing else in the project asks the system for the time.

``SystemClock`` is wired in ``app.py`` of each service; tests and replay pass ``FixedClock``.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Wall time (UTC), monotonic seconds, and waiting."""

    def now(self) -> datetime:
        """The instant, timezone-aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step back; only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; not less than ``seconds`` of this clock's time."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class FixedClock:
    """A clock that moves only when told to (``sleep`` moves it at once)."""

    at: datetime
    _elapsed: float = 0.0

    def now(self) -> datetime:
        return self.at + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Move on by ``seconds``."""
        self._elapsed += seconds

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)
