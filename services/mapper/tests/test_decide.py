"""What one event after the other leads to: commands when a wish changed, fetches when something must be read."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from mlc_common import exactjson
from mlc_common.accounting import command_id, document_key
from mlc_common.events import Command, DocumentWish, HeldWish, Withdrawn
from mlc_mapper.decide import decide, decide_again
from mlc_mapper.decision import Decision, NotAnOrder
from mlc_mapper.evolve import evolve
from mlc_mapper.inputs import CommandIssued, FetchAsked, RawInput
from mlc_mapper.mapping import Mapping
from mlc_mapper.state import OrderState

from .making import NOW, Json, back, item, mapping, order, refund, snapshot, webhook, with_refunds

MAPPING = mapping()
MUG = item(2, "20.00", "1.00")
DAY = date(2026, 11, 20)
INVOICE = document_key("web", "invoice", "17")
CREDIT = document_key("web", "credit_note", "25")


class Story:
    """One order's life: events in, what they led to out."""

    def __init__(self, by: Mapping = MAPPING) -> None:
        self.by = by
        self.state = OrderState(flow="web", connection="shop", order_id=17)
        self.commands: list[Command] = []

    def tell(self, event: RawInput) -> Decision:
        decision = decide(self.state, event, self.by)
        assert isinstance(decision, Decision)
        return self._keep(decision)

    def hook(self, body: Json, **more: Any) -> Decision:
        return self.tell(webhook(exactjson.dumps(body), **more))

    def shot(self, body: Json | None, *refunds: Json, **more: Any) -> Decision:
        return self.tell(snapshot(body, *refunds, **more))

    def release(self, *keys: Any) -> Decision:
        return self._keep(decide_again(self.state, self.by, cause="release", released=keys))

    def _keep(self, decision: Decision) -> Decision:
        again = OrderState.model_validate_json(decision.state.model_dump_json())
        assert again == decision.state
        self.state = again
        self.commands += decision.commands
        return decision


def at(minute: int) -> str:
    return f"2026-11-21T00:{minute:02d}:00"


def paid(minute: int = 3, **more: Any) -> Json:
    return order(MUG, **{"modified": at(minute), "paid": at(3), **more})


def wishes(decision: Decision) -> list[tuple[str, str]]:
    return [(command.kind, command.wish.wish) for command in decision.commands]


def rules(decision: Decision) -> list[str]:
    return [one.rule for one in decision.excluded]


def reason(decision: Decision) -> str:
    wish = decision.commands[-1].wish
    assert isinstance(wish, HeldWish)
    return wish.reason


def test_a_paid_webhook_makes_the_invoice_at_once() -> None:
    story = Story()
    (command,) = story.hook(paid(), offset=5).commands
    assert command.command_id == command_id(INVOICE, 1)
    assert (command.document_key, command.seq, command.kind, command.flow) == (INVOICE, 1, "invoice", "web")
    assert (command.order_key, command.cause) == ("shop:order:17", "webhook-5")
    assert command.mapping_version == MAPPING.version
    assert command.source_digest
    assert isinstance(command.wish, DocumentWish)


def test_the_same_again_says_nothing() -> None:
    story = Story()
    story.hook(paid())
    for again in (story.hook(paid()), story.hook(paid(), topic="order.created"), story.shot(paid())):
        assert (again.commands, again.fetches, again.excluded) == ((), (), ())


def test_nothing_is_made_before_payment() -> None:
    story = Story()
    assert rules(story.hook(paid(3, status="pending", paid=None))) == ["not_paid"]
    assert rules(story.hook(paid(4, status="on-hold", paid=None))) == ["not_paid"]
    assert wishes(story.hook(paid(5))) == [("invoice", "document")]


def test_an_edit_without_money_is_a_new_wish_with_the_same_source() -> None:
    story = Story()
    story.hook(paid())
    story.hook(paid(4, billing={"email": "new@example.test"}))
    first, second = story.commands
    assert second.seq == 2
    assert first.content_digest != second.content_digest
    assert first.source_digest == second.source_digest


