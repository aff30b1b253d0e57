"""JSON in and out without floats, and the answer a handler gives.

Numbers stay `Decimal` from the request's digits to the answer's digits; a number that JSON does not know (NaN,
Infinity) is refused. It must never round: rounding is a rule of a column, not of the wire.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn

import simplejson

from mlc_sandbox.deltek import refusals

Row = dict[str, Any]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def decode_object(body: bytes) -> Row:
    """Read a JSON object.

    Raises:
        Refusal: 400, the body is not UTF-8, not JSON, or not an object.
    """
    try:
        value = simplejson.loads(body.decode("utf-8"), use_decimal=True, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise refusals.unreadable() from None
    if not isinstance(value, dict):
        raise refusals.unreadable()
    return value


def encode(value: Any) -> bytes:
    """Write JSON; decimals keep their digits, a lone surrogate becomes a question mark."""
    text = simplejson.dumps(value, use_decimal=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "replace")


def plain(amount: Decimal) -> Decimal:
    """The same number without exponent or negative zero, so that its JSON has plain digits."""
    return Decimal(format(amount, "f")) if amount else Decimal(0)


@dataclass(slots=True)
class Answer:
    """What goes back: a JSON value, or literal bytes where the real server's body is odd."""

    body: Any = None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = field(default=())
    raw: bytes | None = None

    def content(self) -> bytes:
        """The body's bytes."""
        return self.raw if self.raw is not None else encode(self.body)


def created(row: Row | list[Row], location: str) -> Answer:
    """201 with the address of the new record."""
    return Answer(row, status=201, headers=(("Location", location),))
