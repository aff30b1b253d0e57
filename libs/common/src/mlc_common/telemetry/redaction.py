"""What may be in a log line: listed fields, plain numbers, nothing that looks like a secret or a person.

A field that is not listed keeps its value only if that is a number, a flag, a time or a UUID; text under an unknown
name is withheld, so that a forgotten field costs a log entry and not a secret. Text that passes is scrubbed as well.
Rule: design `reliability.md`, security points (allow-list logging).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

_WHO = ("service", "tenant", "connection", "flow", "store", "erp", "worker", "owner", "consumer", "producer", "task")
_WHAT = (
    *("order", "order_key", "kind", "document", "document_key", "command_id", "event_id", "fetch_id", "cause", "seq"),
    *("place", "state", "number", "reference", "rule", "status", "mapping", "mapping_version", "version", "key_id"),
    *("what", "since", "until", "cursor", "because", "why", "wish", "party_key", "webhook", "order_id", "firm"),
)
_LOG = (
    *("topic", "topics", "partition", "partitions", "part", "offset", "offsets", "lane"),
    *("group", "subject", "type", "key"),
)
_HOW = (
    *("event", "level", "logger", "timestamp", "reason", "code", "error", "detail", "fix", "exception", "stack"),
    *("method", "path", "template", "endpoint", "outcome", "client", "host", "port", "address", "sha256"),
    *("without", "defect", "fencing", "crash_point", "step", "trace_id", "span_id", "signal", "file"),
)

ALLOWED_FIELDS = frozenset((*_WHO, *_WHAT, *_LOG, *_HOW))
"""Fields whose text may be logged (scrubbed)."""

WITHHELD = "[withheld]"

_SECRET_NAMES = re.compile(
    r"secret|passw|token|authori[sz]ation|credential|cookie|signature|api_?key|consumer_?key|private_?key|dsn|"
    r"database_url|headers|body|payload",
    re.IGNORECASE,
)
_SAFE_TYPES = (bool, int, float, Decimal, datetime, date, timedelta, UUID, type(None))
_LONGEST_TEXT = 8_000

Replacement = str | Callable[[re.Match[str]], str]
_SCRUBS: tuple[tuple[re.Pattern[str], Replacement], ...] = (
    (re.compile(r"[\w.+%'!#$*^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+"), "[e-mail]"),
    (re.compile(r"(?<=://)[^/\s:@]{1,200}:[^/\s@]{1,200}@"), "[withheld]@"),
    (re.compile(r"\bc[ks]_[0-9a-zA-Z]{20,}"), "[key]"),
    (re.compile(r"\b(Bearer|Basic|OAuth)\s+[\w.~+/=-]{8,}", re.IGNORECASE), r"\1 [withheld]"),
    (
        re.compile(
            r"\b([\w-]*(?:secret|password|passwd|token|signature|consumer_key|api_key)[\"']?\s*[=:]\s*)[^\s&,;}]+",
            re.IGNORECASE,
        ),
        r"\1[withheld]",
    ),
)


def scrub(text: str) -> str:
    """The text without e-mail addresses and without what looks like a credential, cut at a sane length."""
    if len(text) > _LONGEST_TEXT:
        text = text[:_LONGEST_TEXT] + "…"
    for pattern, replacement in _SCRUBS:
        text = pattern.sub(replacement, text)
    return text


def redact(fields: Mapping[str, Any], allowed: frozenset[str] = ALLOWED_FIELDS) -> dict[str, Any]:
    """The fields of one log line that may leave the process."""
    return {
        name: _value(value, passes=name in allowed, allowed=allowed)
        for name, value in fields.items()
        if name in allowed or not _SECRET_NAMES.search(name)
    }


def _value(value: Any, *, passes: bool, allowed: frozenset[str]) -> Any:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, _SAFE_TYPES):
        return value
    if isinstance(value, Mapping):
        return redact({str(name): item for name, item in value.items()}, allowed) if passes else WITHHELD
    if isinstance(value, list | tuple | set | frozenset):
        return [_value(item, passes=passes, allowed=allowed) for item in value]
    return scrub(str(value)) if passes else WITHHELD
