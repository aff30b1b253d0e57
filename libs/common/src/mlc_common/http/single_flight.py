"""One at a time, shared by all who wait: made for token refresh, where two at once would spend a single-use token.

A failure reaches everyone who waited for it; the next call tries anew. Nothing is cached here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class _Flight(Generic[T]):
    task: asyncio.Task[T]
    waiting: int = 0


class SingleFlight(Generic[T]):
    """Runs at most one call at a time; callers that come meanwhile share its result."""

    def __init__(self) -> None:
        self._flight: _Flight[T] | None = None

    async def run(self, make: Callable[[], Awaitable[T]]) -> T:
        """The result of the call under way, or of ``make`` where none is.

        A waiter that is cancelled leaves the call to the others; the last one to leave cancels it and sees it end.
        """
        flight = self._flight
        if flight is None or flight.task.done():
            flight = self._flight = _Flight(asyncio.create_task(_as_coroutine(make), name="single-flight"))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if flight.waiting == 0 and not flight.task.done():
                self._flight = None
                flight.task.cancel()
                await asyncio.wait([flight.task])


async def _as_coroutine(make: Callable[[], Awaitable[T]]) -> T:
    return await make()
