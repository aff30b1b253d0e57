"""What one HTTP client may do: budgets, limits and where it may connect to. Values only.

Defaults are the careful ones (https, public addresses); a connection that needs more says so explicitly.
Rules: design `reliability.md` (security points) and the vendors' fact sheets for the budgets.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class HttpPolicy:
    """Limits of one client.

    Attributes:
        timeout_s: Longest time of one attempt, from asking for a connection to the last byte of the answer.
        connect_timeout_s: Longest time for name look-up, TCP and TLS together.
        queue_timeout_s: Longest time a request waits for its turn (concurrency, rate) before it gives up unsent.
        max_attempts: Attempts of a safe request, the first one included.
        retry_base_s: First back-off; doubles per attempt, jittered.
        retry_max_s: Longest wait between attempts; a server that asks for more gets no further attempt now.
        max_response_bytes: Largest answer body after decompression.
        max_concurrent: Requests under way at once.
        rate_per_s: Requests per second; None = no limit.
        burst: Requests that may go at once before the rate applies.
        keepalive_s: How long an idle connection is reused. Short: a write on a connection that the server is just
            closing would be unconfirmed for nothing.
        breaker_failures: Failures in a row that open the circuit.
        breaker_open_s: How long it stays open before one probe.
        allow_private: Whether private, loopback, link-local and carrier addresses are allowed (ERP on premises).
            Metadata services of clouds never are.
        allowed_ports: The only ports allowed; None = any.
        schemes: The only URL schemes allowed.
        user_agent: Sent with every request.
    """

    timeout_s: float = 30.0
    connect_timeout_s: float = 5.0
    queue_timeout_s: float = 60.0
    max_attempts: int = 4
    retry_base_s: float = 0.2
    retry_max_s: float = 30.0
    max_response_bytes: int = 16 * 1024 * 1024
    max_concurrent: int = 4
    rate_per_s: float | None = 5.0
    burst: int = 5
    keepalive_s: float = 4.0
    breaker_failures: int = 5
    breaker_open_s: float = 30.0
    allow_private: bool = False
    allowed_ports: frozenset[int] | None = None
    schemes: frozenset[str] = frozenset({"https"})
    user_agent: str = "ml-connector/0.1"

    def __post_init__(self) -> None:
        """Refuse budgets that could never let a request through.

        Raises:
            ValueError: a limit is zero or negative.
        """
        for name in ("timeout_s", "connect_timeout_s", "max_attempts", "max_response_bytes", "max_concurrent", "burst"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive")
        if self.rate_per_s is not None and self.rate_per_s <= 0:
            raise ValueError("rate_per_s must be positive, or None for no limit")
