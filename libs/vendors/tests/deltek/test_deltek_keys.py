"""Keys: the same for the same record, never too long, never two records in one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_vendors.deltek import ValidationRefused, batch_name, document_number, load_contract

LIMITS = load_contract().limits
TEXT = st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("prefix", "number", "expected"),
    [("WA", "1001", "WA01001"), ("WAR", "77", "WAR0077"), ("WA", "1234567890", "WA1234567890")],
)
def test_short_numbers_are_filled_up_so_that_the_tenant_does_not(prefix: Any, number: Any, expected: Any) -> None:
    assert document_number(prefix, number, LIMITS) == expected


def test_a_number_that_does_not_fit_becomes_a_digest_behind_its_prefix() -> None:
    made = document_number("WA", "112-1234567-1234567", LIMITS)
    assert (len(made), made[:2]) == (12, "WA")
    assert made != document_number("WA", "112-1234567-1234568", LIMITS)


def test_a_prefix_without_room_for_a_digest_is_refused() -> None:
    with pytest.raises(ValidationRefused, match="shorten"):
        document_number("WASTE", "112-1234567-1234567", LIMITS)


@pytest.mark.parametrize("name", ["IN-WC01-1001", "JE-AZ01-S12345678901", "X" * 32])
def test_a_batch_name_that_fits_is_kept(name: Any) -> None:
    assert batch_name(name, LIMITS) == name


def test_a_long_batch_name_keeps_its_head_and_ends_in_a_digest() -> None:
    made = batch_name("IN-WC01-" + "9" * 40, LIMITS)
    assert (len(made), made[:21]) == (32, "IN-WC01-999999999999~")


@given(TEXT, TEXT)
def test_two_records_never_share_a_key(one: str, other: str) -> None:
    if one != other:
        assert batch_name(one, LIMITS) != batch_name(other, LIMITS)
    assert len(batch_name(one, LIMITS)) <= LIMITS.batch
    assert LIMITS.invoice_min <= len(document_number("WA", one, LIMITS)) <= LIMITS.invoice