def test_a_status_that_stays_paid_says_nothing() -> None:
    story = Story()
    story.hook(paid())
    assert story.hook(paid(9, status="completed", meta_data=[{"key": "x", "value": "y"}])).commands == ()


def test_an_edit_of_the_money_is_a_new_wish() -> None:
    story = Story()
    story.hook(paid())
    story.hook(order(item(2, "25.00", "1.25"), modified=at(4), paid=at(3)))
    assert story.commands[0].source_digest != story.commands[1].source_digest
    assert [command.seq for command in story.commands] == [1, 2]


def test_a_later_payment_date_sku_or_category_is_no_change() -> None:
    story = Story(mapping(revenue={"by_category": {"mugs": "402.00"}}))
    mugs = [{"id": 11, "categories": [{"id": 1, "slug": "mugs"}]}]
    story.shot(paid(3, paid=None), products=mugs)
    moved = [{"id": 11, "categories": [{"id": 2, "slug": "other"}]}]
    renamed = order(item(2, "20.00", "1.00", sku="NEW", name="New"), modified=at(50), paid=at(50))
    assert story.shot(renamed, products=moved, at=NOW + timedelta(hours=1)).commands == ()
    deleted = order(item(2, "20.00", "1.00", sku=None, product_id=0), modified=at(55), paid=at(50))
    assert story.shot(deleted, at=NOW + timedelta(hours=2), fetch_id=uuid4()).commands == ()
    (command,) = story.commands
    assert isinstance(command.wish, DocumentWish)
    assert command.wish.document.lines[0].account == "402.00"
    assert command.wish.document.date.isoformat() == "2026-11-20"


def test_a_customer_who_is_deleted_stays_the_party() -> None:
    story = Story()
    story.hook(paid(3, customer_id=42))
    assert story.hook(paid(4, customer_id=0)).commands == ()


def test_an_older_event_that_comes_late_says_nothing() -> None:
    story = Story()
    story.hook(paid(9))
    assert story.hook(paid(3, status="pending", paid=None)).commands == ()
    assert story.hook(order(item(2, "99.00"), modified=at(8))).commands == ()


def test_two_contents_of_one_second_are_settled_by_a_fetch() -> None:
    story = Story()
    story.hook(paid())
    other = order(item(2, "25.00", "1.25"), modified=at(3), paid=at(3))
    asked = story.hook(other)
    assert (asked.commands, asked.excluded) == ((), ())
    (request,) = asked.fetches
    assert (request.connection, request.order_id) == ("shop", "17")
    assert story.hook(other).fetches == ()
    assert story.shot(other).fetches == ()
    settled = story.shot(other, fetch_id=request.fetch_id)
    assert wishes(settled) == [("invoice", "document")]
    late = story.hook(paid())
    (again,) = late.fetches
    assert again.fetch_id != request.fetch_id, "it may have been changed back within the second: looked at again"
    assert late.commands == ()
    for answer in (story.shot(paid(), fetch_id=request.fetch_id), story.shot(other, fetch_id=again.fetch_id)):
        assert (answer.commands, answer.fetches) == ((), ())


def test_changed_and_changed_back_within_one_second_ends_as_it_began() -> None:
    story = Story()
    other = paid(line_items=[item(2, "21.00", "1.00")], total="22.00")
    story.hook(paid())
    (first,) = story.hook(other).fetches
    assert wishes(story.shot(other, fetch_id=first.fetch_id)) == [("invoice", "document")]
    (second,) = story.hook(paid()).fetches
    assert wishes(story.shot(paid(), fetch_id=second.fetch_id)) == [("invoice", "document")]
    assert [command.wish.document.total for command in story.commands if isinstance(command.wish, DocumentWish)] == [
        Decimal("21.00"), Decimal("22.00"), Decimal("21.00"),
    ]  # fmt: skip


