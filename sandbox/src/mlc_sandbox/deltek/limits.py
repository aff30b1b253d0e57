"""How fast a tenant may be called: calls a second with 429 + Retry-After, and how many calls were under way at once.

The figures are assumptions (facts sheet §9); a benchmark lifts the limit openly through the setting `rate_limit`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

CONTROL = "/_sandbox"


class RateLimit:
    """A bucket that holds one second's calls.

    Args:
        timer: seconds that only go forward; the machine's, because a frozen sandbox clock must not stop the flow.
    """

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._tokens: float | None = None
        self._filled = timer()
        self.refused = 0

    def wait(self, per_second: float | None) -> int:
        """Take one call; 0 when it may pass, else the whole seconds to wait."""
        if per_second is None:
            self._tokens = None
            return 0
        now = self._timer()
        size = max(per_second, 1.0)
        before = size if self._tokens is None else self._tokens
        self._tokens = min(size, before + (now - self._filled) * per_second)
        self._filled = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0
        self.refused += 1
        return math.ceil((1 - self._tokens) / per_second)


class Concurrency:
    """ASGI middleware that counts the calls under way, delays and hangs included.

    Args:
        app: what it wraps.
        count: where the figures go.
    """

    def __init__(self, app: ASGIApp, count: ConcurrencyCount) -> None:
        self.app = app
        self.count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on and count it while it lasts; `receive` must stay the server's own, faults cut through it."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL):
            await self.app(scope, receive, send)
            return
        writes = int(scope["method"] in {"POST", "PUT", "DELETE"} and not scope["path"].endswith("/token"))
        self.count.enter(writes)
        try:
            await self.app(scope, receive, send)
        finally:
            self.count.leave(writes)


class ConcurrencyCount:
    """Calls and writes under way, and the most there ever were."""

    def __init__(self) -> None:
        self.now = self.peak = self.writes_now = self.writes_peak = 0

    def enter(self, writes: int) -> None:
        """A call begins."""
        self.now += 1
        self.writes_now += writes
        self.peak = max(self.peak, self.now)
        self.writes_peak = max(self.writes_peak, self.writes_now)

    def leave(self, writes: int) -> None:
        """A call ends."""
        self.now -= 1
        self.writes_now -= writes

    def figures(self) -> dict[str, int]:
        """All four figures."""
        return {
            "now": self.now, "peak": self.peak, "writes_now": self.writes_now, "writes_peak": self.writes_peak
        }  # fmt: skip
