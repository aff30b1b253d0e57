"""What an engine does, line by line: every call to the ledger and to the ERP with what it says and what it changes.

Made for the histories (``test_histories``): a change of what the engine writes, sends or says shows in a diff.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, cast
from uuid import UUID

from mlc_common.accounting import CreditNote, Invoice, Party
from mlc_common.clock import Clock
from mlc_common.posting.gateway import Found, Plan
from mlc_common.posting.ledger import DocumentRow, OrderLease, PartyRow, Step

from .bench import SETTINGS, Bench
from .erp import Dialect, Thing

_USUAL = (("intent", "keep"), ("looked", False), ("extend_s", SETTINGS.lease_s))
"""Not told, because nearly every call says it."""


class RecordedBench(Bench):
    """A bench that keeps the history of its engine."""

    def __init__(self, dialect: Dialect = "files") -> None:
        super().__init__(dialect)
        self.lines: list[str] = []
        told = [_Told(each, self.clock, self.lines, self._before) for each in (self.ledger, self.gateway)]
        self.engine = dataclasses.replace(self.engine, ledger=cast(Any, told[0]), gateway=cast(Any, told[1]))

    def _before(self, key: UUID) -> DocumentRow | PartyRow | None:
        return self.ledger._rows.get(key) or self.ledger._parties.get(key)

    def history(self) -> str:
        """Everything that was done, then the rows as they ended, then the ERP's books and drafts."""
        rows = [f"row {_row(row, None)}" for row in self.ledger.rows()]
        things = [f"{'books' if thing.posted else 'draft'} {_whole(thing)}" for thing in self.erp.stand().things]
        return "\n".join([*self.lines, *rows, *things]) + "\n"


class _Told:
    """Passes calls on and keeps what they say."""

    def __init__(self, to: object, clock: Clock, lines: list[str], before: Any) -> None:
        self._to, self._clock, self._lines, self._before = to, clock, lines, before

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._to, name)
        return self._telling(name, found) if inspect.iscoroutinefunction(found) else found

    def _telling(self, name: str, found: Any) -> Any:
        async def call(*given: object, **named: object) -> Any:
            said = [self._say(value) for value in given]
            said += [f"{key}={self._say(value)}" for key, value in named.items() if (key, value) not in _USUAL]
            self._lines.append(f"{self._clock.monotonic():.1f} {name} {' '.join(filter(None, said))}".rstrip())
            try:
                return await found(*given, **named)
            except Exception as error:
                self._lines.append(f"{self._clock.monotonic():.1f} {name} failed: {type(error).__name__}: {error}")
                raise

        return call

    def _say(self, value: object) -> str:
        if isinstance(value, DocumentRow | PartyRow):
            return _row(value, self._before(value.key))
        return _said(value)


def _row(row: DocumentRow | PartyRow, before: DocumentRow | PartyRow | None) -> str:
    """The fields in which a row differs from what was stored, or from an empty one."""
    changed = []
    for field in dataclasses.fields(row):
        now = getattr(row, field.name)
        was = getattr(before, field.name) if before is not None else field.default
        skipped = field.name in ("newest", "flow", "order_key", "before", "version") or "_age_s" in field.name
        if now != was and not (before is None and not now) and not skipped:
            changed.append(f"{field.name}={_said(now)}")
    return f"{getattr(row, 'kind', 'party')}<{', '.join(changed)}>"


def _said(value: object) -> str:
    match value:
        case OrderLease():
            return ""
        case Invoice() | CreditNote():
            return _document(value)
        case Party():
            return value.external_key
        case Plan():
            return f"plan<{value.reference} {_said(value.resolved)}>"
        case Found():
            return f"found<{value.handle} {value.status}>"
        case Step():
            return f"{value.state}: {value.response}".rstrip(": ")
        case UUID():
            return str(value)[:8]
        case date():
            return value.isoformat()
        case str():
            return repr(str(value))
        case Mapping():
            return "{" + ", ".join(f"{key}={_said(each)}" for key, each in sorted(value.items())) + "}"
        case Sequence():
            return "[" + ", ".join(_said(each) for each in value) + "]"
    return str(value)


def _document(document: Invoice | CreditNote) -> str:
    return f"{document.type} {document.number} {document.total}"


def _whole(thing: Thing) -> str:
    """A document as it is in the ERP, in one line."""
    document = thing.document
    credited = f" of {document.invoice_number}, {document.reason or 'refunded'}" if document.type != "invoice" else ""
    lines = " ".join(f"{line.quantity}x{line.account}:{line.net}+{line.tax}" for line in document.lines)
    return (
        f"{_document(document)} {document.currency} {thing.reference} {document.date} {document.memo!r} "
        f"{document.placement.project}{credited}: {lines}"
    )
