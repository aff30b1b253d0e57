"""One span per webhook, whose context travels with the event, so that an order's way is one trace from here on.

A trace context that the sender names is not taken over: nobody outside decides what we record.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind

from mlc_common.events import Envelope
from mlc_common.telemetry.tracing import span, trace_extensions
from mlc_ingest.admission import Admitted


def recording() -> bool:
    """Whether spans go anywhere in this process."""
    return isinstance(trace.get_tracer_provider(), TracerProvider)


@contextmanager
def traced(connection: str, admitted: Admitted) -> Iterator[Envelope]:
    """The event with the trace context of a span around it."""
    attributes = {"mlc.connection": connection, "mlc.webhook": admitted.event, "mlc.event_id": admitted.envelope.id}
    with span("ingest webhook", kind=SpanKind.SERVER, attributes=attributes):
        extensions = {**admitted.envelope.extensions, **trace_extensions()}
        yield replace(admitted.envelope, extensions=extensions)
