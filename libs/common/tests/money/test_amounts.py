"""Amounts are exact: parsed without rounding, quantised visibly, refused when they are none."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_common.money import AmountError, exact, is_currency, minor_unit, parse_amount, quantise, shown

CURRENCIES = st.sampled_from(["USD", "EUR", "JPY", "KWD", "RSD"])
ANY_AMOUNT = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=6)


@pytest.mark.parametrize(
    ("currency", "unit"),
    [("USD", "0.01"), ("JPY", "1"), ("KWD", "0.001"), ("RSD", "0.01"), ("IQD", "0.001"), ("CLF", "0.0001")],
)
def test_the_minor_unit_is_that_of_iso_4217(currency: str, unit: str) -> None:
    assert minor_unit(currency) == Decimal(unit)


@pytest.mark.parametrize("code", ["usd", "US", "USDX", "", "BTC", "   "])
def test_a_code_that_is_no_currency_has_no_minor_unit(code: str) -> None:
    assert not is_currency(code)
    with pytest.raises(AmountError, match="no ISO 4217"):
        minor_unit(code)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("12.74", "12.74"),
        ("-0.00", "0"),
        (" 5 ", "5"),
        (7, "7"),
        (Decimal("1.540013"), "1.540013"),
        ("1E+2", "100"),
        ("0.000", "0"),
    ],
)
def test_an_amount_is_read_as_it_stands(text: Any, amount: str) -> None:
    assert parse_amount(text) == Decimal(amount)
    assert not parse_amount(text).is_signed()


@pytest.mark.parametrize(
    "value", ["", "abc", "NaN", "sNaN", "Infinity", "1,5", "1.2.3", 1.5, True, None, [], "1e400", Decimal("1e20")]
)
def test_what_is_no_amount_is_refused(value: Any) -> None:
    with pytest.raises(AmountError):
        parse_amount(value)


@given(ANY_AMOUNT, CURRENCIES)
def test_quantising_moves_by_at_most_half_a_unit_and_only_once(amount: Decimal, currency: str) -> None:
    rounded = quantise(amount, currency)
    assert abs(rounded - amount) * 2 <= minor_unit(currency)
    assert quantise(rounded, currency) == rounded == exact(rounded, currency)
    assert rounded.as_tuple().exponent == minor_unit(currency).as_tuple().exponent


@given(ANY_AMOUNT, CURRENCIES)
def test_exact_moves_nothing(amount: Decimal, currency: str) -> None:
    try:
        assert exact(amount, currency) == amount
    except AmountError:
        assert quantise(amount, currency) != amount


def test_ties_round_away_from_zero_and_zero_has_no_sign() -> None:
    assert quantise(Decimal("0.005"), "USD") == Decimal("0.01")
    assert quantise(Decimal("-0.005"), "USD") == Decimal("-0.01")
    assert str(quantise(Decimal("-0.001"), "USD")) == "0.00"


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("2400.00", "JPY", "2400"), ("1317.39", "JPY", "1317.39"), ("5", "USD", "5.00"), ("5.0000", "USD", "5.00"),
        ("-0.00", "USD", "0.00"), ("1E+3", "KWD", "1000.000"), ("5.10", "???", "5.10"), ("1E+2", "", "100"),
    ],
)  # fmt: skip
def test_an_amount_is_shown_with_its_currencys_decimals_and_never_rounded(
    amount: str, currency: str, text: str
) -> None:
    assert shown(Decimal(amount), currency) == text
