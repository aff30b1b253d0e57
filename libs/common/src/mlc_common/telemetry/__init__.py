"""Logs, traces and metrics of every part; nothing here decides anything, and none of it may hold a secret."""

from mlc_common.telemetry.health import health_app
from mlc_common.telemetry.logs import bound, configure_logs
from mlc_common.telemetry.metrics import HttpMetrics, MetricsRegistry
from mlc_common.telemetry.tracing import configure_tracing

__all__ = ["HttpMetrics", "MetricsRegistry", "bound", "configure_logs", "configure_tracing", "health_app"]
