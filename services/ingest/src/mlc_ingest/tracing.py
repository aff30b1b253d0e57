"""One span per webhook, whose context travels with the event, so that an order's way is one trace from here on.

A trace context that the sender names is not taken over: nobody outside decides what we record.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind

from mlc_common.events.envelope import header_of
from mlc_common.telemetry.tracing import span, trace_extensions
from mlc_ingest.admission import Admitted


def recording() -> bool:
    """Whether spans go anywhere in this process."""
    return isinstance(trace.get_tracer_provider(), TracerProvider)


@contextmanager
def traced(connection: str, admitted: Admitted) -> Iterator[Admitted]:
    """The event with the trace context of a span around it."""
    attributes = {"mlc.connection": connection, "mlc.webhook": admitted.event}
    with span("ingest webhook", kind=SpanKind.SERVER, attributes=attributes):
        context = [(header_of(name), value.encode()) for name, value in trace_extensions().items()]
        yield admitted._replace(made=[*admitted.made, *context])
