"""The mapper's own decisions say what ought to be in the books: of real orders, never an amount."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlc_common import exactjson
from mlc_common.errors import ConfigurationError
from mlc_common.reconciling import Numbering, SaleFact
from mlc_mapper.examples import text as example
from mlc_poller.sales import fact_of
from mlc_reconciler.evidence import Rule, Ruling
from mlc_reconciler.rules import Rules, numberings_of

ORDERS = Path(__file__).parents[4] / "tests" / "data" / "woocommerce" / "orders"


def order(name: str) -> SaleFact:
    """A stored order with its refunds."""
    record = exactjson.loads((ORDERS / f"{name}.json").read_bytes())
    return replace(fact_of(record["order"]), record=record)


def rules(*changes: tuple[str, str]) -> Rules:
    """The shipped example's, with lines of it changed."""
    text = example()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return Rules.of(text)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("completed", None),
        ("refund-by-line", None),
        ("cod-processing", None),
        ("cancelled", "cancelled"),
        ("pending", "not_paid"),
        ("trashed", "deleted"),
    ],
)
def test_the_sale_is_left_out_by_the_mappers_rule_or_not_at_all(name: str, rule: str | None) -> None:
    found = rules().ruling(order(name)).sale
    assert (found.name if found else None) == rule


def test_what_cannot_be_mapped_ought_to_be_in_the_books_all_the_same() -> None:
    assert rules(("currencies: [USD, ", "currencies: [")).ruling(order("completed")) == Ruling()
    assert rules().ruling(replace(order("completed"), record={})) == Ruling()


def test_before_the_cut_over_the_date_of_each_refund_decides() -> None:
    """Without its refunds' dates nothing of it is left out: they are read before it is judged."""
    moved = rules(("cut_over: 2024-01-01", "cut_over: 2030-01-01"))
    one = order("refund-by-line")
    found = moved.ruling(one)
    assert found.sale is not None
    assert found.sale.name == "before_cut_over"
    assert [rule.name for rule in found.refunds.values()] == ["before_cut_over"]
    unread = replace(one, record={**one.record, "refunds": []})
    assert dict(moved.ruling(unread).refunds) == {}


def test_an_unpaid_order_of_before_the_cut_over_is_perhaps_left_out() -> None:
    moved = rules(("cut_over: 2024-01-01", "cut_over: 2030-01-01"))
    one = replace(order("cod-processing"), created=datetime(2029, 12, 31, tzinfo=UTC))
    perhaps = moved.ruling(one).perhaps
    assert perhaps is not None
    assert perhaps.name == "before_cut_over"
    assert moved.ruling(replace(one, paid_at=one.created)).perhaps is None
    assert rules().ruling(one).perhaps is None


def test_numbers_are_those_of_the_mapping_and_no_mapping_is_refused() -> None:
    assert rules().numbering == Numbering("WC01", "WA")
    with pytest.raises(ConfigurationError):
        Rules.of("flow: web")
    assert Rule("x") == Rule("x", "")


def test_every_numbering_that_a_flow_ever_had_is_read_once_and_an_unreadable_mapping_is_passed_over() -> None:
    text = example()
    older = text.replace("WC01", "OLD1").replace("invoice_prefix: WA", "invoice_prefix: XA")
    found = numberings_of([text, "flow: web", older, text.replace("Order {number}", "No. {number}")])
    assert found == [Numbering("WC01", "WA"), Numbering("OLD1", "XA")]
