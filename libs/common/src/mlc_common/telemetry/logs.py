"""One line of JSON per log entry on stderr, from structlog and from the standard library alike, redacted.

Context (tenant, connection, order) travels in context variables: bind it once with ``bound``, and every line below has
it. Every line passes ``redaction``; there is no way around it. Configured once per process, in ``app.py``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor, WrappedLogger

from mlc_common.telemetry.redaction import ALLOWED_FIELDS, redact

_REPEATED_AFTER_S = 10.0

_NOISY = ("aiokafka", "faststream", "asyncio", "httpx", "httpcore", "uvicorn.access", "granian.access")


def configure_logs(
    service: str,
    tenant: str = "",
    *,
    level: str = "info",
    extra_fields: frozenset[str] = frozenset(),
    stream: TextIO | None = None,
) -> None:
    """Send all logging of this process to stderr as redacted JSON.

    Args:
        service: Name of the part ("ingest"); on every line.
        tenant: The tenant; on every line.
        level: The lowest level that is written.
        extra_fields: Further fields whose text may be logged.
        stream: Instead of stderr, for tests.
    """
    fixed = {"service": service, "tenant": tenant} if tenant else {"service": service}
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _Redaction(fixed, ALLOWED_FIELDS | extra_fields),
            structlog.processors.JSONRenderer(default=str),
        ],
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(_Repeats())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


@contextmanager
def bound(*, tenant: str | None = None, connection: str | None = None, order: str | None = None) -> Iterator[None]:
    """Put these on every line logged inside, also in tasks started there."""
    given = {"tenant": tenant, "connection": connection, "order": order}
    with structlog.contextvars.bound_contextvars(**{name: value for name, value in given.items() if value is not None}):
        yield


class _Repeats(logging.Filter):
    """Lets what aiokafka says again and again through once in ten seconds, with how often it was said.

    While the broker is away it says the same up to a thousand times a second, which would fill a disk.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("aiokafka") or not isinstance(record.msg, str):
            return True
        key = (record.name, record.msg)
        since, more = self._said.get(key, (float("-inf"), 0))
        if record.created - since < _REPEATED_AFTER_S:
            self._said[key] = (since, more + 1)
            return False
        self._said[key] = (record.created, 0)
        if more:
            record.msg = f"{record.msg} (and {more} more like it)"
        return True


class _Redaction:
    """The last processor before rendering."""

    def __init__(self, fixed: dict[str, str], allowed: frozenset[str]) -> None:
        self._fixed = fixed
        self._allowed = allowed

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return redact({**self._fixed, **event}, self._allowed)


def _add_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    context: Any = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
    return event
