"""Ids and numbers are made from the store's ids alone, fit the ERP, and never change between releases."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from mlc_common.accounting import (
    EXPLANATIONS,
    HoldReason,
    NumberLimits,
    command_id,
    document_key,
    document_number,
    event_id,
    external_reference,
    party_key,
)

DELTEK = NumberLimits(number=12, number_min=7, reference=32)
CREDIT = NumberLimits(number=12, number_min=8, reference=32)
IDS = st.text(alphabet="0123456789-ABCDEFX", min_size=1, max_size=40)


def test_keys_are_the_same_in_every_release() -> None:
    key = document_key("web", "invoice", "17")
    assert key == UUID("e811ed67-9436-55a0-b43b-6676470bec65")
    assert command_id(key, 1) == UUID("30ed98f6-2301-5800-887a-579818270423")
    assert party_key("web", "42") == UUID("d50d0a25-d4d3-53a0-9a21-96a9d430abdf")
    assert event_id("fetch", "a", "b") == UUID("2156ab6f-097b-5ad7-a75d-f0d6e4d4408d")


@given(st.lists(st.tuples(st.sampled_from(["web", "b2b"]), st.sampled_from(["invoice", "credit_note"]), IDS)))
def test_other_documents_have_other_keys(parts: list[tuple[str, str, str]]) -> None:
    assert len({document_key(*one) for one in parts}) == len(set(parts))


def test_parts_cannot_be_shifted_into_each_other() -> None:
    assert event_id("a", "bc") != event_id("ab", "c")


def test_numbers_are_as_the_bookkeeper_expects() -> None:
    assert document_number("WA", "1001", DELTEK) == "WA01001"
    assert document_number("WAR", "77", CREDIT) == "WAR00077"
    assert document_number("WA", "1234567890", DELTEK) == "WA1234567890"
    assert external_reference("IN", "WC01", "1001", limits=DELTEK) == "IN-WC01-1001"
    assert external_reference("CM", "WC01", "1001", "R77", limits=DELTEK) == "CM-WC01-1001-R77"


@given(IDS)
def test_numbers_and_references_fit_the_erp(source_id: str) -> None:
    assert DELTEK.number_min <= len(document_number("WA", source_id, DELTEK)) <= DELTEK.number
    assert len(external_reference("CM", "WC01", source_id, f"R{source_id}", limits=DELTEK)) <= DELTEK.reference


@given(st.sets(st.integers(1, 10**12), min_size=2, max_size=50))
def test_other_orders_have_other_numbers(ids: set[int]) -> None:
    assert len({document_number("WA", str(one), DELTEK) for one in ids}) == len(ids)
    assert len({external_reference("IN", "WC01", str(one), limits=DELTEK) for one in ids}) == len(ids)


def test_every_reason_is_explained_with_a_remedy() -> None:
    assert set(EXPLANATIONS) == set(HoldReason)
    for explanation in EXPLANATIONS.values():
        assert explanation.sentence.endswith(".")
        assert explanation.remedy.endswith(".")
