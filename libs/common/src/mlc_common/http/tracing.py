"""A client span per attempt and the W3C trace context in its headers. Attributes never hold a query, header or body."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import propagate, trace

from mlc_common.http.answer import Outgoing

_tracer = trace.get_tracer("mlc_common.http")


class AttemptSpan:
    """What an attempt may say about itself."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def answered(self, status: int) -> None:
        """Note the status."""
        self._span.set_attribute("http.response.status_code", status)
        if status >= 400:
            self._span.set_status(trace.Status(trace.StatusCode.ERROR))

    def failed(self, code: str) -> None:
        """Note the class of the error; never its message."""
        self._span.set_attribute("error.type", code)
        self._span.set_status(trace.Status(trace.StatusCode.ERROR))


@contextmanager
def attempt_span(client: str, outgoing: Outgoing, resend: int) -> Iterator[AttemptSpan]:
    """Run one attempt inside a span and hand its context to the other side."""
    attributes: dict[str, str | int] = {
        "peer.service": client,
        "http.request.method": outgoing.request.method,
        "server.address": outgoing.request.url.host,
        "url.template": outgoing.template,
        "http.request.resend_count": resend,
    }
    name = f"{outgoing.request.method} {outgoing.template}".strip()
    with _tracer.start_as_current_span(
        name, kind=trace.SpanKind.CLIENT, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        if carrier:
            outgoing.request.headers.update(carrier)
        yield AttemptSpan(span)