def test_the_question_is_the_same_whichever_content_came_first() -> None:
    other = order(item(2, "25.00", "1.25"), modified=at(3), paid=at(3))
    one, two = Story(), Story()
    one.hook(paid())
    two.hook(other)
    assert one.hook(other).fetches == two.hook(paid()).fetches


def test_a_refund_stub_is_fetched_once_and_then_credited_after_its_invoice() -> None:
    story, one = Story(), refund(25, "10.50", back(MUG, "10.00", "0.50"))
    body = with_refunds(paid(5), one)
    asked = story.hook(body)
    assert asked.commands == ()
    assert "refunds" in asked.fetches[0].because
    assert story.hook(body).fetches == ()
    answered = story.shot(body, one, fetch_id=asked.fetches[0].fetch_id)
    assert wishes(answered) == [("invoice", "document"), ("credit_note", "document")]
    assert [command.document_key for command in answered.commands] == [INVOICE, CREDIT]
    assert [command.seq for command in answered.commands] == [1, 2]


def test_a_webhook_with_known_refunds_needs_no_fetch() -> None:
    story, one = Story(), refund(25, "10.50", back(MUG, "10.00", "0.50"))
    story.shot(with_refunds(paid(5), one), one)
    decision = story.hook(with_refunds(paid(6, status="completed"), one))
    assert (decision.commands, decision.fetches) == ((), ())


def test_an_answer_that_still_lacks_a_refund_is_held_and_not_asked_again() -> None:
    story, one = Story(), refund(25, "10.50")
    body = with_refunds(paid(5), one)
    (request,) = story.hook(body).fetches
    answered = story.shot(body, fetch_id=request.fetch_id)
    assert wishes(answered) == [("invoice", "document"), ("credit_note", "held")]
    assert reason(answered) == "bad_data"
    assert wishes(story.shot(body, one)) == [("credit_note", "document")]


def test_orders_that_make_nothing_need_no_fetch() -> None:
    one = refund(25, "5.00")
    for body in (
        with_refunds(paid(status="pending", paid=None), one),
        with_refunds(paid(status="cancelled"), one),
        with_refunds(order(item(2, "0.00")), one),
    ):
        assert Story().hook(body).fetches == ()


def test_refunds_of_old_orders_are_fetched_for_their_dates() -> None:
    strict = mapping(cut_over="2026-12-01")
    assert len(Story(strict).hook(with_refunds(paid(), refund(25, "5.00"))).fetches) == 1
    assert Story(strict).hook(paid()).fetches == ()


def test_a_deletion_is_only_a_hint_and_fetched() -> None:
    story = Story()
    story.hook(paid())
    (request,) = story.tell(webhook(b'{"id":17}', topic="order.deleted")).fetches
    assert story.tell(webhook(b'{"id":17}', topic="order.deleted")).fetches == ()
    trashed = story.shot(paid(4, status="trash"), fetch_id=request.fetch_id)
    assert reason(trashed) == "order_deleted"
    assert story.shot(paid(4, status="trash")).commands == ()
    assert wishes(story.shot(paid(6))) == [("invoice", "document")]


def test_an_action_with_the_order_s_id_is_fetched() -> None:
    story = Story()
    body = b'{"action":"woocommerce_order_refunded","arg":17}'
    assert len(story.tell(webhook(body, topic="action.woocommerce_order_refunded")).fetches) == 1


def test_an_order_that_is_gone_is_held_if_it_was_wished_and_left_out_if_not() -> None:
    story = Story()
    story.hook(paid())
    assert reason(story.shot(None)) == "order_deleted"
    assert story.shot(None, at=NOW + timedelta(minutes=1)).commands == ()
    unpaid = Story()
    unpaid.hook(paid(3, status="pending", paid=None))
    assert rules(unpaid.shot(None)) == ["deleted"]
    assert rules(Story().shot(None)) == ["deleted"]


