"""Counts the calls that each document takes: at five calls a second, calls are the throughput (architecture §5)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from mlc_common.telemetry.metrics import ErpCalls, MetricsRegistry

_MOST = 10_000

_current: ContextVar[UUID | None] = ContextVar("document", default=None)


class CallMeter(ErpCalls):
    """Hears of every attempt of one connection's client (an ``mlc_common.http.HttpObserver``)."""

    def __init__(self, metrics: MetricsRegistry, connection: str) -> None:
        super().__init__(metrics)
        self._registry = metrics
        self._connection = connection
        self._calls: OrderedDict[UUID, int] = OrderedDict()

    @contextmanager
    def of(self, document: UUID) -> Iterator[None]:
        """Calls within the block are this document's."""
        token = _current.set(document)
        try:
            yield
        finally:
            _current.reset(token)

    def attempted(self, *, client: str, method: str, template: str, outcome: str, seconds: float) -> None:
        """One attempt ended."""
        super().attempted(client=client, method=method, template=template, outcome=outcome, seconds=seconds)
        document = _current.get()
        if document is not None and seconds > 0:
            self._calls[document] = self._calls.pop(document, 0) + 1
            if len(self._calls) > _MOST:  # those that wait for a person; they are counted from their release on
                self._calls.popitem(last=False)

    def verified(self, document: UUID, kind: str) -> None:
        """The document stands in the books."""
        self._registry.documents_posted.labels(self._connection, kind).inc()
        self._registry.calls_per_document.labels(self._connection, kind).observe(self._calls.pop(document, 0))
