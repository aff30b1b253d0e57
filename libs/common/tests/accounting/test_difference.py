"""Posted and difference together are what is wanted, line by line and tax by tax, whatever changed (R14)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from mlc_common.accounting import Invoice, Line, LineKind, Tax, difference, gross, standing

from .made import invoices

_NOTHING = Decimal(0)


def money(lines: Iterable[Line]) -> dict[tuple[str, str], Decimal]:
    """Net and each tax code of everything that a line of the store stands for."""
    sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in lines:
        link = line.source_line or line.kind.value
        sums[link, ""] += line.net
        for tax in line.taxes:
            sums[link, tax.code] += tax.amount
    return {key: amount for key, amount in sums.items() if amount}


@given(invoices(), invoices())
def test_posted_and_difference_are_what_is_wanted(posted: Invoice, wanted: Invoice) -> None:
    made = difference(posted.lines, wanted.lines)
    assert money((*posted.lines, *made)) == money(wanted.lines)
    assert gross(made) == wanted.total - posted.total


@given(st.lists(invoices(), min_size=2, max_size=6))
def test_a_chain_of_changes_never_loses_a_cent(chain: list[Invoice]) -> None:
    books = list(chain[0].lines)
    for wanted in chain[1:]:
        books += difference(books, wanted.lines)
        assert money(books) == money(wanted.lines)


@given(invoices())
def test_what_is_as_wanted_has_no_difference(invoice: Invoice) -> None:
    assert difference(invoice.lines, invoice.lines) == ()
    assert difference(invoice.lines, invoice.lines, rebook=True) == ()


@given(invoices())
def test_a_document_and_its_reversal_leave_nothing_standing(invoice: Invoice) -> None:
    back = invoice.model_copy(update={"type": "credit_note"})
    assert standing([invoice, back], of="invoice") == ()


def test_money_that_stays_is_left_where_it_was_booked() -> None:
    assert difference([line("60.00", "401")], [line("60.00", "402")]) == ()
    (more,) = difference([line("60.00", "401")], [line("75.00", "402")])
    assert (more.account, more.net) == ("402", Decimal("15.00"))


def test_rebooking_takes_it_back_where_it_was_and_books_it_anew() -> None:
    made = difference([line("60.00", "401")], [line("75.00", "402")], rebook=True)
    assert [(each.account, each.net) for each in made] == [("402", Decimal("75.00")), ("401", Decimal("-60.00"))]


def test_a_tax_of_another_code_is_taken_back_and_charged_anew() -> None:
    (made,) = difference([line("60.00", "401", tax="5.00")], [line("60.00", "401", tax="4.80", code="NJ")])
    assert (made.net, {tax.code: tax.amount for tax in made.taxes}) == (
        _NOTHING,
        {"NJ": Decimal("4.80"), "NY": Decimal("-5.00")},
    )


def test_a_line_that_vanished_goes_back_where_it_was_booked() -> None:
    (made,) = difference([line("60.00", "401"), line("9.00", "405", source="line:2")], [line("60.00", "401")])
    assert (made.account, made.net, made.quantity) == ("405", Decimal("-9.00"), Decimal(-1))


def line(net: str, account: str, *, source: str = "line:1", tax: str = "", code: str = "NY") -> Line:
    taxes = (Tax(code=code, amount=Decimal(tax), basis=Decimal(net)),) if tax else ()
    return Line(kind=LineKind.ITEM, source_line=source, net=Decimal(net), taxes=taxes, account=account)
