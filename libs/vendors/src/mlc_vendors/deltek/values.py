"""How Vantagepoint spells single values, and what they mean: amounts, flags, dates, blank levels (§2.9, §6, §12.1).

Reading is tolerant of the forms that were seen; what cannot be read raises, an amount is never guessed to be zero.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator

LARGEST = Decimal(10) ** 15
_CENT = Decimal("0.01")
_FLAGS = {"y": True, "n": False, "true": True, "false": False, "": False}


def _amount(value: Any) -> Decimal:
    """JSON numbers and numbers in strings are both seen."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ValueError("is not an amount")
    try:
        amount = Decimal(value.strip() if isinstance(value, str) else value)
    except ArithmeticError:
        raise ValueError("is not an amount") from None
    if not amount.is_finite() or abs(amount) >= LARGEST:
        raise ValueError("is not an amount that books can hold")
    return amount


def _flag(value: Any) -> bool:
    """``Y``/``N``, but address flags were seen as ``true``/``false``."""
    if isinstance(value, bool):
        return value
    try:
        return _FLAGS[str(value if value is not None else "").strip().lower()]
    except KeyError:
        raise ValueError("is not a Y/N flag") from None


def day_of(value: Any) -> date | None:
    """The day as written: accounting dates have no zone, whatever their spelling (date, seconds, ``Z``, offset)."""
    if isinstance(value, date) or value is None:
        return value
    text = str(value).strip()
    return date.fromisoformat(text[:10]) if text else None


def _code(value: Any) -> str:
    """Codes look like decimals (``121.00``) and may come as numbers; every digit counts."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError("is not a code")
    return str(value)


def _level(value: Any) -> str:
    """An empty phase or task is one space there and nothing here."""
    return _code(value).strip()


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _blank_to_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


Amount = Annotated[Decimal, BeforeValidator(_amount)]
MaybeAmount = Annotated[Amount | None, BeforeValidator(_blank_to_none)]
MaybeNumber = Annotated[int | None, BeforeValidator(_blank_to_none)]
Text = Annotated[str, BeforeValidator(_text)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Day = Annotated[date | None, BeforeValidator(day_of)]
Code = Annotated[str, BeforeValidator(_code)]
Level = Annotated[str, BeforeValidator(_level)]


def wire_amount(amount: Decimal) -> Decimal:
    """The amount with exactly two decimals and no exponent, as it may be sent.

    Raises:
        ValueError: it has a part of a cent, or is larger than books can hold.
    """
    if not amount.is_finite() or abs(amount) >= LARGEST:
        raise ValueError("an amount is larger than the books can hold")
    cents = amount.quantize(_CENT)
    if cents != amount:
        raise ValueError("an amount has a part of a cent; round it before it is posted")
    return cents


def wire_date(day: date | None) -> str:
    """``YYYY-MM-DDT00:00:00.000`` without zone; blank where there is none."""
    return f"{day.isoformat()}T00:00:00.000" if day else ""


def wire_flag(value: bool) -> str:
    """``Y`` or ``N``."""
    return "Y" if value else "N"
