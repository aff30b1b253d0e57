"""Decimal amounts as PHP and WooCommerce round and print them.

Nothing here may use a float but ``number``, which prints JSON numbers that WooCommerce itself keeps as floats (line
prices, rates) and that nobody may use for accounting. Rules: facts sheet §6.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_DOWN, ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

ZERO = Decimal(0)
# WC_ROUNDING_PRECISION: how finely taxes are kept unless the store shows more decimals.
TAX_PRECISION = 6


def round_half_up(value: Decimal, places: int) -> Decimal:
    """Round away from zero at the half, as PHP's round and number_format do."""
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def round_half_down(value: Decimal, places: int) -> Decimal:
    """Round towards zero at the half: tax of inclusive prices, and discounts."""
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_DOWN)


def money(value: Decimal, places: int) -> str:
    """An amount with exactly ``places`` decimals; zero has no sign."""
    rounded = round_half_up(value, places)
    return format(rounded if rounded else abs(rounded), "f")


def raw(value: Decimal) -> str:
    """An amount as WooCommerce stores it: no trailing zeros, no exponent, "0" for nothing."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def number(value: Decimal) -> int | float:
    """A JSON number as PHP prints a float: whole ones without a fraction."""
    return int(value) if value == value.to_integral_value() else float(value)


def quotient(value: Decimal, divisor: int) -> int | float:
    """What PHP's float division gives; 0 where there is nothing to divide by."""
    if not divisor:
        return 0
    result = float(value) / divisor
    return int(result) if result.is_integer() else result


def amount(value: Any) -> Decimal:
    """A number from JSON or text, tolerant as wc_format_decimal: what is no number is 0."""
    if value is None or isinstance(value, bool) or value == "":
        return ZERO
    try:
        parsed = Decimal(str(value).strip().replace(",", ""))
    except InvalidOperation:
        return ZERO
    return parsed if parsed.is_finite() else ZERO


def total(values: Iterable[Decimal]) -> Decimal:
    """The sum, a Decimal also when there is nothing."""
    return sum(values, ZERO)
