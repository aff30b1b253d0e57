"""Traces: the context travels, secrets do not."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mlc_common.http import tracing


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    return exporter


async def test_the_trace_context_reaches_the_server_and_each_attempt_is_a_span(
    server: Any, script: Any, make_client: Any, spans: Any
) -> None:
    server.play(script.answer(503), script.answer(200))
    await make_client().request("GET", f"{server.url}/firm/42", params={"key": "s3cr3t"}, template="firm.one")
    finished = spans.get_finished_spans()
    assert [span.name for span in finished] == ["GET firm.one", "GET firm.one"]
    assert [span.attributes["http.response.status_code"] for span in finished] == [503, 200]
    assert [span.attributes["http.request.resend_count"] for span in finished] == [0, 1]
    sent = [seen.headers["traceparent"].split("-")[2] for seen in server.seen]
    assert sent == [trace.format_span_id(span.context.span_id) for span in finished]
    assert "s3cr3t" not in "".join(span.to_json() for span in finished)


async def test_a_failed_attempt_leaves_its_class_in_the_span(
    server: Any, script: Any, make_client: Any, spans: Any
) -> None:
    server.play(script.cut)
    with pytest.raises(Exception, match="look before"):
        await make_client().request("POST", f"{server.url}/x", content=b"s3cr3t", template="trans.post")
    (span,) = spans.get_finished_spans()
    assert span.attributes["error.type"] == "unconfirmed"
    assert span.events == ()
