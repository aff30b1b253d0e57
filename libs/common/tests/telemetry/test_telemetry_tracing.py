"""A trace crosses Kafka: what the producer adds to the headers, the consumer goes on from."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from mlc_common.telemetry.tracing import ENDPOINT_VARIABLE, configure_tracing, extract, inject, span, trace_extensions

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01".encode()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Recording on, for this test alone."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace.get_tracer", provider.get_tracer)
    return exporter


def test_a_consumers_span_is_a_child_of_the_producers(spans: InMemorySpanExporter) -> None:
    with span("webhook"):
        headers = inject([("ce_id", b"1")])
    with span("map", parent=extract(headers)):
        pass
    webhook, mapped = spans.get_finished_spans()
    assert webhook.context is not None
    assert mapped.parent is not None
    assert (mapped.parent.trace_id, mapped.parent.span_id) == (webhook.context.trace_id, webhook.context.span_id)
    assert headers[0] == ("ce_id", b"1")


def test_injecting_again_replaces_the_header(spans: InMemorySpanExporter) -> None:
    with span("again"):
        headers = inject([("traceparent", PARENT)])
    assert [name for name, _ in headers] == ["traceparent"]
    assert headers[0][1] != PARENT


def test_the_context_is_read_from_the_events_extension_as_well() -> None:
    context = trace.get_current_span(extract([("ce_traceparent", PARENT)])).get_span_context()
    assert trace.format_trace_id(context.trace_id) == TRACE
    assert trace.format_span_id(context.span_id) == SPAN


@pytest.mark.parametrize("order", [1, -1])
def test_the_plain_header_wins_over_the_extension(order: int) -> None:
    other = PARENT.replace(SPAN.encode(), b"1111111111111111")
    headers = [("ce_traceparent", other), ("traceparent", PARENT)][::order]
    assert trace.format_span_id(trace.get_current_span(extract(headers)).get_span_context().span_id) == SPAN


@pytest.mark.parametrize("value", [b"", b"\xff\xfe", b"00-zz-zz-01", b"garbage", None])
def test_a_broken_context_is_no_context(value: bytes | None) -> None:
    assert not trace.get_current_span(extract([("traceparent", value)])).get_span_context().is_valid


def test_without_a_span_nothing_is_added() -> None:
    assert inject([("ce_id", b"1")]) == [("ce_id", b"1")]
    assert trace_extensions() == {}


def test_a_failed_span_names_the_errors_class_and_not_its_message(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="ada@example"), span("map", attributes={"order": "77"}):
        raise ValueError("ada@example.test")
    (finished,) = spans.get_finished_spans()
    assert finished.status.status_code is StatusCode.ERROR
    assert finished.attributes == {"order": "77", "error.type": "ValueError"}
    assert "ada@" not in finished.to_json()


def test_without_an_endpoint_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    monkeypatch.setattr("opentelemetry.trace.set_tracer_provider", given.append)
    assert not configure_tracing("ingest", environment={}).recording
    assert given == []


def test_with_an_endpoint_spans_are_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[TracerProvider] = []
    monkeypatch.setattr("opentelemetry.trace.set_tracer_provider", given.append)
    monkeypatch.setenv(ENDPOINT_VARIABLE, "http://127.0.0.1:9")
    configured = configure_tracing("ingest", "acme")
    assert configured.recording
    assert given[0].resource.attributes["service.name"] == "mlc-ingest"
    configured.shutdown()
