"""What a bookkeeper would trip over: mappings that change after posting, sales of before the cut-over, odd records."""

from __future__ import annotations

from typing import Any

import pytest

from mlc_common import exactjson
from mlc_common.accounting import Line, document_key
from mlc_common.events import Command, DocumentWish
from mlc_mapper.decide import decide, decide_again
from mlc_mapper.decision import Decision
from mlc_mapper.inputs import RawInput
from mlc_mapper.mapping import Mapping
from mlc_mapper.preview import preview
from mlc_mapper.state import OrderState

from .making import Json, back, fee, item, mapping, order, record, refund, shown, snapshot, webhook, with_refunds

MAPPING = mapping()
MUG = item(2, "20.00", "1.00")
REDUCED = item(2, "18.00", "1.00", subtotal="20.00")
NET_OF_DISCOUNT = mapping(discounts={"account": None})
INVOICE = document_key("web", "invoice", "17")
CREDIT = document_key("web", "credit_note", "25")


class Life:
    """One order's events under mappings that may change in between."""

    def __init__(self, by: Mapping = MAPPING) -> None:
        self.by = by
        self.state = OrderState(flow="web", connection="shop", order_id=17)

    def hook(self, body: Json) -> tuple[Command, ...]:
        return self.tell(webhook(exactjson.dumps(body)))

    def shot(self, body: Json, *refunds: Json) -> tuple[Command, ...]:
        return self.tell(snapshot(with_refunds(body, *refunds), *refunds))

    def tell(self, event: RawInput) -> tuple[Command, ...]:
        return self._keep(decide(self.state, event, self.by))

    def release(self, *keys: Any) -> tuple[Command, ...]:
        return self._keep(decide_again(self.state, self.by, cause="release", released=keys))

    def _keep(self, decision: Any) -> tuple[Command, ...]:
        assert isinstance(decision, Decision)
        self.state = decision.state
        return decision.commands


def sold(line: Json = MUG, minute: int = 3, **more: Any) -> Json:
    return order(line, **{"modified": f"2026-11-21T00:{minute:02d}:00", **more})


def booked(command: Command) -> list[tuple[str, str, str]]:
    assert isinstance(command.wish, DocumentWish)
    return [_booked(line) for line in command.wish.document.lines]


def _booked(line: Line) -> tuple[str, str, str]:
    return line.kind.value, str(line.net), line.account


# -- the mapping changes after the invoice was commanded


@pytest.mark.parametrize(
    ("before", "after"),
    [(MAPPING, NET_OF_DISCOUNT), (NET_OF_DISCOUNT, MAPPING), (MAPPING, mapping(discounts={"account": "410.00"}))],
)
def test_another_rule_for_discounts_changes_no_invoice_that_was_commanded(before: Mapping, after: Mapping) -> None:
    life, both = Life(before), refund(25, "19.00", back(REDUCED, "18.00", "1.00"))
    (invoice,) = life.hook(sold(REDUCED))
    life.by = after
    assert life.hook(sold(REDUCED, 4, status="completed")) == ()
    (credit,) = life.shot(sold(REDUCED, 5), both)
    assert credit.kind == "credit_note"
    assert booked(credit) == booked(invoice)


def test_a_rounding_difference_goes_back_on_the_account_that_it_came_from() -> None:
    life, all_of_it = Life(), refund(25, "21.03")
    (invoice,) = life.hook(sold(total="21.03"))
    life.by = mapping(rounding={"account": "498.00"})
    (credit,) = life.shot(sold(minute=4, total="21.03"), all_of_it)
    assert booked(credit) == booked(invoice) == [("item", "20.00", "401.00"), ("rounding", "0.03", "499.00")]


@pytest.mark.parametrize(
    "changes",
    [
        {"revenue": {"default": None}},
        {"taxes": {"default": None, "by_rate": {"US-NY-NY STATE-1": None}}},
        {"currencies": ["CAD"]},
        {"guests": {"policy": "hold"}},
        {"rounding": {"tolerance": "0.01"}},
    ],
    ids=["account", "tax code", "currency", "guests", "tolerance"],
)
def test_a_mapping_that_lost_a_rule_holds_nothing_that_was_commanded(changes: Json) -> None:
    life, one = Life(), refund(25, "5.25", back(MUG, "5.00", "0.25"))
    life.hook(sold(total="21.03"))
    life.by = mapping(**changes)
    assert life.hook(sold(minute=4, total="21.03", status="completed")) == ()
    (credit,) = life.shot(sold(minute=5, total="21.03"), one)
    assert booked(credit) == [("item", "5.00", "401.00")]
    assert isinstance(credit.wish, DocumentWish)
    assert [tax.code for tax in credit.wish.document.lines[0].taxes] == ["NY_STATE"]


