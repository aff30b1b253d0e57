"""Awkward refunds and the credits that a bookkeeper would write for them, worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mlc_mapper.preview import preview

from .making import (
    NET_OF_DISCOUNT,
    STRICT,
    Json,
    back,
    fee,
    item,
    lines_of,
    mapping,
    order,
    refund,
    shipping,
    shown,
)

CLEARING = mapping(refunds={"amount_only": "clearing", "clearing_account": "119.00"})
MUG = item(2, "23.40", "2.08", quantity=2, taxes={1: "0.94", 2: "1.14"})
POST = shipping(3, "7.95", "0.32")
SOLD = order(MUG, ship=(POST,))  # 31.35 + 2.40 = 33.75


def credits_of(body: Json, *refunds: Json, by: Any = None) -> list[Json]:
    out = shown(body, *refunds, by=by)
    assert (out["holds"], out["excluded"]) == ([], [])
    assert out["documents"][0]["type"] == "invoice"
    notes: list[Json] = out["documents"][1:]
    assert [note["total"] for note in notes] == [one["amount"] for one in refunds]
    assert all(note["invoice"] == out["documents"][0]["key"] for note in notes)
    return notes


def held(body: Json, *refunds: Json, by: Any = None) -> tuple[str, str]:
    (found,) = shown(body, *refunds, by=by)["holds"]
    return found["reason"], found["detail"]


def test_one_of_two_mugs_comes_back_with_its_taxes() -> None:
    one = refund(25, "12.74", back(MUG, "11.70", "1.04", taxes={1: "0.47", 2: "0.57"}), reason="Chipped")
    (note,) = credits_of(SOLD, one)
    assert lines_of(note) == [("item", "line:2", "11.70", "1.04", "401.00")]
    assert [(tax["code"], tax["amount"], tax["basis"]) for tax in note["lines"][0]["taxes"]] == [
        ("NY_STATE", "0.47", "11.70"),
        ("NY_CITY", "0.57", "11.70"),
    ]
    assert note["lines"][0]["quantity"] == "1"
    assert (note["number"], note["reference"], note["invoice_number"]) == ("WAR00025", "CM-WC01-17-R25", "WA00017")
    assert (note["date"], note["reason"], note["memo"]) == ("2026-11-22", "Chipped", "Refund 25, order 17 WC01")


def test_shipping_and_a_fee_come_back_on_their_accounts() -> None:
    wrap = fee(4, "3.00", "0.12")
    body = order(MUG, ship=(POST,), fees=(wrap,))
    one = refund(25, "11.39", back(POST, "7.95", "0.32", quantity=-1), back(wrap, "3.00", "0.12", quantity=-1))
    (note,) = credits_of(body, one)
    assert lines_of(note) == [
        ("shipping", "shipping:3", "7.95", "0.32", "404.00"),
        ("fee", "fee:4", "3.00", "0.12", "405.00"),
    ]


def test_an_amount_without_lines_is_spread_over_lines_and_taxes() -> None:
    # 1.23 of 33.75: mug 23.40 -> 0.8528, its taxes 0.94 -> 0.0343 and 1.14 -> 0.0415, shipping 7.95 -> 0.2897,
    # its tax 0.32 -> 0.0117. Whole cents 0.85, 0.03, 0.04, 0.28, 0.01 = 1.21; the two cents left go to the largest
    # rests: shipping (.97) and the state tax (.43).
    (note,) = credits_of(SOLD, refund(25, "1.23"))
    assert [(line["source_line"], line["net"], line["tax"]) for line in note["lines"]] == [
        ("line:2", "0.85", "0.08"),
        ("shipping:3", "0.29", "0.01"),
    ]
    assert [tax["amount"] for tax in note["lines"][0]["taxes"]] == ["0.04", "0.04"]
    assert note["lines"][0]["quantity"] == "0"


def test_an_amount_of_everything_mirrors_the_invoice_with_its_negative_fee() -> None:
    body = order(MUG, fees=(fee(4, "-5.00", "-0.44", name="Store credit", taxes={1: "-0.20", 2: "-0.24"}),))
    (note,) = credits_of(body, refund(25, "20.04"))  # 23.40 + 2.08 - 5.44
    assert lines_of(note) == [
        ("item", "line:2", "23.40", "2.08", "401.00"),
        ("gift_card", "fee:4", "-5.00", "-0.44", "235.00"),
    ]


def test_half_of_an_order_with_a_negative_fee_is_half_of_every_line() -> None:
    body = order(item(2, "30.00"), fees=(fee(4, "-10.00", name="Store credit"),))
    (note,) = credits_of(body, refund(25, "10.00"))
    assert [line["net"] for line in note["lines"]] == ["15.00", "-5.00"]


def test_an_amount_without_lines_may_go_to_a_clearing_account() -> None:
    (note,) = credits_of(SOLD, refund(25, "1.23"), by=CLEARING)
    assert lines_of(note) == [("refund", "", "1.23", "0.00", "119.00")]
    assert note["tax"] == "0.00"


def test_what_was_paid_beyond_the_lines_is_spread_over_what_is_left() -> None:
    # the mug's line is returned whole; 2.00 more is a part of the shipping, 7.95 + 0.32 = 8.27:
    # 2.00 x 7.95/8.27 = 1.9226, 2.00 x 0.32/8.27 = 0.0774 -> 1.92 and 0.08
    whole = back(MUG, "23.40", "2.08", taxes={1: "0.94", 2: "1.14"}, quantity=-2)
    (note,) = credits_of(SOLD, refund(25, "27.48", whole))
    assert lines_of(note) == [
        ("item", "line:2", "23.40", "2.08", "401.00"),
        ("shipping", "shipping:3", "1.92", "0.08", "404.00"),
    ]


def test_two_amounts_return_everything_exactly_once() -> None:
    first, second = credits_of(SOLD, refund(25, "11.11"), refund(26, "22.64"))
    for source, net, tax in (("line:2", "23.40", "2.08"), ("shipping:3", "7.95", "0.32")):
        lines = [line for note in (first, second) for line in note["lines"] if line["source_line"] == source]
        assert sum(Decimal(line["net"]) for line in lines) == Decimal(net)
        assert sum(Decimal(line["tax"]) for line in lines) == Decimal(tax)


def test_refunds_are_taken_in_the_order_of_their_ids_whatever_the_list_says() -> None:
    one, other = refund(25, "11.11"), refund(26, "22.64")
    assert credits_of(SOLD, one, other) == shown(SOLD, other, one, by=STRICT)["documents"][1:]


def test_a_refund_gives_its_share_of_the_discount_back() -> None:
    # Deltek's sample: item 50, discount share 5, tax 3.60: 48.60 back
    sold = item(2, "90.00", "7.20", subtotal="100.00", quantity=2)
    (note,) = credits_of(order(sold), refund(77, "48.60", back(sold, "45.00", "3.60", subtotal="-50.00")))
    assert lines_of(note) == [
        ("item", "line:2", "50.00", "3.60", "401.00"),
        ("discount", "discount:2", "-5.00", "0.00", "409.00"),
    ]
    assert note["lines"][0]["taxes"][0]["basis"] == "45.00"
    (plain,) = credits_of(
        order(sold), refund(77, "48.60", back(sold, "45.00", "3.60", subtotal="-50.00")), by=NET_OF_DISCOUNT
    )
    assert lines_of(plain) == [("item", "line:2", "45.00", "3.60", "401.00")]


def test_thirds_of_a_discount_add_up_to_the_discount() -> None:
    # 10.00 less 1.00 in three refunds of 3.00: 0.33, then 0.67 - 0.33 = 0.34, then 1.00 - 0.67 = 0.33
    sold = item(2, "9.00", subtotal="10.00", quantity=3)
    notes = credits_of(order(sold), *(refund(number, "3.00", back(sold, "3.00")) for number in (25, 26, 27)))
    assert [note["lines"][1]["net"] for note in notes] == ["-0.33", "-0.34", "-0.33"]
    assert [note["lines"][0]["net"] for note in notes] == ["3.33", "3.34", "3.33"]


def test_pieces_of_an_item_that_was_all_discounted_give_their_discount_back() -> None:
    # 2 mugs of 5.00 free by coupon; one comes back, then the shipping is paid back with whatever is left
    free = item(2, "0.00", subtotal="10.00", quantity=2)
    one, rest = credits_of(
        order(free, item(4, "3.00"), ship=(POST,)),
        refund(25, "3.00", back(free, "0.00"), back(item(4, "3.00"), "3.00")),
        refund(26, "8.27"),
    )
    assert lines_of(one)[:2] == [
        ("item", "line:2", "5.00", "0.00", "401.00"),
        ("discount", "discount:2", "-5.00", "0.00", "409.00"),
    ]
    assert lines_of(rest) == [
        ("item", "line:2", "5.00", "0.00", "401.00"),
        ("discount", "discount:2", "-5.00", "0.00", "409.00"),
        ("shipping", "shipping:3", "7.95", "0.32", "404.00"),
    ]


def test_a_refunded_negative_fee_makes_the_credit_smaller() -> None:
    # facts §9: a refunded negative fee shows a positive total
    gift = fee(4, "-5.00", "-0.44", name="Store credit")
    body = order(MUG, fees=(gift,))
    whole = back(MUG, "23.40", "2.08", taxes={1: "0.94", 2: "1.14"}, quantity=-2)
    (note,) = credits_of(body, refund(25, "20.04", whole, back(gift, "-5.00", "-0.44", quantity=-1)))
    assert lines_of(note)[1] == ("gift_card", "fee:4", "-5.00", "-0.44", "235.00")
    assert note["total"] == "20.04"


def test_a_deleted_product_comes_back_as_what_was_sold() -> None:
    gone = back(MUG, "11.70", "1.04", sku=None, product_id=0, name="")
    (note,) = credits_of(SOLD, refund(25, "12.74", gone))
    line = note["lines"][0]
    assert (line["sku"], line["description"], line["account"]) == ("MUG-BLUE", "Blue Mug", "401.00")


def test_a_line_without_reference_is_the_only_one_of_its_product() -> None:
    tee = item(4, "10.00", sku="TEE", product_id=12, name="Tee")
    lost = back(tee, "10.00", meta_data=[])
    (note,) = credits_of(order(MUG, tee), refund(25, "10.00", lost))
    assert note["lines"][0]["source_line"] == "line:4"


def test_a_line_that_is_no_longer_on_the_order_goes_by_the_mapping() -> None:
    removed = item(99, "5.00", sku="OLD", product_id=77, name="Old")
    (note,) = credits_of(SOLD, refund(25, "5.00", back(removed, "5.00")))
    assert lines_of(note) == [("item", "line:99", "5.00", "0.00", "401.00")]
    assert note["lines"][0]["sku"] == "OLD"


def test_a_returned_tax_without_rates_follows_the_sold_one() -> None:
    # 1.04 like 0.94 and 1.14: 0.47 and 0.57
    (note,) = credits_of(SOLD, refund(25, "12.74", back(MUG, "11.70", "1.04", taxes={})))
    assert [(tax["code"], tax["amount"]) for tax in note["lines"][0]["taxes"]] == [
        ("NY_STATE", "0.47"),
        ("NY_CITY", "0.57"),
    ]


def test_a_cent_between_amount_and_lines_is_a_visible_line() -> None:
    (more,) = credits_of(SOLD, refund(25, "12.75", back(MUG, "11.70", "1.04")))
    assert lines_of(more)[-1] == ("rounding", "", "0.01", "0.00", "499.00")
    (less,) = credits_of(SOLD, refund(25, "12.73", back(MUG, "11.70", "1.04")))
    assert lines_of(less)[-1] == ("rounding", "", "-0.01", "0.00", "499.00")


def test_lines_beyond_the_amount_are_held() -> None:
    reason, detail = held(SOLD, refund(25, "10.00", back(MUG, "11.70", "1.04")))
    assert reason == "does_not_balance"
    assert "12.74" in detail
    assert "10.00" in detail


def test_more_than_the_order_cannot_be_credited() -> None:
    assert held(SOLD, refund(25, "33.76"))[0] == "credit_exceeds_invoice"
    out = shown(SOLD, refund(25, "20.00"), refund(26, "20.00"))
    assert [document["total"] for document in out["documents"]] == ["33.75", "20.00"]
    assert out["holds"][0]["reason"] == "credit_exceeds_invoice"
    assert "13.75" in out["holds"][0]["detail"]


def test_a_refund_of_nothing_is_left_out() -> None:
    # facts §6: its stub says "-0.00"
    out = shown(SOLD, refund(25, "0.00"))
    assert [(one["rule"], one["subject"]) for one in out["excluded"]] == [("zero_amount", "refund:25")]
    assert len(out["documents"]) == 1


def test_a_refund_finer_than_the_currency_is_held() -> None:
    body = order(item(2, "1200"), currency="JPY")
    assert held(body, refund(25, "12.74"))[0] == "amount_not_representable"


def test_goods_that_came_back_without_money_are_shown_beside_the_money() -> None:
    tee = item(4, "10.00", sku="TEE", product_id=12)
    (note,) = credits_of(order(MUG, tee), refund(25, "12.74", back(MUG, "11.70", "1.04"), back(tee, "0.00")))
    assert [(line["source_line"], line["net"], line["quantity"]) for line in note["lines"]] == [
        ("line:2", "11.70", "1"),
        ("line:4", "0.00", "1"),
    ]


def test_lines_of_nothing_that_the_admin_page_writes_are_left_out() -> None:
    tee = item(4, "10.00", sku="TEE", product_id=12)
    (note,) = credits_of(
        order(MUG, tee), refund(25, "12.74", back(MUG, "11.70", "1.04"), back(tee, "0.00", quantity=0))
    )
    assert len(note["lines"]) == 1


def test_a_refund_of_a_full_order_with_a_rounding_line_returns_the_rounding() -> None:
    body = order(item(2, "1.00", "0.05"), item(3, "1.00", "0.05"), total="2.09", total_tax="0.09")
    (note,) = credits_of(body, refund(25, "2.09"))
    assert lines_of(note) == [
        ("item", "line:2", "1.00", "0.05", "401.00"),
        ("item", "line:3", "1.00", "0.05", "401.00"),
        ("rounding", "", "-0.01", "0.00", "499.00"),
    ]


def test_later_refunds_of_an_order_of_before_the_cut_over_need_a_person() -> None:
    old = order(item(2, "20.00"), paid="2026-10-20T12:00:00")
    early = refund(25, "5.00", date_created_gmt="2026-10-25T12:00:00")
    late = refund(26, "5.00", date_created_gmt="2026-11-01T12:00:00")
    out = shown(old, early, late)
    assert out["documents"] == []
    assert [(one["rule"], one["subject"]) for one in out["excluded"]] == [
        ("before_cut_over", "order:17"),
        ("before_cut_over", "refund:25"),
    ]
    assert [one["reason"] for one in out["holds"]] == ["no_invoice"]
    assert "refund 26" in out["holds"][0]["detail"]


def test_a_credit_waits_for_an_invoice_that_is_held_and_says_so() -> None:
    body = order(item(2, "10.00", "1.00", taxes={}))
    out = shown(body, refund(25, "5.00"))
    assert [(one["type"], one["reason"]) for one in out["holds"]] == [
        ("invoice", "tax_code_unknown"),
        ("credit_note", "tax_code_unknown"),
    ]


def test_a_refund_that_was_not_read_is_held() -> None:
    body = {**SOLD, "refunds": [{"id": 25, "reason": "", "total": "-12.74"}]}
    (hold,) = preview({"order": body, "refunds": []}, STRICT)["holds"]
    assert hold["reason"] == "bad_data"
    assert "refund 25 of 12.74" in hold["detail"]


def test_refunds_of_an_order_that_is_not_sold_are_left_out() -> None:
    for changes, rule in (
        ({"status": "cancelled"}, "refund_after_cancellation"),
        ({"status": "refunded", "paid": None}, "refunded_unpaid"),
        ({"total": "0.00", "line_items": [], "shipping_lines": [], "total_tax": "0.00"}, "zero_total"),
    ):
        out = shown(order(MUG, ship=(POST,), **changes), refund(25, "5.00"))
        assert out["documents"] == []
        assert [one["rule"] for one in out["excluded"]][-1] == rule
