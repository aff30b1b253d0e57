"""Time limits for very many short waits: one timer for all of them instead of one each.

What ``asyncio.timeout`` does costs more than checking a signature; here a wait costs a dictionary entry. A wait is cut
off between its limit and an eighth of that later. Nothing runs while nobody waits.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

_PRECISION = 8


class Deadlines:
    """Waits of the same length.

    Args:
        seconds: How long each may take.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._guards: dict[_Guard, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def guard(self) -> _Guard:
        """``with deadlines.guard(): await …`` raises TimeoutError when it takes too long."""
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._sweep)
        return _Guard(self._guards, loop.time() + self.seconds)

    def _sweep(self) -> None:
        """End what took too long; all waits are of one length, so the oldest are first."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for guard, ends_at in list(self._guards.items()):
            if ends_at > now:
                break
            del self._guards[guard]
            guard.expire()
        pause = self.seconds / _PRECISION
        self._timer = loop.call_later(pause, self._sweep) if self._guards else None


class _Guard:
    """One wait; cancels its task as ``asyncio.timeout`` does, and turns only that cancellation into TimeoutError."""

    __slots__ = ("_cancelling", "_ends_at", "_expired", "_guards", "_task")

    def __init__(self, guards: dict[_Guard, float], ends_at: float) -> None:
        self._guards, self._ends_at = guards, ends_at
        self._expired = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._cancelling = task.cancelling()
        self._guards[self] = self._ends_at

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._guards.pop(self, None)
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """It took too long."""
        self._expired = True
        self._task.cancel()