def test_a_webhook_newer_than_the_deletion_is_checked_and_an_old_one_is_not() -> None:
    story = Story()
    story.hook(paid())
    story.shot(None)
    assert story.hook(paid()).fetches == ()
    (request,) = story.hook(paid(9)).fetches
    assert story.hook(paid(9)).fetches == ()
    back_again = story.shot(paid(9), fetch_id=request.fetch_id, at=NOW + timedelta(minutes=5))
    assert wishes(back_again) == [("invoice", "document")]


def test_a_cancelled_order_is_left_out_before_and_withdrawn_after() -> None:
    before = Story()
    assert rules(before.hook(paid(3, status="pending", paid=None))) == ["not_paid"]
    assert rules(before.hook(paid(4, status="cancelled"))) == ["cancelled"]
    after = Story()
    after.hook(paid(3))
    cancelled = after.hook(paid(4, status="cancelled"))
    assert wishes(cancelled) == [("invoice", "withdrawn")]
    assert cancelled.commands[0].wish == Withdrawn(rule="cancelled", date=DAY)
    assert cancelled.excluded == ()
    touched = after.hook(paid(5, status="cancelled", date_modified_gmt="2026-12-24T00:00:00"))
    assert (touched.commands, touched.excluded) == ((), ())
    (again,) = after.release(INVOICE).commands
    assert (again.wish, again.released) == (cancelled.commands[0].wish, True)


def test_refunds_after_the_cancellation_are_left_out_and_those_before_stay() -> None:
    story, one, two = Story(), refund(25, "5.25", back(MUG, "5.00", "0.25")), refund(26, "3.00")
    story.shot(with_refunds(paid(4), one), one)
    cancelled = story.shot(with_refunds(paid(5, status="cancelled"), one, two), one, two)
    assert wishes(cancelled) == [("invoice", "withdrawn")]
    assert [(one.rule, one.subject) for one in cancelled.excluded] == [("refund_after_cancellation", "refund:26")]
    refunded = story.shot(with_refunds(paid(6, status="refunded"), one, two), one, two)
    assert refunded.commands == ()
    assert rules(refunded) == ["refund_after_cancellation"]


def test_a_cancelled_order_that_is_paid_again_is_wished_again_with_all_its_refunds() -> None:
    story, one = Story(), refund(25, "5.25", back(MUG, "5.00", "0.25"))
    story.hook(paid(3))
    story.shot(with_refunds(paid(4, status="cancelled"), one), one)
    again = story.shot(with_refunds(paid(5), one), one)
    assert wishes(again) == [("invoice", "document"), ("credit_note", "document")]
    assert story.commands[0].content_digest == again.commands[0].content_digest


def test_a_failed_payment_before_the_sale_excludes_no_refund() -> None:
    story, one = Story(), refund(25, "5.25", back(MUG, "5.00", "0.25"))
    story.hook(paid(2, status="failed", paid=None))
    story.hook(paid(3))
    assert wishes(story.shot(with_refunds(paid(4, status="refunded"), one), one)) == [("credit_note", "document")]


def test_back_to_an_open_status_the_wish_stays() -> None:
    story = Story()
    story.hook(paid(3))
    held_back = story.hook(paid(4, status="on-hold"))
    assert (held_back.commands, held_back.excluded) == ((), ())
    again = story.hook(paid(5))
    assert again.commands == ()


def test_a_refund_that_vanished_is_withdrawn() -> None:
    story, one = Story(), refund(25, "5.25", back(MUG, "5.00", "0.25"))
    story.shot(with_refunds(paid(4), one), one)
    # facts §9: deleting a refund does not move the order's clock, so only an awaited snapshot can tell
    (request,) = story.shot(paid(4)).fetches
    vanished = story.shot(paid(4), fetch_id=request.fetch_id)
    assert [command.wish for command in vanished.commands] == [Withdrawn(rule="refund_deleted")]
    assert vanished.commands[0].document_key == CREDIT
    assert story.hook(paid(5)).commands == ()


