"""A document that breaks an invariant cannot exist; one that exists survives JSON to the last digit."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from mlc_common import exactjson
from mlc_common.accounting import (
    CashReceipt,
    Document,
    Invoice,
    JournalEntry,
    JournalLine,
    Line,
    LineKind,
    Placement,
    content_digest,
    source_digest,
)

from .made import KEY, SOURCE, invoices

BASE: dict[str, Any] = {
    "key": KEY, "flow": "web", "number": "N1", "reference": "R1", "date": date(2026, 11, 20), "currency": "USD",
    "sources": (SOURCE,),
}  # fmt: skip


@given(invoices())
def test_an_invoice_survives_json_to_the_last_digit(invoice: Invoice) -> None:
    data = exactjson.dumps(invoice.model_dump(mode="json"))
    again = TypeAdapter[Any](Document).validate_python(exactjson.loads(data))
    assert again == invoice
    assert content_digest(again) == content_digest(invoice)
    assert [format(line.net, "f") for line in again.lines] == [format(line.net, "f") for line in invoice.lines]


@given(invoices(), st.sampled_from(["net", "tax", "total"]), st.sampled_from(["1", "-1"]))
def test_an_invoice_that_does_not_add_up_cannot_be_built(invoice: Invoice, field: str, by: str) -> None:
    said = invoice.model_dump() | {field: getattr(invoice, field) + Decimal(by)}
    with pytest.raises(ValidationError, match="does not add up"):
        Invoice.model_validate(said)


@given(invoices())
def test_an_amount_finer_than_the_currency_cannot_be_built(invoice: Invoice) -> None:
    fine = invoice.lines[0].model_copy(update={"net": invoice.lines[0].net + Decimal("0.0001")})
    said = invoice.model_dump() | {"lines": [fine.model_dump(), *[line.model_dump() for line in invoice.lines[1:]]]}
    said |= {"net": invoice.net + Decimal("0.0001"), "total": invoice.total + Decimal("0.0001")}
    with pytest.raises(ValidationError, match="finer"):
        Invoice.model_validate(said)


@given(invoices())
def test_a_new_address_is_no_change_of_the_money(invoice: Invoice) -> None:
    billing = invoice.party.billing.model_copy(update={"line1": "2 Side St"})
    moved = invoice.model_copy(update={"party": invoice.party.model_copy(update={"billing": billing})})
    assert source_digest(moved) == source_digest(invoice)
    assert content_digest(moved) != content_digest(invoice)


@given(invoices())
def test_another_amount_is_a_change_of_the_money(invoice: Invoice) -> None:
    line = invoice.lines[0].model_copy(update={"net": invoice.lines[0].net + 1})
    dearer = invoice.model_copy(update={"lines": (line, *invoice.lines[1:])})
    assert source_digest(dearer) != source_digest(invoice)


@given(invoices())
def test_the_order_of_lines_and_trailing_zeros_are_no_change_of_the_money(invoice: Invoice) -> None:
    lines = [line.model_copy(update={"net": line.net.normalize()}) for line in reversed(invoice.lines)]
    assert source_digest(invoice.model_copy(update={"lines": tuple(lines)})) == source_digest(invoice)


@given(st.lists(st.tuples(st.integers(1, 10**6), st.booleans()), min_size=1, max_size=10))
def test_a_journal_entry_balances_or_cannot_be_built(sides: list[tuple[int, bool]]) -> None:
    made = [
        JournalLine(account="1", **{"debit" if debit else "credit": Decimal(units).scaleb(-2)})
        for units, debit in sides
    ]
    difference = sum((line.debit - line.credit for line in made), Decimal(0))
    if difference:
        other = "credit" if difference > 0 else "debit"
        with pytest.raises(ValidationError, match=r"does not balance|at least 2"):
            JournalEntry(**BASE, lines=tuple(made))
        made.append(JournalLine(account="2", **{other: abs(difference)}))
    if len(made) > 1:
        assert JournalEntry(**BASE, lines=tuple(made)).lines == tuple(made)


@pytest.mark.parametrize("sides", [{}, {"debit": "1", "credit": "1"}, {"debit": "-1"}])
def test_a_journal_line_has_one_side(sides: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="either a debit or a credit"):
        JournalLine.model_validate({"account": "1", **sides})


def test_a_cash_receipt_is_what_the_bank_received() -> None:
    lines = (
        Line(kind=LineKind.ITEM, net=Decimal("100.00"), account="111.00"),
        Line(kind=LineKind.FEE, net=Decimal("-2.90"), account="521.00"),
    )
    assert CashReceipt(**BASE, bank="OPER", lines=lines, total=Decimal("97.10")).total == Decimal("97.10")
    with pytest.raises(ValidationError, match="does not add up"):
        CashReceipt(**BASE, bank="OPER", lines=lines, total=Decimal("100.00"))


@pytest.mark.parametrize("placement", [{"rule": "fixed"}, {"rule": "by_firm", "project": "P1"}])
def test_a_placement_names_its_project_exactly_when_it_is_fixed(placement: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="names"):
        Placement.model_validate(placement)


def test_an_unknown_currency_makes_no_document() -> None:
    lines = (Line(kind=LineKind.ITEM, net=Decimal(1), account="1"),)
    with pytest.raises(ValidationError, match="ISO 4217"):
        CashReceipt(**BASE | {"currency": "BTC"}, bank="OPER", lines=lines, total=Decimal(1))
