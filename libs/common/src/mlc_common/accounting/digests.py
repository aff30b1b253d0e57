"""Content digests of documents: what changed, and whether the money changed. Pure.

``content_digest`` covers the whole document; ``source_digest`` covers only line ids, quantities, amounts, taxes and
currency (architecture §5), so that a new billing address is no change of the money.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from mlc_common.accounting.documents import CreditNote, Invoice, Line, Value
from mlc_common.accounting.identity import digest


def canonical(value: Value) -> bytes:
    """The one JSON text of a value: keys sorted, amounts as strings."""
    return _compact(value.model_dump(mode="json"))


def content_digest(value: Value) -> str:
    """SHA-256 over everything the value says."""
    return digest(canonical(value))


def source_digest(document: Invoice | CreditNote) -> str:
    """SHA-256 over line ids, quantities, amounts, taxes and currency, in the order of line ids."""
    lines = sorted(_line(line) for line in document.lines)
    return digest(_compact([document.type, document.currency, lines]))


def _line(line: Line) -> list[Any]:
    taxes = sorted([tax.code, _text(tax.amount)] for tax in line.taxes)
    return [line.source_line or line.kind.value, _text(line.quantity), _text(line.net), taxes]


def _text(amount: Decimal) -> str:
    return format(amount.normalize() if amount else Decimal(0), "f")


def _compact(value: Any) -> bytes:
    """JSON with sorted keys; amounts are text already, so the standard library's fast encoder will do."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
