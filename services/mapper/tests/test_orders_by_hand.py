"""Awkward orders and the invoices that a bookkeeper would write for them, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from .making import (
    NET_OF_DISCOUNT,
    STRICT,
    Json,
    fee,
    item,
    lines_of,
    mapping,
    order,
    shipping,
    shown,
)


def invoice(body: Json, by: Any = None, **more: Any) -> Json:
    out = shown(body, by=by, **more)
    assert (out["holds"], out["excluded"]) == ([], [])
    document: Json
    (document,) = out["documents"]
    return document


def hold(body: Json, by: Any = None, **more: Any) -> tuple[str, str]:
    out = shown(body, by=by, **more)
    assert (out["documents"], out["excluded"]) == ([], [])
    (found,) = out["holds"]
    assert found["fix"]
    return found["reason"], found["detail"]


def excluded(body: Json, by: Any = None) -> str:
    out = shown(body, by=by)
    assert (out["documents"], out["holds"]) == ([], [])
    (found,) = out["excluded"]
    return str(found["rule"])


def test_a_guest_order_with_two_rates_and_shipping() -> None:
    # 2 mugs at 11.70 = 23.40; NY state 4% = 0.94, NY city 4.875% = 1.14; shipping 7.95 taxed by the state only: 0.32
    body = order(
        item(2, "23.40", "2.08", quantity=2, taxes={1: "0.94", 2: "1.14"}), ship=(shipping(3, "7.95", "0.32"),)
    )
    document = invoice(body)
    assert (document["net"], document["tax"], document["total"]) == ("31.35", "2.40", "33.75")
    assert (document["number"], document["reference"], document["date"]) == ("WA00017", "IN-WC01-17", "2026-11-20")
    assert document["memo"] == "Order 17 WC01"
    assert lines_of(document) == [
        ("item", "line:2", "23.40", "2.08", "401.00"),
        ("shipping", "shipping:3", "7.95", "0.32", "404.00"),
    ]
    assert document["lines"][0]["taxes"] == [
        {"code": "NY_STATE", "amount": "0.94", "basis": "23.40", "account": "221.00"},
        {"code": "NY_CITY", "amount": "1.14", "basis": "23.40", "account": "221.00"},
    ]
    assert document["lines"][0]["quantity"] == "2"
    party = document["party"]
    assert (party["name"], party["email"], party["guest"]) == ("Engines Ltd", "ada@example.test", True)
    assert (party["firm"], party["customer_id"]) == ("", "")
    assert party["external_key"].startswith("WC01:g:")


def test_prices_that_include_tax_come_as_net_lines_anyway() -> None:
    # 12.74 on the shelf, of it 1.04 tax: WooCommerce says 11.70 net + 1.04
    body = order(item(2, "11.70", "1.04", taxes={1: "0.47", 2: "0.57"}), prices_include_tax=True)
    document = invoice(body)
    assert (document["net"], document["tax"], document["total"]) == ("11.70", "1.04", "12.74")


def test_a_coupon_is_a_line_of_its_own_where_it_has_an_account() -> None:
    # mug 50.00 and tee 100.00, 10% off: 5.00 and 10.00; tax 8% of what is left
    body = order(item(2, "45.00", "3.60", subtotal="50.00"), item(3, "90.00", "7.20", subtotal="100.00", sku="TEE"))
    document = invoice(body)
    assert lines_of(document) == [
        ("item", "line:2", "50.00", "3.60", "401.00"),
        ("item", "line:3", "100.00", "7.20", "401.00"),
        ("discount", "discount:2", "-5.00", "0.00", "409.00"),
        ("discount", "discount:3", "-10.00", "0.00", "409.00"),
    ]
    assert [line["taxes"][0]["basis"] for line in document["lines"][:2]] == ["45.00", "90.00"]
    assert (document["net"], document["tax"], document["total"]) == ("135.00", "10.80", "145.80")


def test_a_coupon_is_inside_the_lines_where_it_has_no_account() -> None:
    body = order(item(2, "45.00", "3.60", subtotal="50.00"))
    document = invoice(body, NET_OF_DISCOUNT)
    assert lines_of(document) == [("item", "line:2", "45.00", "3.60", "401.00")]


def test_a_price_raised_by_hand_is_no_discount() -> None:
    assert lines_of(invoice(order(item(2, "60.00", subtotal="50.00")))) == [
        ("item", "line:2", "60.00", "0.00", "401.00"),
    ]


def test_a_coupon_of_everything_leaves_the_shipping() -> None:
    body = order(item(2, "0.00", subtotal="50.00"), ship=(shipping(3, "7.95"),))
    assert lines_of(invoice(body)) == [
        ("item", "line:2", "50.00", "0.00", "401.00"),
        ("shipping", "shipping:3", "7.95", "0.00", "404.00"),
        ("discount", "discount:2", "-50.00", "0.00", "409.00"),
    ]


def test_a_store_credit_is_a_negative_fee_with_negative_tax() -> None:
    # facts §7: WooCommerce spreads a negative fee over the taxes even if it is not taxable
    body = order(
        item(21, "23.40", "2.08", taxes={1: "0.94", 2: "1.14"}),
        fees=(
            fee(22, "-5.00", "-0.44", name="Store credit", taxes={1: "-0.20", 2: "-0.24"}),
            fee(23, "3.00", "0.27", taxes={1: "0.12", 2: "0.15"}),
        ),
    )
    document = invoice(body)
    assert document["total"] == "23.31"
    assert lines_of(document)[1:] == [
        ("gift_card", "fee:22", "-5.00", "-0.44", "235.00"),
        ("fee", "fee:23", "3.00", "0.27", "405.00"),
    ]
    assert document["tax"] == "1.91"


def test_a_gift_card_goes_to_its_liability() -> None:
    body = order(item(2, "50.00"), fees=(fee(3, "-20.00", name="Paid with GIFT CARD 4711"),))
    assert lines_of(invoice(body))[1] == ("gift_card", "fee:3", "-20.00", "0.00", "235.00")


def test_yen_in_a_store_with_two_decimals() -> None:
    # facts §6: the number of decimals is the store's, not the currency's. 1090.91 + 109.09 = 1200.00
    body = order(item(2, "1090.91", "109.09"), currency="JPY", total="1200.00", total_tax="109.09")
    document = invoice(body)
    assert (document["net"], document["tax"], document["total"]) == ("1091", "109", "1200")
    assert lines_of(document) == [("item", "line:2", "1091", "109", "401.00")]


def test_yen_with_a_fraction_in_the_total_is_held() -> None:
    reason, detail = hold(order(item(2, "12.74"), currency="JPY"))
    assert reason == "amount_not_representable"
    assert "12.74" in detail


def test_yen_lines_that_round_apart_show_the_difference() -> None:
    # three lines of 0.40 are rounded to 0 each, the order's total is 1
    body = order(item(2, "0.40"), item(3, "0.40"), item(4, "0.40"), currency="JPY", total="1.00")
    assert lines_of(invoice(body))[-1] == ("rounding", "", "1", "0", "499.00")


def test_dinars_have_three_decimals() -> None:
    body = order(item(2, "1.234", "0.062"), currency="KWD")
    assert invoice(body)["total"] == "1.296"


def test_a_deleted_product_keeps_its_line() -> None:
    # facts §7: product 0 and sku null, the name is kept
    body = order(item(2, "13.00", product_id=0, sku=None, name="Limited"))
    (line,) = invoice(body)["lines"]
    assert (line["sku"], line["description"], line["account"]) == ("", "Limited", "401.00")


def test_names_lose_entities_and_tags() -> None:
    body = order(item(2, "10.00", name="Cr&egrave;me br&#251;l&eacute;e &#x1F36E; n°5 <b>x</b> &amp; Co &lt;3"))
    assert invoice(body)["lines"][0]["description"] == "Crème brûlée 🍮 n°5 x & Co <3"


def test_unrounded_taxes_of_older_stores_divide_the_rounded_one() -> None:
    # WooCommerce 9.7: taxes[].total "1.540013" and "0.316987", total_tax "1.86" (1.8570 rounded)
    body = order(item(2, "38.50", "1.86", taxes={1: "1.540013", 2: "0.316987"}))
    taxes = invoice(body)["lines"][0]["taxes"]
    # 1.86 in proportion: 1.5425 and 0.3175; the cent that is left goes to the larger rest
    assert [(tax["code"], tax["amount"]) for tax in taxes] == [("NY_STATE", "1.54"), ("NY_CITY", "0.32")]


def test_a_tax_off_by_a_unit_with_no_decimals_is_the_line_s() -> None:
    # facts §6: shipping with total_tax "45" while its taxes[0].total says "46"
    body = order(item(2, "1000"), ship=(shipping(3, "455", "45", taxes={1: "46"}),), currency="JPY")
    document = invoice(body)
    assert (document["tax"], document["total"]) == ("45", "1500")
    assert document["lines"][1]["taxes"][0]["amount"] == "45"


def test_taxes_rounded_at_the_subtotal_leave_a_visible_cent() -> None:
    # each line's tax is 0.045 shown as 0.05; the order rounds the sum 0.09 once: 2.00 + 0.09
    body = order(item(2, "1.00", "0.05"), item(3, "1.00", "0.05"), total="2.09", total_tax="0.09")
    document = invoice(body)
    assert document["total"] == "2.09"
    assert lines_of(document)[-1] == ("rounding", "", "-0.01", "0.00", "499.00")


def test_two_rates_of_one_code_are_one_tax() -> None:
    one = mapping(taxes={"by_rate": {"US-NY-NY CITY-2": {"code": "NY_STATE"}}})
    body = order(item(2, "23.40", "2.08", taxes={1: "0.94", 2: "1.14"}))
    taxes = invoice(body, one)["lines"][0]["taxes"]
    assert [(tax["code"], tax["amount"]) for tax in taxes] == [("NY_STATE", "2.08")]


def test_a_rate_may_be_mapped_by_its_id() -> None:
    by_id = mapping(taxes={"by_rate": {"7": {"code": "EXTERNAL", "account": "222.00"}}, "default": None})
    taxes = invoice(order(item(2, "10.00", "1.00", taxes={7: "1.00"})), by_id)["lines"][0]["taxes"]
    assert taxes == [{"code": "EXTERNAL", "amount": "1.00", "basis": "10.00", "account": "222.00"}]


def test_a_rate_that_matched_a_zero_amount_needs_no_code() -> None:
    body = order(item(2, "10.00", taxes={99: "0.00"}))
    assert invoice(body)["lines"][0]["taxes"] == []


def test_cash_on_delivery_is_dated_when_it_was_first_seen_paid() -> None:
    # facts §8: processing without date_paid; 2026-11-21T00:03:15 UTC is still the 20th in New York
    assert invoice(order(item(2, "10.00"), paid=None))["date"] == "2026-11-20"


def test_cash_on_delivery_waits_where_the_mapping_wants_a_payment_date() -> None:
    waiting = mapping(require_payment_date="true")
    assert excluded(order(item(2, "10.00"), paid=None), waiting) == "not_paid"
    assert invoice(order(item(2, "10.00")), waiting)["total"] == "10.00"


def test_the_date_is_the_store_s_own_by_its_zone_at_that_time() -> None:
    zones = mapping(
        time_zone=[{"from": "2024-01-01", "zone": "Asia/Tokyo"}, {"from": "2026-11-21", "zone": "America/New_York"}]
    )
    # 14:00 UTC on the 20th is the 20th, 23:00, in Tokyo; 16:00 UTC would be the 21st there
    assert invoice(order(item(2, "1.00"), paid="2026-11-20T14:00:00"), zones)["date"] == "2026-11-20"
    assert invoice(order(item(2, "1.00"), paid="2026-11-20T16:00:00"), zones)["date"] == "2026-11-21"
    # from 05:00 UTC on the 21st New York's clock counts
    assert invoice(order(item(2, "1.00"), paid="2026-11-22T04:00:00"), zones)["date"] == "2026-11-21"


def test_a_refunded_order_that_was_paid_makes_its_invoice() -> None:
    assert invoice(order(item(2, "10.00"), status="refunded"))["total"] == "10.00"


@pytest.mark.parametrize(
    ("status", "paid", "rule"),
    [
        ("refunded", None, "refunded_unpaid"),
        ("pending", None, "not_paid"),
        ("on-hold", None, "not_paid"),
        ("checkout-draft", None, "not_paid"),
        ("on-hold", "2026-11-21T00:03:15", "not_paid"),
        ("cancelled", "2026-11-21T00:03:15", "cancelled"),
        ("failed", None, "cancelled"),
        ("trash", None, "deleted"),
    ],
)
def test_an_order_that_is_not_sold_is_left_out_by_a_named_rule(status: str, paid: str | None, rule: str) -> None:
    assert excluded(order(item(2, "10.00"), status=status, paid=paid)) == rule


def test_an_order_of_before_the_cut_over_is_left_out() -> None:
    # paid 03:59 UTC on 1 November is 31 October, 23:59, in New York (still summer time)
    assert excluded(order(item(2, "10.00"), paid="2026-11-01T03:59:00")) == "before_cut_over"
    assert invoice(order(item(2, "10.00"), paid="2026-11-01T04:01:00"))["date"] == "2026-11-01"


def test_a_zero_total_makes_no_invoice_in_whatever_currency() -> None:
    body = order(item(2, "0.00", subtotal="10.00"), currency="XTS")
    assert excluded(body) == "zero_total"


def test_a_free_item_is_shown_and_free_shipping_is_not() -> None:
    body = order(item(2, "10.00"), item(3, "0.00", sku="GIFT"), ship=(shipping(4, "0.00"),))
    assert [line["source_line"] for line in invoice(body)["lines"]] == ["line:2", "line:3"]


def test_an_unknown_status_is_held_with_what_to_write() -> None:
    out = shown(order(item(2, "10.00"), status="partially-shipped"))
    assert out["holds"][0]["reason"] == "status_unknown"
    assert "partially-shipped" in out["holds"][0]["fix"]


def test_an_unknown_tax_is_held_with_what_to_write() -> None:
    body = order(item(2, "10.00", "1.00", taxes={9: "1.00"}), tax_lines=[{"rate_id": 9, "rate_code": "US-CA-CA-1"}])
    out = shown(body)
    assert out["holds"][0]["reason"] == "tax_code_unknown"
    assert "US-CA-CA-1" in out["holds"][0]["fix"]


def test_a_tax_without_a_rate_is_held_even_with_a_default() -> None:
    assert hold(order(item(2, "10.00", "1.00", taxes={})), mapping())[0] == "tax_code_unknown"


def test_lines_that_do_not_add_up_are_held_with_both_figures() -> None:
    reason, detail = hold(order(item(2, "10.00", "1.00"), total="11.06"))
    assert reason == "does_not_balance"
    assert "11.00" in detail
    assert "11.06" in detail


def test_a_total_tax_that_is_not_that_of_the_lines_is_held() -> None:
    assert hold(order(item(2, "10.00", "1.00"), total_tax="2.00"))[0] == "does_not_balance"


def test_the_tolerance_is_the_limit_and_not_beyond() -> None:
    assert lines_of(invoice(order(item(2, "10.00"), total="10.05")))[-1][2] == "0.05"
    assert lines_of(invoice(order(item(2, "10.00"), total="9.95")))[-1][2] == "-0.05"
    assert hold(order(item(2, "10.00"), total="9.94"))[0] == "does_not_balance"


def test_a_currency_that_the_mapping_does_not_list_is_held() -> None:
    assert hold(order(item(2, "10.00"), currency="THB"))[0] == "currency_not_mapped"


def test_an_item_without_account_is_held() -> None:
    none = mapping(revenue={"default": None, "by_sku": {"TEE": "402.00"}})
    reason, detail = hold(order(item(2, "10.00")), none)
    assert reason == "account_unknown"
    assert "Blue Mug" in detail
    assert lines_of(invoice(order(item(2, "10.00", sku="TEE")), none))[0][-1] == "402.00"


def test_the_account_is_by_sku_then_category_then_default() -> None:
    rules = mapping(revenue={"by_sku": {"A": "402.00"}, "by_category": {"mugs": "403.00", "15": "404.00"}})
    products = [
        {"id": 1, "categories": [{"id": 15, "slug": "gifts"}, {"id": 9, "slug": "mugs"}]},
        {"id": 2, "categories": [{"id": 15, "slug": "gifts"}]},
        {"id": 3, "categories": []},
    ]
    body = order(
        item(2, "1.00", sku="A", product_id=1),
        item(3, "1.00", sku="B", product_id=1),
        item(4, "1.00", sku="C", product_id=2),
        item(5, "1.00", sku="D", product_id=3),
    )
    document = invoice(body, rules, products=products)
    assert [line["account"] for line in document["lines"]] == ["402.00", "403.00", "404.00", "401.00"]


def test_shipping_goes_by_its_method() -> None:
    pickup = mapping(shipping={"by_method": {"local_pickup": "406.00"}})
    body = order(item(2, "1.00"), ship=(shipping(3, "2.00"), shipping(4, "3.00", method_id="local_pickup")))
    assert [line["account"] for line in invoice(body, pickup)["lines"]] == ["401.00", "404.00", "406.00"]


def test_the_display_number_is_shown_and_never_part_of_a_key() -> None:
    plain, renumbered = invoice(order(item(2, "1.00"))), invoice(order(item(2, "1.00"), number="2026-0001"))
    assert renumbered["memo"] == "Order 2026-0001 WC01"
    for name in ("key", "number", "reference"):
        assert renumbered[name] == plain[name]


def test_a_customer_is_known_by_the_store_s_id() -> None:
    party = invoice(order(item(2, "1.00"), customer_id=42))["party"]
    assert (party["customer_id"], party["guest"], party["external_key"]) == ("42", False, "WC01:42")


def test_one_guest_is_one_party_however_the_address_is_written() -> None:
    first = invoice(order(item(2, "1.00")))["party"]
    second = invoice(order(item(2, "1.00"), billing={"email": " ADA@example.TEST "}))["party"]
    assert first["key"] == second["key"]
    assert first["external_key"] == second["external_key"]


def test_guests_without_an_address_are_not_one_buyer() -> None:
    one = invoice(order(item(2, "1.00"), billing={"first_name": "Ada"}))["party"]
    other = invoice(order(item(2, "1.00"), billing={"first_name": "Ada"}, order_id=18))["party"]
    assert one["key"] != other["key"]
    assert one["name"] == "Ada"


def test_guests_are_held_where_the_mapping_says_so_unless_their_firm_is_named() -> None:
    held = mapping(guests={"policy": "hold"})
    assert hold(order(item(2, "1.00")), held)[0] == "guest_not_allowed"
    named = mapping(guests={"policy": "hold"}, firms={"table": [{"email": "ada@EXAMPLE.test", "firm": "F1"}]})
    assert invoice(order(item(2, "1.00")), named)["party"]["firm"] == "F1"


def test_a_guest_without_e_mail_cannot_have_a_firm() -> None:
    by_firm = mapping(guests={"policy": "firm"}, project={"rule": "by_firm", "code": None})
    assert hold(order(item(2, "1.00"), billing={}), by_firm)[0] == "guest_not_allowed"
    assert invoice(order(item(2, "1.00")), by_firm)["project"] == ""


def test_a_project_by_currency_wins() -> None:
    yen = mapping(project={"by_currency": {"JPY": "STORE.JP01"}})
    assert invoice(order(item(2, "100"), currency="JPY"), yen)["project"] == "STORE.JP01"
    assert invoice(order(item(2, "1.00")), yen)["project"] == "STORE.WEB01"


def test_a_negative_total_is_held() -> None:
    assert hold(order(item(2, "5.00"), fees=(fee(3, "-10.00", name="Store credit"),)))[0] == "bad_data"


def test_ten_thousand_lines_add_up() -> None:
    body = order(*(item(index, "1.01", "0.09") for index in range(1, 10_001)))
    document = invoice(body, STRICT)
    assert (document["net"], document["tax"], document["total"]) == ("10100.00", "900.00", "11000.00")
    assert len(document["lines"]) == 10_000