def test_a_credit_stays_as_it_was_divided_when_an_earlier_refund_vanishes() -> None:
    # 10.00 less a coupon of 1.00; of the thirds 0.33, 0.34, 0.33 the second refund got 0.34, by itself it gets 0.33
    sold = item(2, "9.00", subtotal="10.00", quantity=3)
    one, two = refund(25, "3.00", back(sold, "3.00")), refund(26, "3.00", back(sold, "3.00"))
    story, alone = Story(), Story()
    story.shot(with_refunds(order(sold, modified=at(4)), one, two), one, two)
    alone.shot(with_refunds(order(sold, modified=at(4)), two), two)
    assert story.commands[2].wish != alone.commands[1].wish
    gone = story.shot(with_refunds(order(sold, modified=at(5)), two), two)
    assert [(command.document_key, command.wish.wish) for command in gone.commands] == [(CREDIT, "withdrawn")]


def test_a_status_that_nobody_listed_is_held_until_it_is_listed() -> None:
    story = Story()
    assert reason(story.hook(paid(3, status="shipped"))) == "status_unknown"
    story.by = mapping(statuses={"paid": ["processing", "completed", "shipped"]})
    assert wishes(story.release()) == [("invoice", "document")]


def test_a_hold_that_turns_out_unpaid_is_withdrawn() -> None:
    story = Story()
    story.hook(paid(3, status="shipped", paid=None))
    assert story.hook(paid(4, status="pending", paid=None)).commands[0].wish == Withdrawn(rule="not_paid", date=DAY)


def test_an_order_that_was_commanded_stays_ours_when_the_cut_over_moves() -> None:
    story = Story()
    story.hook(paid(3))
    story.by = mapping(cut_over="2027-01-01")
    assert story.hook(paid(4, status="completed")).excluded == ()


def test_a_hold_is_withdrawn_when_the_cut_over_moves() -> None:
    story = Story(mapping(revenue={"default": None}))
    assert reason(story.hook(paid(3))) == "account_unknown"
    story.by = mapping(cut_over="2027-01-01")
    assert story.release().commands[0].wish == Withdrawn(rule="before_cut_over", date=DAY)


def test_an_order_edited_down_to_nothing_is_withdrawn() -> None:
    story = Story()
    story.hook(paid(3))
    emptied = story.hook(order(item(2, "0.00"), modified=at(4), paid=at(3)))
    assert emptied.commands[0].wish == Withdrawn(rule="zero_total", date=DAY)


def test_a_release_always_commands_again() -> None:
    story, one = Story(), refund(25, "5.25", back(MUG, "5.00", "0.25"))
    story.shot(with_refunds(paid(4), one), one)
    assert story.release().commands == ()
    (again,) = story.release(CREDIT).commands
    assert (again.document_key, again.seq, again.released) == (CREDIT, 3, True)
    assert again.content_digest == story.commands[1].content_digest
    assert again.command_id != story.commands[1].command_id


def test_a_credit_may_be_released_after_the_order_was_cancelled() -> None:
    story, one = Story(), refund(25, "5.25", back(MUG, "5.00", "0.25"))
    story.shot(with_refunds(paid(4), one), one)
    story.shot(with_refunds(paid(5, status="cancelled"), one), one)
    assert wishes(story.release(CREDIT)) == [("credit_note", "document")]


