"""For random orders and refunds: every document adds up to what the store charged, and nothing is returned twice."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from mlc_common.money import minor_unit, quantise
from mlc_mapper.woocommerce.taxes import divide

from .making import NET_OF_DISCOUNT, Json, back, fee, item, mapping, order, refund, shipping, shown

MAPPING = mapping()
CLEARING = mapping(refunds={"amount_only": "clearing", "clearing_account": "119.00"})
DIGITS = {"USD": 2, "JPY": 0, "KWD": 3}


@st.composite
def sales(draw: st.DrawFn) -> Json:
    """An order of random lines, exact in its currency, with coupons, a negative fee and two tax rates."""
    currency = draw(st.sampled_from(sorted(DIGITS)))
    unit = minor_unit(currency)

    def money(low: int, high: int) -> str:
        return str(draw(st.integers(low, high)) * unit)

    def taxed(high: int, sign: int = 1) -> tuple[str, dict[int, str]]:
        one, two = (sign * draw(st.integers(0, high)) * unit for _ in range(2))
        return str(one + two), {1: str(one), 2: str(two)}

    items = []
    for index in range(draw(st.integers(1, 5))):
        tax, taxes = taxed(500)
        total = money(0, 9000)
        off = draw(st.integers(0, 1000)) * unit
        items.append(
            item(10 + index, total, tax, taxes=taxes, subtotal=str(Decimal(total) + off), product_id=index + 1)
        )
    tax, taxes = taxed(90)
    ship = (shipping(30, money(0, 900), tax, taxes=taxes),) if draw(st.booleans()) else ()
    room = int(sum(Decimal(line["total"]) for line in items) / unit)
    minus, minus_taxes = taxed(20, -1)
    fees = (
        (fee(40, str(-draw(st.integers(0, room)) * unit), minus, taxes=minus_taxes, name="Store credit"),)
        if draw(st.booleans())
        else ()
    )
    return order(*items, ship=ship, fees=fees, currency=currency)


@given(sales())
def test_an_invoice_is_what_the_store_charged(body: Json) -> None:
    if Decimal(body["total"]) <= 0:
        return
    for by in (MAPPING, NET_OF_DISCOUNT):
        out = shown(body, by=by)
        assert out["holds"] == []
        (document,) = out["documents"]
        assert Decimal(document["total"]) == Decimal(body["total"])
        assert Decimal(document["tax"]) == Decimal(body["total_tax"])
        for line in body["line_items"]:
            mine = [one for one in document["lines"] if one["source_line"].endswith(f":{line['id']}")]
            assert sum(Decimal(one["net"]) for one in mine) == Decimal(line["total"])
            assert sum(Decimal(one["tax"]) for one in mine) == Decimal(line["total_tax"])


@given(sales(), st.data())
def test_refunds_of_any_kind_return_exactly_what_was_paid_back(body: Json, data: st.DataObject) -> None:
    currency, total = body["currency"], Decimal(body["total"])
    if total <= 0:
        return
    unit, left, refunds = minor_unit(currency), int(total / minor_unit(currency)), list[Json]()
    for number in range(data.draw(st.integers(1, 4))):
        amount = data.draw(st.integers(0, left)) if number < 3 else left
        if not amount:
            continue
        refunds.append(refund(50 + number, str(amount * unit), *_lines(body, amount * unit, data)))
        left -= amount
    for by in (MAPPING, CLEARING, NET_OF_DISCOUNT):
        out = shown(body, *refunds, by=by)
        assert out["holds"] == []
        notes = out["documents"][1:]
        assert [Decimal(note["total"]) for note in notes] == [Decimal(one["amount"]) for one in refunds]
        if left == 0 and by is not CLEARING and not any(one["line_items"] for one in refunds):
            _all_is_back(out["documents"][0], notes)


def _lines(body: Json, amount: Decimal, data: st.DataObject) -> list[Json]:
    """At most one line, of at most the amount, so that the rest is spread."""
    line = data.draw(st.sampled_from(body["line_items"]))
    part = min(amount, Decimal(line["total"]))
    return [back(line, str(part))] if part and data.draw(st.booleans()) else []


def _all_is_back(invoice: Json, notes: list[Json]) -> None:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for sign, document in ((1, invoice), *((-1, note) for note in notes)):
        for line in document["lines"]:
            name = line["source_line"] or line["kind"]
            sums[name] += sign * Decimal(line["net"])
            for tax in line["taxes"]:
                sums[f"{name} {tax['code']}"] += sign * Decimal(tax["amount"])
    assert not any(sums.values())


@given(
    st.integers(-(10**6), 10**6),
    st.lists(st.decimals(-100, 100, places=6), min_size=1, max_size=5),
    st.sampled_from(sorted(DIGITS)),
)
def test_a_tax_divides_exactly_whatever_the_signs_of_its_parts(
    units: int, shares: list[Decimal], currency: str
) -> None:
    amount = units * minor_unit(currency)
    parts = divide(amount, shares, currency)
    assert sum(parts) == amount
    assert all(quantise(part, currency) == part for part in parts)
