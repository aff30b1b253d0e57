"""Splitting an amount loses nothing and gives nobody more than a minor unit too much."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_common.money import AmountError, allocate, minor_unit, quantise

CURRENCIES = st.sampled_from(["USD", "JPY", "KWD"])
UNITS = st.integers(min_value=-(10**12), max_value=10**12)
WEIGHTS = st.lists(st.decimals(min_value=0, max_value=10**9, places=6), min_size=1, max_size=30)


@given(UNITS, WEIGHTS, CURRENCIES)
def test_the_parts_add_up_and_each_is_within_a_unit_of_its_share(
    units: int, weights: list[Decimal], currency: str
) -> None:
    unit = minor_unit(currency)
    amount = units * unit
    parts = allocate(amount, weights, currency)
    assert sum(parts) == amount
    assert all(quantise(part, currency) == part for part in parts)
    total = sum(Fraction(weight) for weight in weights)
    for part, weight in zip(parts, weights, strict=True):
        if total:
            assert abs(Fraction(part) - Fraction(amount) * Fraction(weight) / total) < Fraction(unit)
        assert weight or not total or part == 0


@given(WEIGHTS, CURRENCIES)
def test_splitting_the_sum_of_the_weights_gives_the_weights(weights: list[Decimal], currency: str) -> None:
    whole = [quantise(weight, currency) for weight in weights]
    assert allocate(sum(whole, Decimal(0)), whole, currency) == whole


@given(UNITS, WEIGHTS, CURRENCIES)
def test_a_negative_amount_splits_like_its_opposite(units: int, weights: list[Decimal], currency: str) -> None:
    amount = units * minor_unit(currency)
    assert allocate(-amount, weights, currency) == [-part for part in allocate(amount, weights, currency)]


def test_ties_go_to_the_earlier_part() -> None:
    assert allocate(Decimal("0.01"), [Decimal(1), Decimal(1)], "USD") == [Decimal("0.01"), Decimal("0.00")]
    assert allocate(Decimal("10.00"), [Decimal(1)] * 3, "USD") == [Decimal(t) for t in ("3.34", "3.33", "3.33")]


def test_without_weight_the_first_part_gets_all() -> None:
    assert allocate(Decimal("1.00"), [Decimal(0), Decimal(0)], "USD") == [Decimal("1.00"), Decimal("0.00")]


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one weight"):
        allocate(Decimal("1.00"), [], "USD")
    with pytest.raises(ValueError, match="negative"):
        allocate(Decimal("1.00"), [Decimal(-1)], "USD")
    with pytest.raises(AmountError, match="finer"):
        allocate(Decimal("0.5"), [Decimal(1)], "JPY")