def test_a_tax_goes_back_on_the_account_that_it_came_from() -> None:
    life, one = Life(), refund(25, "5.25", back(MUG, "5.00", "0.25"))
    life.hook(sold())
    life.by = mapping(taxes={"by_rate": {"US-NY-NY STATE-1": {"code": "NY_STATE", "account": "223.00"}}})
    (credit,) = life.shot(sold(minute=4), one)
    assert isinstance(credit.wish, DocumentWish)
    assert [tax.account for tax in credit.wish.document.lines[0].taxes] == ["221.00"]


def test_the_same_figures_in_another_currency_are_other_money() -> None:
    life = Life()
    life.hook(sold())
    (again,) = life.hook(sold(minute=4, currency="JPY"))
    assert isinstance(again.wish, DocumentWish)
    assert again.wish.document.placement.project == "STORE.JP01"


def test_what_was_commanded_is_remembered_while_its_order_is_held() -> None:
    life, one = Life(), refund(25, "5.25", back(MUG, "5.00", "0.25"))
    (invoice,) = life.hook(sold())
    (held,) = life.hook(sold(minute=4, status="shipped"))
    assert held.wish.wish == "held"
    life.by = mapping(revenue={"default": "499.99"}, statuses={"paid": ["processing", "completed", "shipped"]})
    again, credit = life.shot(sold(minute=5, status="shipped"), one)
    assert again.content_digest == invoice.content_digest
    assert booked(credit) == [("item", "5.00", "401.00")]


def test_a_released_credit_leaves_its_invoice_where_it_was_booked() -> None:
    life, one = Life(mapping(refunds={"amount_only": "clearing", "clearing_account": "119.00"})), refund(25, "5.25")
    _, credit = life.shot(sold(), one)
    assert booked(credit) == [("refund", "5.25", "119.00")]
    life.by = mapping(revenue={"default": "499.99"})
    (spread,) = life.release(CREDIT)
    assert (spread.document_key, booked(spread)) == (CREDIT, [("item", "5.00", "401.00")])
    (moved, anew) = life.release(INVOICE)
    assert (booked(moved), booked(anew)) == ([("item", "20.00", "499.99")], [("item", "5.00", "499.99")])


# -- sales of before the cut-over


OLD = "2026-10-31T12:00:00"
STRICT = mapping(cut_over="2026-11-01")


@pytest.mark.parametrize("status", ["processing", "cancelled", "on-hold", "refunded", "shipped"])
def test_a_refund_of_a_sale_of_before_the_cut_over_needs_a_person_whatever_became_of_the_order(status: str) -> None:
    out = shown(sold(paid=OLD, status=status), refund(25, "5.25"), by=STRICT)
    assert [hold["reason"] for hold in out["holds"]] == ["no_invoice"]
    assert [(one["rule"], one["subject"]) for one in out["excluded"]] == [("before_cut_over", "order:17")]


def test_the_refunds_of_a_cancelled_order_of_before_the_cut_over_are_read_for_their_dates() -> None:
    one = refund(25, "5.25")
    seen = webhook(exactjson.dumps(with_refunds(sold(paid=OLD, status="cancelled"), one)))
    decision = decide(OrderState(flow="web", connection="shop", order_id=17), seen, STRICT)
    assert isinstance(decision, Decision)
    assert [fetch.because for fetch in decision.fetches] == ["needs refunds"]


def test_a_status_that_nobody_listed_holds_no_order_of_before_the_cut_over() -> None:
    for paid in (OLD, None):
        out = shown(sold(paid=paid, modified=OLD, status="shipped"), by=STRICT)
        assert ([one["rule"] for one in out["excluded"]], out["holds"]) == (["before_cut_over"], [])
    held = shown(sold(paid=None, status="shipped"), by=STRICT)
    assert [hold["reason"] for hold in held["holds"]] == ["status_unknown"]


def test_a_refund_of_nothing_needs_nobody_even_before_the_cut_over() -> None:
    out = shown(sold(paid=OLD), refund(25, "0.00"), by=STRICT)
    assert out["holds"] == []
    assert [one["rule"] for one in out["excluded"]] == ["before_cut_over", "zero_amount"]


# -- odd records


@pytest.mark.parametrize(("currency", "total"), [("USD", "0.05"), ("JPY", "2")])
def test_a_total_without_lines_is_no_rounding_difference(currency: str, total: str) -> None:
    out = shown({**sold(), "line_items": [], "total": total, "total_tax": "0", "currency": currency})
    assert [hold["reason"] for hold in out["holds"]] == ["does_not_balance"]
    assert out["documents"] == []