def test_another_account_moves_nothing_that_was_commanded_and_credits_go_back_on_the_old_one() -> None:
    story, one = Story(), refund(25, "5.25", back(MUG, "5.00", "0.25"))
    story.hook(paid(3))
    story.by = mapping(
        revenue={"default": "499.99"},
        project={"code": "STORE.NEW"},
        time_zone="Asia/Tokyo",
        taxes={"by_rate": {"US-NY-NY STATE-1": {"code": "NEW_TAX", "account": "223.00"}}},
    )
    (credit,) = story.shot(with_refunds(paid(4), one), one).commands
    assert isinstance(credit.wish, DocumentWish)
    (line,) = credit.wish.document.lines
    assert (line.account, credit.wish.document.placement.project) == ("401.00", "STORE.WEB01")
    assert [(tax.code, tax.amount, tax.account) for tax in line.taxes] == [("NY_STATE", Decimal("0.25"), "221.00")]


def test_a_release_books_by_the_rules_in_force() -> None:
    story, one = Story(), refund(25, "5.25", back(MUG, "5.00", "0.25"))
    story.shot(with_refunds(paid(4), one), one)
    story.by = mapping(revenue={"default": "499.99"}, project={"code": "STORE.NEW"}, time_zone="Asia/Tokyo")
    for command in story.release(INVOICE).commands:
        assert isinstance(command.wish, DocumentWish)
        assert command.wish.document.lines[0].account == "499.99"
        assert command.wish.document.placement.project == "STORE.NEW"
    assert [command.kind for command in story.commands[2:]] == ["invoice", "credit_note"]
    assert isinstance(story.commands[2].wish, DocumentWish)
    assert story.commands[2].wish.document.date == date(2026, 11, 21)


def test_other_money_is_booked_by_the_rules_in_force() -> None:
    story = Story()
    story.hook(paid(3))
    story.by = mapping(revenue={"default": "499.99"})
    (dearer,) = story.hook(order(item(2, "25.00", "1.25"), modified=at(4), paid=at(3))).commands
    assert isinstance(dearer.wish, DocumentWish)
    assert dearer.wish.document.lines[0].account == "499.99"


def test_100_120_100_are_three_commands() -> None:
    story = Story()
    for minute, price in ((3, "100.00"), (4, "120.00"), (5, "100.00")):
        story.hook(order(item(2, price), modified=at(minute), paid=at(3)))
    first, second, third = story.commands
    assert first.content_digest == third.content_digest != second.content_digest
    assert len({command.command_id for command in story.commands}) == 3


def test_products_are_fetched_only_for_items_whose_account_hangs_on_them() -> None:
    by_category = mapping(revenue={"by_sku": {"TEE": "403.00"}, "by_category": {"mugs": "402.00"}})
    assert Story(by_category).hook(order(item(2, "20.00", sku="TEE"))).fetches == ()
    assert Story(by_category).hook(order(item(2, "20.00", product_id=0, sku=None))).fetches == ()
    story = Story(by_category)
    (request,) = story.hook(paid()).fetches
    assert "products" in request.because
    mugs = [{"id": 11, "categories": [{"id": 1, "slug": "mugs"}]}]
    answered = story.shot(paid(), products=mugs, fetch_id=request.fetch_id)
    assert isinstance(answered.commands[0].wish, DocumentWish)
    assert answered.commands[0].wish.document.lines[0].account == "402.00"
    assert story.hook(paid(9, customer_note="x")).fetches == ()


def test_a_product_that_no_longer_exists_goes_to_the_default() -> None:
    story = Story(mapping(revenue={"by_category": {"mugs": "402.00"}}))
    (request,) = story.hook(paid()).fetches
    answered = story.shot(paid(), fetch_id=request.fetch_id)
    assert isinstance(answered.commands[0].wish, DocumentWish)
    assert answered.commands[0].wish.document.lines[0].account == "401.00"


def test_the_customer_is_fetched_where_the_account_s_e_mail_names_the_buyer() -> None:
    by_account = mapping(firms={"email": "account", "table": [{"email": "boss@acme.test", "firm": "F1"}]})
    assert Story(by_account).hook(paid()).fetches == ()
    story = Story(by_account)
    (request,) = story.hook(paid(customer_id=42)).fetches
    assert "customer" in request.because
    answered = story.shot(
        paid(customer_id=42), customer={"id": 42, "email": "Boss@ACME.test"}, fetch_id=request.fetch_id
    )
    assert isinstance(answered.commands[0].wish, DocumentWish)
    document = answered.commands[0].wish.document
    assert document.type == "invoice"
    assert (document.party.firm, document.party.email) == ("F1", "boss@acme.test")


