"""The one catalogue of Prometheus metrics: name, labels and meaning in one place.

A ``MetricsRegistry`` is made per process in ``app.py`` and handed on; there is no global one, so that ``run all`` and
tests do not collide. Labels hold only names that we choose or configured ones (connection, reason, endpoint), never
anything a stranger sends: an unknown connection is counted under ``""``.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_CALLS = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0)

BREAKER_STATES = {"closed": 0.0, "half_open": 1.0, "open": 2.0}


class MetricsRegistry:
    """Every metric of the project, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        # --- ingest ---
        self.webhooks_received = self._counter(
            "mlc_webhooks_received", "Webhooks answered with 2xx: in the log before the answer.", "connection", "topic"
        )
        self.webhooks_refused = self._counter(
            "mlc_webhooks_refused",
            "Requests at the gateway not let in (bad_signature, oversize, unknown_connection, log_unavailable, ...).",
            "connection",
            "reason",
        )
        self.webhook_pings = self._counter("mlc_webhook_pings", "Pings of stores, answered with 200.", "connection")
        self.publish_seconds = self._histogram(
            "mlc_publish_seconds", "From handing an event to the log until all replicas have it.", _FAST, "topic"
        )

        # --- mapper ---
        self.events_mapped = self._counter(
            "mlc_events_mapped", "Raw events folded into order states, by what they were.", "flow", "type"
        )
        self.commands = self._counter(
            "mlc_commands", "Commands issued: what a document should be now.", "flow", "kind", "wish"
        )
        self.excluded = self._counter("mlc_excluded", "Orders and refunds left out by a named rule.", "flow", "rule")
        self.dead_letters = self._counter(
            "mlc_dead_letters", "Records that no reader understands, by reason.", "topic", "reason"
        )

        # --- posting ---
        self.holds = self._counter(
            "mlc_holds", "Documents that began to wait for a person, by reason.", "connection", "reason"
        )
        self.documents_posted = self._counter(
            "mlc_documents_posted", "Documents verified in the ERP, by kind.", "connection", "kind"
        )
        self.erp_calls = self._counter(
            "mlc_erp_calls", "Calls to an ERP, by endpoint; calls are the throughput.", "connection", "endpoint"
        )
        self.calls_per_document = self._histogram(
            "mlc_erp_calls_per_document",
            "Calls that one document took from first look to verified.",
            _CALLS,
            "connection",
            "kind",
        )
        self.posting_queue = self._gauge(
            "mlc_posting_queue", "Documents by state in the posting ledger.", "connection", "state"
        )

        # --- poller ---
        self.polls = self._counter(
            "mlc_polls", "Poll windows read whole, or given up.", "connection", "what", "outcome"
        )
        self.snapshots = self._counter("mlc_snapshots", "Snapshots taken, by why.", "connection", "because")
        self.poll_cursor_seconds = self._gauge(
            "mlc_poll_cursor_timestamp_seconds", "Up to when the store is read, as Unix time.", "connection", "what"
        )
        self.orders_unread = self._gauge(
            "mlc_orders_unread", "Orders that the store could not show, which are tried again; 0.", "connection"
        )

        # --- reconciler ---
        self.reconciled = self._gauge(
            "mlc_reconciled", "Orders, refunds and documents of the last comparison, by verdict.", "flow", "verdict"
        )
        self.reconcile_unexplained = self._gauge(
            "mlc_reconcile_unexplained", "Missing, differing or without a sale in the last comparison; 0.", "flow"
        )
        self.reconciled_at = self._gauge(
            "mlc_reconciled_timestamp_seconds", "When the last comparison was read whole, as Unix time.", "flow"
        )
        self.reconciles = self._counter(
            "mlc_reconciles", "Daily comparisons, done or failed (and tried again).", "flow", "outcome"
        )

        # --- shared ---
        self.outbox_pending = self._gauge(
            "mlc_outbox_pending", "Events written to the outbox that the log has not acknowledged.", "producer"
        )
        self.consumer_lag = self._gauge(
            "mlc_consumer_position_lag", "Records behind our own position in PostgreSQL.", "consumer", "topic", "part"
        )
        self.breaker_state = self._gauge(
            "mlc_breaker_state", "Circuit breaker of an outside system: 0 closed, 1 half open, 2 open.", "connection"
        )
        self.http_requests = self._counter(
            "mlc_http_requests",
            "Attempts to outside systems, by endpoint and outcome (status or error class).",
            "client",
            "method",
            "template",
            "outcome",
        )
        self.http_seconds = self._histogram(
            "mlc_http_seconds", "How long an attempt to an outside system took.", _SLOW, "client", "template"
        )

    def render(self) -> tuple[str, bytes]:
        """Content type and body of ``/metrics``."""
        return CONTENT_TYPE_LATEST, generate_latest(self.registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(name, meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, meaning, labels, buckets=buckets, registry=self.registry)


class HttpMetrics:
    """Counts what the HTTP client reports (an ``mlc_common.http.HttpObserver``)."""

    def __init__(self, metrics: MetricsRegistry) -> None:
        self._metrics = metrics

    def attempted(self, *, client: str, method: str, template: str, outcome: str, seconds: float) -> None:
        """One attempt ended."""
        self._metrics.http_requests.labels(client, method, template, outcome).inc()
        self._metrics.http_seconds.labels(client, template).observe(seconds)


class ErpCalls(HttpMetrics):
    """The same for an ERP's client, whose calls are counted by endpoint as well."""

    def attempted(self, *, client: str, method: str, template: str, outcome: str, seconds: float) -> None:
        """One attempt ended."""
        super().attempted(client=client, method=method, template=template, outcome=outcome, seconds=seconds)
        if seconds > 0:  # otherwise nothing was sent
            self._metrics.erp_calls.labels(client, template).inc()