def test_two_lines_of_one_id_are_held_because_a_refund_could_mean_either() -> None:
    out = shown(order(MUG, item(2, "12.00")), refund(25, "33.00"))
    assert {hold["reason"] for hold in out["holds"]} == {"bad_data"}
    assert "line:2" in out["holds"][0]["detail"]


@pytest.mark.parametrize("amount", ["1_0.00", "\uff110.00", "1 0", "+-1", "1e1_0"])
def test_an_amount_is_digits_and_a_point_and_never_guessed(amount: str) -> None:
    out = shown({**order(item(2, "10.00")), "total": amount})
    assert [(hold["reason"], hold["detail"].split(":")[0]) for hold in out["holds"]] == [("bad_data", "total")]


def test_what_is_no_amount_is_quoted_in_part_only() -> None:
    (hold,) = shown({**order(item(2, "10.00")), "total": [7] * 10_000})["holds"]
    assert len(hold["detail"]) < 200


def test_a_tax_of_a_rate_without_a_code_is_mapped_by_the_id_that_the_hold_names() -> None:
    body = order(item(2, "10.00", "1.00", taxes={9: "1.00"}), tax_lines=[])
    (hold,) = shown(body)["holds"]
    assert "'9'" in hold["fix"]
    assert shown(body, by=mapping(taxes={"default": None, "by_rate": {"9": {"code": "NINE"}}}))["holds"] == []


def test_a_tax_without_a_rate_is_not_sent_to_the_mapping() -> None:
    (hold,) = shown(order(item(2, "10.00", "1.00", taxes={})))["holds"]
    assert (hold["reason"], "by hand" in hold["fix"]) == ("tax_code_unknown", True)


def test_a_refund_of_another_amount_than_the_order_lists_says_both() -> None:
    body = {**sold(), "refunds": [{"id": 25, "total": "-6.00"}]}
    (hold,) = preview({"order": body, "refunds": [refund(25, "5.25")]}, MAPPING)["holds"]
    assert ("6.00" in hold["detail"], "5.25" in hold["detail"]) == (True, True)


def test_a_stored_refund_that_the_stored_order_does_not_list_yet_is_shown() -> None:
    one, other = refund(25, "5.25"), refund(26, "1.05")
    listed = record(sold(), one, other)
    for known in (None, 0, 1):
        body = {**listed["order"], "refunds": None if known is None else listed["order"]["refunds"][:known]}
        assert preview({"order": body, "refunds": [other, one]}, MAPPING) == preview(listed, MAPPING)


def test_an_order_emptied_and_cancelled_after_its_credits_raises_nothing() -> None:
    life, one = Life(), refund(25, "5.25", back(MUG, "5.00", "0.25"))
    life.shot(sold(), one)
    empty = {**sold(minute=4, status="cancelled"), "line_items": [], "total": "0.00", "total_tax": "0.00"}
    (withdrawn,) = life.shot(empty, one)
    assert (withdrawn.document_key, withdrawn.wish.wish) == (INVOICE, "withdrawn")


def test_brackets_in_the_name_of_a_fee_are_brackets() -> None:
    rules = [{"match": "[VAT] service*", "account": "406.00"}]
    charged = fee(4, "3.00", name="[VAT] Service charge")
    (invoice,) = shown(order(MUG, fees=(charged,)), by=mapping(fees={"rules": rules}))["documents"]
    assert invoice["lines"][1]["account"] == "406.00"


# -- whose account it is

BY_ACCOUNT = mapping(
    project={"rule": "by_firm", "code": None},
    guests={"policy": "hold"},
    firms={"email": "account", "table": [{"email": "seven@acme.example", "firm": "F7"}]},
)


def test_the_account_of_another_customer_names_no_firm() -> None:
    (invoice,) = shown(sold(customer_id=8), by=BY_ACCOUNT, customer={"id": 7, "email": "seven@acme.example"})[
        "documents"
    ]
    assert (invoice["party"]["firm"], invoice["party"]["email"]) == ("", "ada@example.test")


def test_an_order_given_to_another_customer_is_billed_to_that_one() -> None:
    life = Life(BY_ACCOUNT)
    first = snapshot(sold(customer_id=7), customer={"id": 7, "email": "seven@acme.example"})
    assert firm(*life.tell(first)) == "F7"
    given = sold(minute=4, customer_id=8)
    decision = decide(life.state, webhook(exactjson.dumps(given)), BY_ACCOUNT)
    assert isinstance(decision, Decision)
    assert [fetch.because for fetch in decision.fetches] == ["needs customer"]
    assert firm(*life.tell(snapshot(given, offset=1, customer={"id": 8, "email": "eight@acme.example"}))) == ""


def firm(command: Command) -> str:
    assert isinstance(command.wish, DocumentWish)
    return command.wish.document.party.firm