@pytest.mark.parametrize(
    ("body", "topic", "reason_"),
    [
        (b"webhook_id=15", "", "not JSON"),
        (b"\xff\xfe", "order.updated", "not UTF-8"),
        (b'{"id":17,"total":NaN}', "order.updated", "NaN"),
        (b"[]", "order.updated", "no JSON object"),
        (b'"17"', "order.updated", "no JSON object"),
        (b"{}", "order.updated", "no whole number"),
        (b'{"id":"17"}', "order.updated", "no whole number"),
        (b'{"id":true}', "order.updated", "no whole number"),
        (b'{"id":17.0}', "order.updated", "no whole number"),
        (b'{"id":-1}', "order.updated", "no whole number"),
        (b'{"id":null}', "order.updated", "no whole number"),
        (b'{"code":"woocommerce_rest_cannot_view","message":"x","data":{"status":403}}', "order.updated", "403"),
        (b'{"action":"woocommerce_product_set_stock","arg":17}', "action.x", "names no order"),
        (b'{"action":"woocommerce_order_refunded","arg":"x"}', "action.x", "names no order"),
        (b'{"id":11,"name":"Mug"}', "product.updated", "not about orders"),
        (b'{"id":17,"meta_data":' + b"[" * 5000 + b"]" * 5000 + b"}", "order.updated", "nested too deeply"),
        (b"[" * 200_000, "order.updated", "nested too deeply"),
        (b'{"id":' + b"9" * 5000 + b"}", "order.updated", "not JSON"),
    ],
)
def test_what_is_no_order_is_said_to_be_none(body: bytes, topic: str, reason_: str) -> None:
    state = OrderState(flow="web", connection="shop", order_id=17)
    decision = decide(state, webhook(body, topic=topic), MAPPING)
    assert isinstance(decision, NotAnOrder)
    assert reason_ in decision.reason
    assert evolve(state, webhook(body, topic=topic)) == state


def test_an_order_without_modification_time_is_fetched() -> None:
    body = paid(date_modified_gmt=None, date_created_gmt=None)
    (request,) = Story().hook(body).fetches
    assert "modification" in request.because


def test_a_snapshot_without_modification_time_is_held_even_after_a_readable_one() -> None:
    story = Story()
    story.hook(paid())
    broken = paid(date_modified_gmt="yesterday")
    (request,) = story.shot(broken).fetches
    assert reason(story.shot(broken, fetch_id=request.fetch_id)) == "bad_data"
    assert wishes(story.hook(paid(9))) == [("invoice", "document")]


def test_commands_of_the_log_restore_the_sequence_and_the_last_wishes() -> None:
    story, one = Story(), refund(25, "5.25", back(MUG, "5.00", "0.25"))
    events: list[RawInput] = [
        snapshot(paid(3)), snapshot(with_refunds(paid(4), one), one), snapshot(paid(5, status="cancelled")),
    ]  # fmt: skip
    for event in events:
        story.tell(event)
    rebuilt = OrderState(flow="web", connection="shop", order_id=17)
    for event in events:
        rebuilt = evolve(rebuilt, event)
    for command in [*story.commands, story.commands[0]]:
        rebuilt = evolve(rebuilt, CommandIssued(command))
    assert rebuilt == story.state
    assert decide_again(rebuilt, MAPPING, cause="x").commands == ()


