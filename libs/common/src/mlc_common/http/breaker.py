"""A circuit breaker per client: after failures in a row nothing is sent for a while, then one probe decides.

It must never hold back a request silently: it raises, so that the caller keeps its work and stops leasing more.
"""

from __future__ import annotations

from enum import StrEnum

from mlc_common.clock import Clock
from mlc_common.http.errors import CircuitOpen


class BreakerState(StrEnum):
    """closed = all pass; open = none pass; half_open = one probe may pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """Counts failures in a row.

    Args:
        name: The client's name, for the message.
        failures: How many in a row open the circuit.
        open_s: Seconds until a probe may pass.
        clock: Where time comes from.
    """

    def __init__(self, name: str, *, failures: int, open_s: float, clock: Clock) -> None:
        self._name = name
        self._limit = failures
        self._open_s = open_s
        self._clock = clock
        self._failed = 0
        self._opened_at: float | None = None
        self._probing = False

    @property
    def state(self) -> BreakerState:
        """The state at this moment."""
        if self._opened_at is None:
            return BreakerState.CLOSED
        return BreakerState.HALF_OPEN if self.remaining_s <= 0 else BreakerState.OPEN

    @property
    def remaining_s(self) -> float:
        """Seconds until a probe may pass; 0 where one may pass now or none is needed."""
        if self._opened_at is None:
            return 0.0
        return max(0.0, self._opened_at + self._open_s - self._clock.monotonic())

    def enter(self) -> bool:
        """Ask to send one attempt; must be followed by exactly one of succeeded, failed, abandoned.

        Returns:
            Whether this attempt is the probe.

        Raises:
            CircuitOpen: not now.
        """
        if self._opened_at is None:
            return False
        if self.remaining_s > 0 or self._probing:
            after = self.remaining_s or self._open_s
            raise CircuitOpen(f"{self._name} does not answer; next probe in {after:.0f} s", after=after)
        self._probing = True
        return True

    def succeeded(self) -> None:
        """The other side answered as a healthy server does."""
        self._failed = 0
        self._opened_at = None
        self._probing = False

    def failed(self) -> None:
        """The other side did not answer, or answered that it is ill."""
        self._failed += 1
        if self._probing or self._failed >= self._limit:
            self._opened_at = self._clock.monotonic()
        self._probing = False

    def abandoned(self, *, probe: bool) -> None:
        """The attempt ended without saying anything about the other side (cancelled, never its turn)."""
        if probe:
            self._probing = False
