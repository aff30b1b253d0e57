"""The gateway's metrics, from the project's catalogue. Labels are names of ours, never what a stranger sent."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

from prometheus_client import Counter, Histogram

from mlc_common.telemetry import MetricsRegistry
from mlc_ingest.admission import Admitted, Reason


class Trouble(StrEnum):
    """Why a request got a 503: ours, not the sender's."""

    LOG_UNAVAILABLE = "log_unavailable"
    SECRETS_UNAVAILABLE = "secrets_unavailable"
    BUSY = "busy"


class Counting:
    """Counts what became of each request."""

    def __init__(self, metrics: MetricsRegistry) -> None:
        self._metrics = metrics
        self._of = lru_cache(maxsize=1024)(self._received)

    def received(self, connection: str, admitted: Admitted, seconds: float) -> None:
        """A webhook is on the log; it took so long to get there."""
        counter, histogram = self._of(connection, admitted.event, admitted.topic)
        counter.inc()
        histogram.observe(seconds)

    def ping(self, connection: str) -> None:
        """A store asked whether we listen."""
        self._metrics.webhook_pings.labels(connection).inc()

    def refused(self, connection: str, reason: Reason) -> None:
        """A request was not let in; ``connection`` is empty for an unknown one."""
        self._metrics.webhooks_refused.labels(connection, reason.value).inc()

    def troubled(self, connection: str, trouble: Trouble) -> None:
        """A request could not be taken now."""
        self._metrics.webhooks_refused.labels(connection, trouble.value).inc()

    def _received(self, connection: str, event: str, topic: str) -> tuple[Counter, Histogram]:
        return self._metrics.webhooks_received.labels(connection, event), self._metrics.publish_seconds.labels(topic)