def test_a_fetch_of_the_log_is_not_asked_for_again() -> None:
    story = Story()
    body = with_refunds(paid(5), refund(25, "5.00"))
    (request,) = story.hook(body).fetches
    rebuilt = evolve(OrderState(flow="web", connection="shop", order_id=17), FetchAsked(request))
    decision = decide(rebuilt, webhook(exactjson.dumps(body)), MAPPING)
    assert isinstance(decision, Decision)
    assert decision.fetches == ()


def test_the_same_events_give_the_same_bytes() -> None:
    one = refund(25, "5.25", back(MUG, "5.00", "0.25"))

    def told() -> list[str]:
        story = Story()
        story.hook(paid(3))
        story.shot(with_refunds(paid(4), one), one)
        return [command.model_dump_json() for command in story.commands]

    assert told() == told()


def test_the_state_of_another_order_or_flow_is_refused() -> None:
    other = OrderState(flow="web", connection="shop", order_id=18)
    with pytest.raises(ValueError, match="order 17 was given to the state of order 18"):
        decide(other, webhook(exactjson.dumps(paid())), MAPPING)
    with pytest.raises(ValueError, match="flow web"):
        decide(OrderState(flow="b2b", connection="shop", order_id=17), webhook(exactjson.dumps(paid())), MAPPING)


def test_an_order_that_was_left_out_is_decided_again_when_it_is_read_again() -> None:
    """A cut-over that is moved, a mapping that comes after the events: nothing of the order is new, but the rules."""
    left_out = mapping(cut_over="2027-01-01")
    story = Story(left_out)
    assert [one.rule for one in story.tell(snapshot(order(MUG))).excluded] == ["before_cut_over"]
    story.by = MAPPING
    (command,) = story.tell(snapshot(order(MUG), offset=1, at=NOW + timedelta(hours=1))).commands
    assert command.wish.wish == "document"
    assert story.tell(snapshot(order(MUG), offset=2, at=NOW + timedelta(hours=2))).commands == ()


def test_an_order_of_before_the_cut_over_is_invoiced_once_that_moves_back_although_its_refund_is_held() -> None:
    """It is read once more for that, and looks as it did: nothing of it is new."""
    one = refund(25, "10.00")
    sold = with_refunds(order(item(2, "72.00"), paid="2026-10-20T12:00:00"), one)
    later, earlier = mapping(cut_over="2026-11-01"), mapping(cut_over="2026-10-01")
    state = OrderState(flow="web", connection="shop", order_id=17)
    held = decide(state, snapshot(sold, one), later)
    assert isinstance(held, Decision)
    assert [(command.kind, command.wish.wish) for command in held.commands] == [("credit_note", "held")]
    again = decide(held.state, snapshot(sold, one, offset=1, at=NOW + timedelta(hours=1)), later)
    assert isinstance(again, Decision)
    assert again.commands == ()
    moved = decide(again.state, snapshot(sold, one, offset=2, at=NOW + timedelta(hours=2)), earlier)
    assert isinstance(moved, Decision)
    assert [(command.kind, command.wish.wish) for command in moved.commands] == [
        ("invoice", "document"),
        ("credit_note", "document"),
    ]


def test_and_so_is_one_whose_hold_was_withdrawn_when_the_cut_over_moved_forward() -> None:
    sold = order(item(2, "72.00"), paid="2026-10-20T12:00:00")
    early, late = "2026-10-01", "2026-11-01"
    state = OrderState(flow="web", connection="shop", order_id=17)
    held = decide(state, snapshot(sold), mapping(cut_over=early, currencies=["EUR"]))
    assert isinstance(held, Decision)
    withdrawn = decide_again(held.state, mapping(cut_over=late), cause="replay")
    assert [command.wish for command in withdrawn.commands] == [Withdrawn(rule="before_cut_over", date=DAY)]
    moved = decide(withdrawn.state, snapshot(sold, offset=1, at=NOW + timedelta(hours=1)), mapping(cut_over=early))
    assert isinstance(moved, Decision)
    assert [command.wish.wish for command in moved.commands] == ["document"]
