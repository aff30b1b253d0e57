"""OpenTelemetry traces that cross Kafka: one order's way from webhook to posted document is one trace.

Spans are exported (OTLP over HTTP) only where ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set; otherwise recording is off and
costs nothing. W3C trace context travels as CloudEvents extension (``ce_traceparent``) and as the plain ``traceparent``
header that other tools read. Attributes never hold a body, a query or an address of a person.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

ENDPOINT_VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"

Headers = list[tuple[str, bytes]]

_PROPAGATOR = TraceContextTextMapPropagator()
_NAMES = ("traceparent", "tracestate")


class Tracing:
    """What ``configure_tracing`` set up; ``shutdown`` sends what is left."""

    def __init__(self, provider: TracerProvider | None) -> None:
        self._provider = provider

    @property
    def recording(self) -> bool:
        """Whether spans go anywhere."""
        return self._provider is not None

    def shutdown(self) -> None:
        """Send what waits and stop."""
        if self._provider is not None:
            self._provider.shutdown()


def configure_tracing(
    service: str,
    tenant: str = "",
    *,
    environment: Mapping[str, str] = os.environ,
    processors: Iterable[SpanProcessor] = (),
) -> Tracing:
    """Set up tracing for this process; call once, in ``app.py``. A second call joins the first.

    Args:
        service: Name of the part.
        tenant: The tenant.
        environment: Where the endpoint is looked up.
        processors: Where spans go besides, for tests.
    """
    present = trace.get_tracer_provider()
    if isinstance(present, TracerProvider):
        for processor in processors:
            present.add_span_processor(processor)
        return Tracing(present)
    chosen = [*processors, *_exporters(environment)]
    if not chosen:
        return Tracing(None)
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"mlc-{service}", "service.namespace": tenant or "ml-connector"})
    )
    for processor in chosen:
        provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    return Tracing(provider)


def _exporters(environment: Mapping[str, str]) -> Iterator[SpanProcessor]:
    if environment.get(ENDPOINT_VARIABLE):
        # Imported here: it costs memory that a process without tracing need not spend.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        yield BatchSpanProcessor(OTLPSpanExporter())


def trace_extensions(context: Context | None = None) -> dict[str, str]:
    """The current trace context as CloudEvents extensions; empty where nothing is traced."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, context)
    return carrier


def inject(headers: Headers, context: Context | None = None) -> Headers:
    """The headers with the current trace context added, replacing one that was there."""
    carrier = trace_extensions(context)
    kept = [(name, value) for name, value in headers if name not in carrier]
    return [*kept, *((name, value.encode()) for name, value in carrier.items())]


def extract(headers: Iterable[tuple[str, bytes | None]]) -> Context:
    """The trace context of a Kafka record; an empty one where it has none or a broken one."""
    carrier: dict[str, str] = {}
    for name, value in headers:
        plain = name.removeprefix("ce_")
        # The plain header is the nearer hop: a tool in between rewrites it and leaves the event as it is.
        if value is not None and plain in _NAMES and (name == plain or plain not in carrier):
            carrier[plain] = value.decode("ascii", "replace")
    return _PROPAGATOR.extract(carrier, Context())


@contextmanager
def span(
    name: str,
    *,
    parent: Context | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, str | int | float | bool] | None = None,
) -> Iterator[Span]:
    """Run a block inside a span. An error marks it by its class alone: messages may name what must not leave."""
    tracer = trace.get_tracer("mlc_common")
    with tracer.start_as_current_span(
        name, context=parent, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except BaseException as error:
            current.set_attribute("error.type", type(error).__name__)
            current.set_status(Status(StatusCode.ERROR))
            raise
