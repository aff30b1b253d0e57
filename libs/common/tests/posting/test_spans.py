"""Each turn of the engine on a document is a span, below the trace that its command came with."""

from __future__ import annotations

import dataclasses

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from .bench import Bench
from .wishes import Order

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("parent", [PARENT, ""])
async def test_a_turn_is_a_span_with_kind_and_state_below_its_commands_trace(
    bench: Bench, order: Order, monkeypatch: pytest.MonkeyPatch, parent: str
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace.get_tracer", provider.get_tracer)
    bench.add(order.invoice("100.00"))
    row = bench.row()
    bench.ledger._rows[row.key] = dataclasses.replace(row, trace=parent)
    await bench.settle()

    (span,) = exporter.get_finished_spans()
    assert span.name == "post"
    assert dict(span.attributes or {}) == {"kind": "invoice", "state": "intended"}
    assert (span.parent is not None) is bool(parent)
    assert span.context is not None
    assert (trace.format_trace_id(span.context.trace_id) == PARENT.split("-")[1]) is bool(parent)
