"""Decimal amounts of a currency. Pure: no I/O, no context-dependent rounding.

Amounts are in major units (12.34 = twelve dollars and 34 cents). The minor unit is the smallest amount of a currency:
0.01 for USD, 1 for JPY, 0.001 for KWD.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from babel.core import get_global
from babel.numbers import get_currency_precision

_ISO_DIGITS = {
    **dict.fromkeys(("AFN", "ALL", "IRR", "KPW", "LAK", "LBP", "MGA", "MMK", "RSD", "SOS", "SYP", "YER"), 2),
    "IQD": 3,
}
"""Where CLDR tells how prices are shown (without coins that went out of use) and ISO 4217 still counts the coins."""

MAX_DIGITS = 20  # before the point; a store's order above 10^20 is a defect, not a sale
_CONTEXT = Context(prec=60)


class AmountError(ValueError):
    """This is no amount of this currency; the message names the value and what is wrong with it."""


@lru_cache(maxsize=512)
def is_currency(code: str) -> bool:
    """Whether ``code`` is an ISO 4217 code that CLDR knows."""
    return isinstance(code, str) and len(code) == 3 and code.isupper() and code in get_global("all_currencies")


@lru_cache(maxsize=512)
def minor_unit(currency: str) -> Decimal:
    """The smallest amount of ``currency``, in major units.

    Raises:
        AmountError: the code is no currency.
    """
    if not is_currency(currency):
        raise AmountError(f"{currency!r} is no ISO 4217 currency code")
    return Decimal(1).scaleb(-_ISO_DIGITS.get(currency, get_currency_precision(currency)))


def parse_amount(value: Any) -> Decimal:
    """Read an amount as stores send it: a decimal string, or a JSON number read exactly.

    ``"-0.00"`` (WooCommerce's zero refund) becomes plain zero. Nothing is rounded.

    Raises:
        AmountError: empty, not a number, NaN, infinite, a float, or beyond ``MAX_DIGITS``.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise AmountError(f"{str(value)[:40]} is no amount; a decimal string is expected")
    if isinstance(value, str) and ("_" in value or not value.isascii()):  # Decimal would read 1_0 and full-width digits
        raise AmountError(f"{value[:40]!r} is no amount; a decimal string is expected")
    try:
        amount = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        raise AmountError(f"{str(value)[:40]!r} is no amount; a decimal string is expected") from None
    if not amount.is_finite():
        raise AmountError(f"{value!r} is no finite amount")
    if amount and not -MAX_DIGITS <= amount.adjusted() < MAX_DIGITS:
        raise AmountError(f"{str(value)[:40]} is out of range for an amount")
    return amount if amount else Decimal(0)


def quantise(amount: Decimal, currency: str) -> Decimal:
    """Round half up (away from zero on a tie) to the minor unit; ``-0`` becomes ``0``."""
    rounded = amount.quantize(minor_unit(currency), rounding=ROUND_HALF_UP, context=_CONTEXT)
    return rounded if rounded else abs(rounded)


def shown(amount: Decimal, currency: str) -> str:
    """As a person reads it: with the currency's own decimals, and with more where it has more; nothing is rounded.

    A currency that nobody knows is no reason to show nothing: its amounts are shown as they are.
    """
    try:
        rounded = quantise(amount, currency)
    except AmountError:
        return format(amount, "f")
    return format(rounded if rounded == amount else amount, "f")


def exact(amount: Decimal, currency: str) -> Decimal:
    """The same amount with the currency's number of digits.

    Raises:
        AmountError: the amount has a part smaller than the minor unit.
    """
    rounded = quantise(amount, currency)
    if rounded != amount:
        raise AmountError(f"{amount} {currency} is finer than the currency's smallest unit {minor_unit(currency)}")
    return rounded
