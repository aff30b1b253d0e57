"""Single values: amounts exact, dates as written, flags in all their spellings."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from mlc_common import exactjson
from mlc_vendors.deltek.values import Amount, Code, Day, Flag, Level, wire_amount, wire_date

amounts: TypeAdapter[Decimal] = TypeAdapter(Amount)
days: TypeAdapter[date | None] = TypeAdapter(Day)
flags: TypeAdapter[bool] = TypeAdapter(Flag)
codes: TypeAdapter[str] = TypeAdapter(Code)
levels: TypeAdapter[str] = TypeAdapter(Level)


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2))
def test_an_amount_survives_the_way_there_and_back(amount: Decimal) -> None:
    text = exactjson.dumps(wire_amount(amount))
    assert b"E" not in text
    assert amounts.validate_python(exactjson.loads(text)) == amount


@pytest.mark.parametrize("value", ["156.60", Decimal("156.6"), " 156.60 "])
def test_amounts_come_as_numbers_or_texts(value: Any) -> None:
    assert amounts.validate_python(value) == Decimal("156.60")


@pytest.mark.parametrize("value", [None, "", "abc", "NaN", "Infinity", Decimal("1e400"), True, 1.5, [], "1,5"])
def test_what_is_no_amount_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        amounts.validate_python(value)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T00:00:00.000",
        "2026-11-20",
        "2026-11-20T00:00:00",
        "2026-11-20T00:00:00Z",
        "2026-11-20T23:30:00-06:00",
    ],
)
def test_a_date_is_the_day_as_written(text: Any) -> None:
    assert days.validate_python(text) == date(2026, 11, 20)


def test_a_blank_date_is_none_and_a_broken_one_is_refused() -> None:
    assert [days.validate_python(value) for value in ("", " ", None)] == [None, None, None]
    with pytest.raises(ValidationError):
        days.validate_python("20.11.2026")


def test_dates_are_sent_without_zone_and_blank_where_there_is_none() -> None:
    assert [wire_date(date(2026, 2, 3)), wire_date(None)] == ["2026-02-03T00:00:00.000", ""]


def test_flags_have_two_alphabets() -> None:
    assert [flags.validate_python(value) for value in ("Y", "true", True, "N", "false", "", None)] == [True] * 3 + [
        False
    ] * 4
    with pytest.raises(ValidationError):
        flags.validate_python("perhaps")


def test_codes_keep_every_digit() -> None:
    assert [codes.validate_python(value) for value in ("121.00", Decimal("121.00"), 121)] == ["121.00", "121.00", "121"]


def test_an_empty_level_is_one_space_there_and_nothing_here() -> None:
    assert [levels.validate_python(value) for value in (" ", "", None, "ONLINE")] == ["", "", "", "ONLINE"]
