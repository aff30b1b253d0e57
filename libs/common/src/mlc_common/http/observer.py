"""Where the HTTP client reports each attempt, for metrics. It never hands over URLs, queries, bodies or headers."""

from __future__ import annotations

from typing import Protocol


class HttpObserver(Protocol):
    """Receives one call per attempt; must not block and must not raise."""

    def attempted(self, *, client: str, method: str, template: str, outcome: str, seconds: float) -> None:
        """One attempt ended.

        Args:
            client: The client's name.
            method: The HTTP method.
            template: The caller's name of the endpoint ("trans.control.create"), never a filled-in path.
            outcome: The status as text, or the error's class ("unreachable", "unconfirmed", "circuit_open", ...).
            seconds: How long the attempt took; 0 where nothing was sent.
        """
        ...


class SilentObserver:
    """Reports to nobody."""

    def attempted(self, *, client: str, method: str, template: str, outcome: str, seconds: float) -> None:
        """Do nothing."""
