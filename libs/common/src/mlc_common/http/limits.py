"""Whose turn it is: how many requests at once, how many a second, and when the server asked for silence.

Nothing here drops a request: it waits its turn, or is told at once that its turn is too far away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mlc_common.clock import Clock
from mlc_common.errors import Retryable
from mlc_common.http.policy import HttpPolicy

_LONGEST_PAUSE_S = 3600.0


class TokenBucket:
    """A rate with a burst, first come first served, on the injected clock.

    Own rather than a library's: those read the event loop's clock, which tests and simulation cannot move.
    """

    def __init__(self, *, rate_per_s: float | None, burst: int, clock: Clock) -> None:
        self._interval = 0.0 if rate_per_s is None else 1.0 / rate_per_s
        self._slack = self._interval * (burst - 1)
        self._clock = clock
        self._next = clock.monotonic()
        self._silent_until = self._next

    def pause(self, seconds: float) -> None:
        """Let nobody pass for ``seconds``: the server said so. An hour at most: some name an instant years away."""
        seconds = min(seconds, _LONGEST_PAUSE_S)
        self._silent_until = max(self._silent_until, self._clock.monotonic() + seconds)
        self._next = max(self._next, self._silent_until)

    async def take(self, *, longest_s: float) -> None:
        """Wait for a turn.

        Raises:
            Retryable: the turn is more than ``longest_s`` away; nothing was taken.
        """
        now = self._clock.monotonic()
        wait = max(self._next - self._slack, self._silent_until, now) - now
        if wait > longest_s:
            raise Retryable(f"the request budget is used up; next turn in {wait:.0f} s", after=wait)
        self._next = max(self._next, now) + self._interval
        if wait > 0:
            await self._clock.sleep(wait)
        while (wait := self._silent_until - self._clock.monotonic()) > 0:  # silence asked for while we slept
            await self._clock.sleep(wait)


class Turnstile:
    """The concurrency limit and the bucket of one client."""

    def __init__(self, policy: HttpPolicy, clock: Clock) -> None:
        self._places = asyncio.Semaphore(policy.max_concurrent)
        self._longest_s = policy.queue_timeout_s
        self.bucket = TokenBucket(rate_per_s=policy.rate_per_s, burst=policy.burst, clock=clock)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold a place while one attempt runs.

        Raises:
            Retryable: no place in time; nothing was sent.
        """
        try:
            async with asyncio.timeout(self._longest_s):
                await self._places.acquire()
        except TimeoutError:
            raise Retryable(
                f"no free place within {self._longest_s:.0f} s; the server is slow or too much runs at once"
            ) from None
        try:
            await self.bucket.take(longest_s=self._longest_s)
            yield
        finally:
            self._places.release()
