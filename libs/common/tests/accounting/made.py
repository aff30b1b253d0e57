"""Random invoices and credits whose lines add up, for the property tests of the accounting model."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from hypothesis import strategies as st

from mlc_common.accounting import CreditNote, Invoice, Line, LineKind, Party, Placement, Source, Tax
from mlc_common.money import minor_unit

KEY = UUID("00000000-0000-5000-8000-000000000001")
PARTY = Party(key=KEY, external_key="WC01:42", name="Ada & Co", billing={"line1": "1 Main St"})
PLACEMENT = Placement(rule="fixed", project="STORE.WEB01")
SOURCE = Source(connection="shop", kind="order", id="17")
CODES = ("NY_STATE", "NY_CITY", "VAT")


@st.composite
def lines(draw: st.DrawFn, currency: str, index: int, *, most: int = 10**6) -> Line:
    unit = minor_unit(currency)
    amount = st.integers(min_value=-most // 10, max_value=most)
    net = draw(amount) * unit
    codes = draw(st.lists(st.sampled_from(CODES), max_size=3))
    taxes = tuple(Tax(code=code, amount=draw(amount) * unit / 10 // unit * unit, basis=net) for code in codes)
    kind = draw(st.sampled_from([LineKind.ITEM, LineKind.SHIPPING, LineKind.FEE, LineKind.ROUNDING]))
    source = "" if kind is LineKind.ROUNDING else f"line:{index}"
    return Line(kind=kind, source_line=source, net=net, taxes=taxes, account="401.00", quantity=draw(st.integers(0, 9)))


@st.composite
def invoices(draw: st.DrawFn) -> Invoice:
    currency = draw(st.sampled_from(["USD", "JPY", "KWD"]))
    made = tuple(draw(lines(currency, index)) for index in range(draw(st.integers(1, 8))))
    net, tax = sum((line.net for line in made), Decimal(0)), sum((line.tax for line in made), Decimal(0))
    if net + tax < 0:
        made = tuple(negated(line) for line in made)
        net, tax = -net, -tax
    return Invoice(
        key=KEY, flow="web", number="WA00017", reference="IN-WC01-17", date=date(2026, 11, 20), currency=currency,
        sources=(SOURCE,), party=PARTY, placement=PLACEMENT, lines=made, net=net, tax=tax, total=net + tax,
    )  # fmt: skip


def invoice_of(*made: Line) -> Invoice:
    """An invoice of these lines."""
    net, tax = sum((line.net for line in made), Decimal(0)), sum((line.tax for line in made), Decimal(0))
    return Invoice(
        key=KEY, flow="web", number="WA00017", reference="IN-WC01-17", date=date(2026, 11, 20), currency="USD",
        sources=(SOURCE,), party=PARTY, placement=PLACEMENT, lines=made, net=net, tax=tax, total=net + tax,
    )  # fmt: skip


@st.composite
def credits_of(draw: st.DrawFn, invoice: Invoice, left: Decimal) -> CreditNote | None:
    """A credit of at most ``left``: on lines of the invoice, on lines that it never had, or on none."""
    unit, made, total = minor_unit(invoice.currency), list[Line](), Decimal(0)
    for index in range(draw(st.integers(1, 4))):
        one = draw(lines(invoice.currency, draw(st.integers(0, 9)), most=10**5))
        one = one if draw(st.booleans()) else one.model_copy(update={"source_line": "", "kind": LineKind.REFUND})
        made.append(one.model_copy(update={"description": str(index)}))
        total += one.net + one.tax
    wanted = draw(st.integers(0, int(left / unit))) * unit
    made.append(Line(kind=LineKind.ROUNDING, net=wanted - total, account="499.00"))
    net, tax = sum((line.net for line in made), Decimal(0)), sum((line.tax for line in made), Decimal(0))
    return CreditNote(
        key=KEY, flow="web", number="WAR00025", reference="CM-WC01-17-R25", date=date(2026, 11, 21),
        currency=invoice.currency, sources=(SOURCE,), party=PARTY, placement=PLACEMENT, lines=tuple(made), net=net,
        tax=tax, total=net + tax, invoice=invoice.key, invoice_number=invoice.number,
    )  # fmt: skip


def negated(line: Line) -> Line:
    taxes = tuple(tax.model_copy(update={"amount": -tax.amount, "basis": -tax.basis}) for tax in line.taxes)
    return line.model_copy(update={"net": -line.net, "taxes": taxes})
