"""The engine's decisions one by one, as functions over values."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_common.accounting import CreditNote, HoldReason
from mlc_common.errors import Held
from mlc_common.events import Command
from mlc_common.posting import adjusting, rules
from mlc_common.posting.gateway import Found, Limits
from mlc_common.posting.ledger import FINAL, IN_FLIGHT, DocumentRow, State
from mlc_common.posting.rules import Sight

from .wishes import Order

LIMITS = Limits(request_timeout_s=20, visibility_delay_s=10, look_gap_s=3)


def row_of(command: Command, place: int | None = None, **changes: object) -> DocumentRow:
    row = DocumentRow(
        command.document_key, command.flow, command.order_key, command.kind, place or command.seq, command
    )
    return dataclasses.replace(row, **changes)  # type: ignore[arg-type] # fields by name


def verified(command: Command, order: Order, net: str, **changes: object) -> DocumentRow:
    document = order.bill(net) if command.kind == "invoice" else order.refund(net)
    done = {"state": State.VERIFIED, "settled_seq": command.seq, "posted": document}
    return row_of(command, None, **{**done, **changes})


class TestChoose:
    def test_the_lowest_place_that_is_not_final_comes_first(self, order: Order) -> None:
        invoice, credit = row_of(order.invoice("100.00")), row_of(order.credit("30.00"))

        assert rules.choose([credit, invoice]) == invoice
        assert rules.choose([verified(invoice.newest, order, "100.00"), credit]) == credit

    def test_nothing_is_chosen_when_all_is_final(self, order: Order) -> None:
        assert rules.choose([verified(order.invoice("100.00"), order, "100.00")]) is None
        assert rules.choose([]) is None

    def test_a_correction_of_the_invoice_goes_before_an_older_credit(self, order: Order) -> None:
        order.invoice("100.00")
        credit = row_of(order.credit("30.00"))
        corrected = row_of(order.invoice("120.00"), place=1, state=State.HELD, pursued_seq=1)

        assert rules.choose([corrected, credit]) == corrected

    def test_a_held_document_blocks_what_is_behind_it_and_nothing_before_it(self, order: Order) -> None:
        invoice, credit = row_of(order.invoice("100.00")), row_of(order.credit("30.00"))
        held = dataclasses.replace(invoice, state=State.HELD, pursued_seq=1)
        credit_held = dataclasses.replace(credit, state=State.HELD, pursued_seq=2)

        assert rules.choose([held, credit]) is None
        assert rules.choose([invoice, credit_held]) == invoice

    @pytest.mark.parametrize("state", sorted(IN_FLIGHT))
    def test_what_is_in_flight_comes_first_whatever_its_place(self, order: Order, state: State) -> None:
        invoice, credit = row_of(order.invoice("100.00")), row_of(order.credit("30.00"), state=state)

        assert rules.choose([invoice, credit]) == credit

    def test_an_announced_write_is_in_flight_in_any_state_but_held(self, order: Order) -> None:
        invoice, credit = row_of(order.invoice("100.00")), row_of(order.credit("30.00"), intent_age_s=1.0)

        assert rules.choose([invoice, credit]) == credit
        assert rules.choose([invoice, dataclasses.replace(credit, state=State.HELD, pursued_seq=2)]) == invoice

    def test_a_credit_that_vanished_with_its_invoice_comes_back_with_it(self, order: Order) -> None:
        invoice = verified(order.invoice("100.00"), order, "100.00")
        credit = row_of(order.credit("30.00"), state=State.WITHDRAWN, settled_seq=2)

        assert rules.choose([invoice, credit]) == credit
        assert rules.choose([dataclasses.replace(invoice, posted=None), credit]) is None
        assert rules.choose([dataclasses.replace(invoice, state=State.WITHDRAWN), credit]) is None
        assert rules.choose([credit]) is None

    def test_a_credit_that_the_store_withdrew_stays_withdrawn(self, order: Order) -> None:
        invoice = verified(order.invoice("100.00"), order, "100.00")
        credit = row_of(order.withdraw_credit(), state=State.WITHDRAWN, settled_seq=2)

        assert rules.choose([invoice, credit]) is None

    def test_a_credit_waits_for_the_adjustment_of_its_invoice_that_came_after_it(self, order: Order) -> None:
        order.adjusting = "difference"
        invoice = verified(order.invoice("100.00"), order, "100.00")
        credit = row_of(order.credit("110.00"))
        edited = order.invoice("120.00")
        invoice = dataclasses.replace(invoice, newest=edited, settled_seq=edited.seq, state=State.ADJUSTED)
        key = adjusting.next_key(invoice, [])
        adjustment = row_of(edited, key=key, kind="adjustment", adjusts=invoice.key)

        assert rules.choose([invoice, credit, adjustment]) == adjustment
        done = dataclasses.replace(adjustment, state=State.VERIFIED, settled_seq=edited.seq, posted=order.bill("20.00"))
        assert rules.choose([invoice, credit, done]) == credit

    def test_no_state_is_both_final_and_in_flight(self) -> None:
        assert not FINAL & IN_FLIGHT


DRAFT = Found("draft", ours=True, equal=True)
OTHER = dataclasses.replace(DRAFT, equal=False)
POSTED = Found("posted", ours=True, equal=True)
FOREIGN = Found("posted", ours=False, equal=False)


@pytest.mark.parametrize(
    ("found", "sight"),
    [
        ([], Sight.ABSENT),
        ([DRAFT], Sight.EQUAL_DRAFT),
        ([POSTED], Sight.EQUAL_POSTED),
        ([OTHER], Sight.OWN_DRAFT_DIFFERS),
        ([dataclasses.replace(OTHER, ours=False)], Sight.CONFLICT),
        ([dataclasses.replace(DRAFT, ours=False)], Sight.CONFLICT),
        ([dataclasses.replace(POSTED, ours=False)], Sight.CONFLICT),
        ([dataclasses.replace(POSTED, equal=False)], Sight.CONFLICT),
        ([FOREIGN], Sight.CONFLICT),
        ([DRAFT, DRAFT], Sight.SURPLUS_DRAFTS),
        ([OTHER, OTHER, DRAFT], Sight.SURPLUS_DRAFTS),
        ([DRAFT, POSTED], Sight.SURPLUS_DRAFTS),
        ([DRAFT, FOREIGN], Sight.SURPLUS_DRAFTS),
        ([POSTED, POSTED], Sight.DUPLICATED),
        ([POSTED, FOREIGN, DRAFT], Sight.DUPLICATED),
        ([POSTED, dataclasses.replace(DRAFT, ours=False)], Sight.DUPLICATED),
    ],
)
def test_what_lies_under_our_key_is_classed(found: list[Found], sight: Sight) -> None:
    assert rules.judge(found) is sight
    assert rules.judge(list(reversed(found))) is sight


class TestAbsence:
    def test_one_look_is_enough_when_nothing_was_sent(self) -> None:
        assert rules.wait_for_absence(None, 0, LIMITS, margin_s=2) == 0

    @pytest.mark.parametrize(("age", "wait"), [(0.0, 32.0), (30.0, 2.0), (31.9, pytest.approx(0.1))])
    def test_margin_timeout_and_visibility_must_have_passed(self, age: float, wait: float) -> None:
        assert rules.wait_for_absence(age, 9, LIMITS, margin_s=2) == wait

    def test_two_looks_are_needed_however_long_ago_it_was(self) -> None:
        assert rules.wait_for_absence(9999.0, 1, LIMITS, margin_s=2) == LIMITS.look_gap_s
        assert rules.wait_for_absence(32.0, 1, LIMITS, margin_s=2) == LIMITS.look_gap_s
        assert rules.wait_for_absence(9999.0, 2, LIMITS, margin_s=2) == 0

    @given(st.floats(0, 1e6), st.integers(0, 5))
    def test_the_wait_never_grows_with_age_or_looks(self, age: float, looks: int) -> None:
        wait = rules.wait_for_absence(age, looks, LIMITS, margin_s=2)

        assert 0 <= wait <= 32
        assert rules.wait_for_absence(age + 1, looks, LIMITS, margin_s=2) <= max(wait, LIMITS.look_gap_s)
        assert rules.wait_for_absence(age, looks + 1, LIMITS, margin_s=2) <= wait


class TestCredits:
    def judged(self, order: Order, rows: list[DocumentRow], net: str, refund: str = "77") -> str:
        credit = order.refund(net, refund)
        return rules.judge_credit(rows, credit, credit.key)

    def test_up_to_the_invoice_may_be_returned(self, order: Order) -> None:
        invoice = verified(order.invoice("100.00"), order, "100.00")

        assert not self.judged(order, [invoice], "100.00")

    def test_all_credits_together_may_not_exceed_the_invoice(self, order: Order) -> None:
        rows = [verified(order.invoice("100.00"), order, "100.00"), verified(order.credit("60.00"), order, "60.00")]

        assert not self.judged(order, rows, "40.00", "78")
        with pytest.raises(Held) as held:
            self.judged(order, rows, "40.01", "78")
        assert held.value.reason == HoldReason.CREDIT_EXCEEDS_INVOICE

    def test_a_credit_does_not_count_against_itself(self, order: Order) -> None:
        rows = [verified(order.invoice("100.00"), order, "100.00"), verified(order.credit("60.00"), order, "60.00")]

        assert not self.judged(order, rows, "100.00")

    def test_without_an_invoice_it_is_held(self, order: Order) -> None:
        with pytest.raises(Held) as held:
            self.judged(order, [], "1.00")
        assert held.value.reason == HoldReason.NO_INVOICE

    def test_before_its_invoice_is_posted_it_is_held(self, order: Order) -> None:
        with pytest.raises(Held) as held:
            self.judged(order, [row_of(order.invoice("100.00"))], "1.00")
        assert held.value.reason == HoldReason.NO_INVOICE

    def test_it_vanishes_with_an_invoice_that_was_never_posted(self, order: Order) -> None:
        invoice = row_of(order.withdraw(), state=State.WITHDRAWN)

        assert self.judged(order, [invoice], "1.00") == "its invoice is withdrawn"


class TestCancellation:
    def cancelled(self, order: Order, *others: DocumentRow) -> tuple[DocumentRow, list[DocumentRow]]:
        invoice = verified(order.invoice("100.00"), order, "100.00")
        order.seq += len(others)
        withdrawn = order.withdraw()
        invoice = dataclasses.replace(invoice, newest=withdrawn)
        row = row_of(withdrawn, key=adjusting.next_key(invoice, []), kind="adjustment", adjusts=invoice.key)
        return row, [invoice, *others, row]

    def test_it_returns_what_is_left_with_a_number_of_its_own(self, order: Order) -> None:
        row, rows = self.cancelled(order, verified(order.credit("30.00"), order, "30.00"))
        credit = adjusting.adjustment(row, rows, LIMITS)

        assert isinstance(credit, CreditNote)
        assert (credit.total, credit.invoice, credit.reason) == (Decimal("70.00"), order.key, "cancelled")
        assert credit.number != order.bill("1.00").number
        assert len(credit.number) <= LIMITS.number

    def test_it_is_nothing_when_all_was_refunded(self, order: Order) -> None:
        row, rows = self.cancelled(order, verified(order.credit("100.00"), order, "100.00"))

        assert adjusting.adjustment(row, rows, LIMITS) is None

    def test_refunds_above_the_invoice_hold_it(self, order: Order) -> None:
        row, rows = self.cancelled(order, verified(order.credit("130.00"), order, "130.00"))

        with pytest.raises(Held) as held:
            adjusting.adjustment(row, rows, LIMITS)
        assert held.value.reason == HoldReason.CREDIT_EXCEEDS_INVOICE

    def test_the_next_one_has_a_key_and_a_number_of_its_own(self, order: Order) -> None:
        row, rows = self.cancelled(order)
        posted = dataclasses.replace(row, posted=adjusting.adjustment(row, rows, LIMITS), settled_seq=row.newest.seq)
        keys = {adjusting.next_key(rows[0], [rows[0], row]), adjusting.next_key(rows[0], [rows[0], posted])}

        assert len(keys) == 2
        assert row.key in keys

    def test_only_one_that_is_not_in_the_books_is_pending(self, order: Order) -> None:
        row, rows = self.cancelled(order)
        posted = dataclasses.replace(row, posted=adjusting.adjustment(row, rows, LIMITS))

        assert adjusting.pending(rows[0], rows) == row
        assert adjusting.pending(rows[0], [rows[0], posted]) is None
        assert adjusting.stands(rows[0], [rows[0], posted]) == ()
