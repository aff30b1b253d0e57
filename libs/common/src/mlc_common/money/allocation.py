"""Split an amount over parts so that the parts add up to it, to the last minor unit (largest remainder method).

Used for discounts, refunds without lines, and taxes that a store states only per line. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_DOWN, Context, Decimal
from functools import reduce

from mlc_common.money.amounts import exact, minor_unit

_CONTEXT = Context(prec=60)


def allocate(amount: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Split ``amount`` in proportion to ``weights``.

    Each part differs from its exact share by less than one minor unit; ties go to the earlier part, so the result
    depends on nothing but the arguments. A zero weight gets zero, unless all are zero: then the first part gets all.

    Args:
        amount: What to split, in major units, a whole number of minor units.
        weights: Non-negative, at least one.
        currency: ISO code; decides the minor unit.

    Raises:
        ValueError: no weights, a negative weight.
        AmountError: ``amount`` is finer than the minor unit.
    """
    if not weights:
        raise ValueError("nothing to allocate over: give at least one weight")
    if any(weight < 0 for weight in weights):
        raise ValueError("weights must not be negative")
    amount = exact(amount, currency)
    total = reduce(_CONTEXT.add, weights, Decimal(0))
    if total == 0:
        return [amount, *(amount * 0 for _ in weights[1:])]
    unit = minor_unit(currency)
    units = int(abs(amount) / unit)
    shares = [_CONTEXT.divide(_CONTEXT.multiply(units, weight), total) for weight in weights]
    parts = [int(share.to_integral_value(rounding=ROUND_DOWN)) for share in shares]
    by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - shares[i], i))
    for index in by_remainder[: units - sum(parts)]:
        parts[index] += 1
    sign = -1 if amount < 0 else 1
    return [exact(sign * part * unit, currency) for part in parts]
