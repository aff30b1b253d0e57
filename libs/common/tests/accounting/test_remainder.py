"""Invoice = credits + remainder, to the cent, whatever the credits name."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_common.accounting import CreditNote, Invoice, Line, LineKind, Tax, remaining_lines
from mlc_common.money import exact

from .made import credits_of, invoices


def _lines(*credits_: CreditNote) -> list[Line]:
    return [line for credit in credits_ for line in credit.lines]


def _sum(lines: tuple[Line, ...]) -> Decimal:
    return sum((line.net + line.tax for line in lines), Decimal(0))


@given(st.data())
def test_credits_and_remainder_are_the_invoice(data: st.DataObject) -> None:
    invoice, left = data.draw(invoices()), Decimal(0)
    left, returned = invoice.total, list[CreditNote]()
    for _ in range(data.draw(st.integers(0, 4))):
        credit = data.draw(credits_of(invoice, left))
        assert credit is not None
        returned.append(credit)
        left -= credit.total
    remaining = remaining_lines(invoice.lines, _lines(*returned), invoice.currency)
    assert _sum(remaining) == left
    for line in remaining:
        exact(line.net, invoice.currency)
        assert line.net or any(tax.amount for tax in line.taxes)


@given(invoices())
def test_nothing_is_left_of_what_was_returned_whole(invoice: Invoice) -> None:
    whole = CreditNote.model_validate(
        invoice.model_dump() | {"type": "credit_note", "invoice": invoice.key, "invoice_number": invoice.number}
    )
    assert remaining_lines(invoice.lines, whole.lines, invoice.currency) == ()


@given(invoices())
def test_without_credits_all_money_lines_are_left(invoice: Invoice) -> None:
    if invoice.total:
        left = remaining_lines(invoice.lines, [], invoice.currency)
        assert left == tuple(line for line in invoice.lines if line.net or any(tax.amount for tax in line.taxes))


def test_more_than_the_invoice_cannot_be_returned() -> None:
    with pytest.raises(ValueError, match=r"exceed the invoice by 0\.01 USD"):
        remaining_lines(_invoice().lines, _credit("line:1", "100.01").lines, "USD")


def test_a_credit_of_a_line_leaves_the_other_lines_alone() -> None:
    remaining = remaining_lines(_invoice().lines, _credit("line:1", "10.00").lines, "USD")
    assert [(line.source_line, line.net, line.tax) for line in remaining] == [
        ("line:1", Decimal("50.00"), Decimal("5.00")),
        ("line:2", Decimal("35.00"), Decimal(0)),
    ]


def test_a_credit_without_line_comes_off_all_in_proportion() -> None:
    remaining = remaining_lines(_invoice().lines, _credit("", "50.00").lines, "USD")
    assert [(line.net, line.tax) for line in remaining] == [
        (Decimal("30.00"), Decimal("2.50")),
        (Decimal("17.50"), Decimal(0)),
    ]


def test_a_returned_rounding_comes_off_the_rounding_and_off_no_item() -> None:
    cent = Line(kind=LineKind.ROUNDING, net=Decimal("-0.01"), account="499.00")
    invoice, credit = _invoice(), _credit("line:1", "10.00")
    invoice = invoice.model_copy(update={"lines": (*invoice.lines, cent), "total": invoice.total - Decimal("0.01")})
    credit = credit.model_copy(update={"lines": (*credit.lines, cent), "total": credit.total - Decimal("0.01")})
    assert [(line.source_line, line.net) for line in remaining_lines(invoice.lines, credit.lines, "USD")] == [
        ("line:1", Decimal("50.00")),
        ("line:2", Decimal("35.00")),
    ]


def test_two_taxes_of_one_code_are_taken_off_once() -> None:
    invoice = _invoice(taxes=(("NY", "2.00"), ("NY", "3.00")))
    credit = _credit("line:1", "10.00", taxes=(("NY", "0.50"), ("NY", "0.25")))
    remaining = remaining_lines(invoice.lines, credit.lines, "USD")
    assert remaining[0].tax == Decimal("4.25")
    assert _sum(remaining) == Decimal("89.25")


def _invoice(taxes: tuple[tuple[str, str], ...] = (("NY", "5.00"),)) -> Invoice:
    lines = (
        {"kind": "item", "source_line": "line:1", "net": "60.00", "account": "401", "taxes": _taxes(taxes)},
        {"kind": "item", "source_line": "line:2", "net": "35.00", "account": "401"},
    )
    return Invoice.model_validate(_BASE | {"lines": lines, "net": "95.00", "tax": "5.00", "total": "100.00"})


def _credit(source: str, net: str, taxes: tuple[tuple[str, str], ...] = ()) -> CreditNote:
    kind = LineKind.ITEM if source else LineKind.REFUND
    tax = sum((Decimal(amount) for _, amount in taxes), Decimal(0))
    lines = [{"kind": kind, "source_line": source, "net": net, "account": "401", "taxes": _taxes(taxes)}]
    return CreditNote.model_validate(
        _BASE | {"lines": lines, "net": net, "tax": tax, "total": Decimal(net) + tax}
        | {"invoice": _BASE["key"], "invoice_number": "WA00017"}
    )  # fmt: skip


def _taxes(taxes: tuple[tuple[str, str], ...]) -> list[Tax]:
    return [Tax(code=code, amount=Decimal(amount), basis=Decimal("60.00")) for code, amount in taxes]


_BASE = {
    "key": "00000000-0000-5000-8000-000000000001", "flow": "web", "number": "WA00017", "reference": "IN-WC01-17",
    "date": "2026-11-20", "currency": "USD", "sources": [{"connection": "shop", "kind": "order", "id": "17"}],
    "party": {"key": "00000000-0000-5000-8000-000000000002", "external_key": "WC01:1", "name": "Ada"},
    "placement": {"rule": "fixed", "project": "P1"},
}  # fmt: skip
