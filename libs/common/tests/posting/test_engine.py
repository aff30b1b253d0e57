"""Each path of the engine through one order: what ends in the books, what the ledger says, what a person is told."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mlc_common.accounting import HoldReason
from mlc_common.errors import Held, Rejected
from mlc_common.posting.ledger import LeaseLost, State

from .bench import Bench, busy
from .wishes import Order


async def test_an_invoice_is_announced_created_counted_posted_and_verified(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))

    assert bench.books() == ["invoice 100.00"]
    assert bench.steps() == [
        "intended", "looking: absent", "creating", "created: created", "recounted: one", "finalising",
        "posted: posted", "verified: equal",
    ]  # fmt: skip
    assert bench.row().erp_ids == {"handle": "IN-WC01-1001", "run": "1", "books": "IN-WC01-1001"}
    assert bench.wire.calls == ["plan", "find", "create", "find", "finalise", "verify"]


async def test_a_wish_that_cannot_be_mapped_is_held_and_blocks_its_refund(bench: Bench, order: Order) -> None:
    await bench.settle(order.cannot("account_unknown"), order.credit("30.00"))

    assert bench.row().state is State.HELD
    assert bench.row().reason == "account_unknown"
    assert bench.row("credit_note").state is State.INTENDED
    assert bench.books() == []
    assert bench.wire.calls == []


async def test_a_corrected_mapping_posts_what_was_held_and_then_its_refund(bench: Bench, order: Order) -> None:
    await bench.settle(order.cannot(), order.credit("30.00"))
    await bench.settle(order.invoice("100.00"))

    assert bench.books() == ["invoice 100.00", "credit_note 30.00"]
    assert bench.row().reason == ""


async def test_a_document_withdrawn_before_it_was_sent_vanishes_without_a_call(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"), order.withdraw())

    assert bench.states() == [State.WITHDRAWN]
    assert bench.wire.calls == []


async def test_refunds_vanish_with_an_invoice_withdrawn_before_it_was_posted(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"), order.credit("30.00"), order.withdraw())

    assert bench.states() == [State.WITHDRAWN, State.WITHDRAWN]
    assert bench.books() == []


async def test_refunds_come_back_with_their_invoice(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"), order.credit("30.00"), order.withdraw())
    bench.wire.script["create"] = [None, busy()]  # the credit's first attempt fails
    await bench.settle(order.invoice("100.00"))

    assert bench.books() == ["invoice 100.00", "credit_note 30.00"]


async def test_a_refund_waits_for_its_invoice_though_it_came_first_into_the_queue(bench: Bench, order: Order) -> None:
    invoice, credit = order.invoice("100.00"), order.credit("30.00")
    await bench.settle(credit)
    assert bench.wire.calls == []

    await bench.settle(invoice)
    assert bench.books() == ["invoice 100.00", "credit_note 30.00"]


async def test_nothing_behind_a_gap_is_worked_on(bench: Bench, order: Order) -> None:
    first, second, third = order.invoice("100.00"), order.invoice("110.00"), order.invoice("120.00")
    await bench.settle(first, third)
    assert bench.books() == ["invoice 100.00"]

    await bench.settle(second)
    assert bench.row().reason == HoldReason.CHANGED_AFTER_POSTING
    assert "120.00" in bench.row().detail


async def test_a_refund_of_what_was_never_invoiced_is_held(bench: Bench, order: Order) -> None:
    await bench.settle(order.credit("30.00"))

    assert bench.row("credit_note").reason == HoldReason.NO_INVOICE
    assert bench.wire.calls == []


async def test_refunds_above_the_invoice_are_held(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"), order.credit("60.00", "77"), order.credit("50.00", "78"))

    assert bench.books() == ["invoice 100.00", "credit_note 60.00"]
    held = bench.ledger.rows()[2]
    assert held.reason == HoldReason.CREDIT_EXCEEDS_INVOICE
    assert "60.00 is already returned" in held.detail


async def test_a_refund_goes_where_its_invoice_went(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    bench.gateway.project = "P2"
    await bench.settle(order.credit("30.00"))

    plan = bench.row("credit_note").plan
    assert plan is not None
    assert plan.resolved["project"] == "P1"


async def test_the_same_amounts_again_are_unchanged(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    calls = len(bench.wire.calls)
    await bench.settle(order.invoice("100.00"))

    assert bench.row().state is State.UNCHANGED
    assert bench.books() == ["invoice 100.00"]
    assert len(bench.wire.calls) == calls


async def test_other_amounts_after_posting_are_held_and_the_books_stay(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("120.00"))

    assert bench.row().reason == HoldReason.CHANGED_AFTER_POSTING
    assert bench.books() == ["invoice 100.00"]


async def test_amounts_changed_back_clear_the_hold_once_the_books_agree(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("120.00"))
    await bench.settle(order.invoice("100.00"))

    assert bench.row().state is State.UNCHANGED
    assert bench.wire.calls[-1] == "verify"


async def test_what_cannot_be_mapped_any_more_after_posting_is_held(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.cannot("tax_code_unknown"))

    assert bench.row().reason == "tax_code_unknown"
    assert bench.books() == ["invoice 100.00"]


# -- cancelled after posting


async def test_an_order_cancelled_after_posting_gets_a_credit_for_all_of_it(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.withdraw())

    assert bench.books() == ["invoice 100.00", "credit_note 100.00"]
    credit = bench.row("adjustment").posted
    assert credit is not None
    assert (credit.number, credit.reference, str(credit.date)) == ("WA01001X1", "IN-WC01-1001-X1", "2026-03-20")


async def test_a_cancellation_returns_what_refunds_have_not(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"), order.credit("30.00"))
    await bench.settle(order.withdraw())

    assert bench.books() == ["invoice 100.00", "credit_note 30.00", "credit_note 70.00"]


async def test_a_cancellation_of_what_was_refunded_whole_makes_no_credit(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"), order.credit("100.00"))
    await bench.settle(order.withdraw())

    assert bench.books() == ["invoice 100.00", "credit_note 100.00"]
    assert bench.states() == [State.WITHDRAWN, State.VERIFIED]


async def test_a_refund_after_the_cancellation_is_returned_by_it_already(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.withdraw())
    await bench.settle(order.credit("30.00"))

    assert bench.row("credit_note").state is State.WITHDRAWN
    assert bench.books() == ["invoice 100.00", "credit_note 100.00"]
    assert bench.steps()[-1] == "withdrawn: returned by the cancellation"


async def test_it_is_credited_when_the_order_comes_back(bench: Bench) -> None:
    order = Order("1001", adjusting="difference")
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.withdraw())
    await bench.settle(order.credit("30.00"))
    await bench.settle(order.invoice("100.00"))

    assert bench.net() == Decimal("70.00")
    assert bench.row("credit_note").state is State.VERIFIED


async def test_a_refund_deleted_in_the_store_after_posting_is_held(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"), order.credit("30.00"))
    await bench.settle(order.withdraw_credit())

    assert bench.row("credit_note").reason == HoldReason.CHANGED_AFTER_POSTING


async def test_an_order_un_cancelled_before_its_credit_was_sent_stays_as_it_is(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["find"] = [busy()]
    bench.add(order.withdraw())
    await bench.once()
    await bench.settle(order.invoice("100.00"))

    assert bench.states() == [State.UNCHANGED, State.WITHDRAWN]
    assert bench.books() == ["invoice 100.00"]


async def test_an_order_un_cancelled_while_its_credit_is_a_held_draft_loses_the_draft(
    bench: Bench, order: Order
) -> None:
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["finalise"] = [Held(HoldReason.PERIOD_CLOSED, "03/2026")]
    await bench.settle(order.withdraw())
    assert [draft.reference for draft in bench.erp.drafts()] == ["IN-WC01-1001-X1"]

    await bench.settle(order.invoice("100.00"))
    assert bench.states() == [State.UNCHANGED, State.WITHDRAWN]
    assert bench.erp.drafts() == []
    assert bench.books() == ["invoice 100.00"]


async def test_a_cancellation_credit_posted_unseen_wins_over_the_un_cancellation(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["finalise"] = [Held(HoldReason.PERIOD_CLOSED, "03/2026")]
    await bench.settle(order.withdraw())
    bench.erp.finalise("IN-WC01-1001-X1")  # the bookkeeper posts it by hand
    await bench.settle(order.invoice("100.00"))

    assert bench.books() == ["invoice 100.00", "credit_note 100.00"]
    assert bench.row().reason == HoldReason.CHANGED_AFTER_POSTING


async def test_an_order_wanted_again_after_its_cancellation_was_credited_is_held(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.withdraw())
    await bench.settle(order.invoice("100.00"))

    assert bench.row().reason == HoldReason.CHANGED_AFTER_POSTING
    assert bench.books() == ["invoice 100.00", "credit_note 100.00"]


async def test_an_order_cancelled_un_cancelled_and_cancelled_is_credited_once(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["find"] = [busy()]
    bench.add(order.withdraw())
    await bench.once()
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.withdraw())

    assert bench.books() == ["invoice 100.00", "credit_note 100.00"]
    assert bench.states() == [State.WITHDRAWN, State.VERIFIED]


async def test_a_held_cancellation_credit_is_released_with_the_cancellation(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["plan"] = [Held(HoldReason.PERIOD_CLOSED, "03/2026")]
    await bench.settle(order.withdraw())
    assert bench.row("adjustment").reason == HoldReason.PERIOD_CLOSED

    await bench.settle(order.withdraw(released=True))
    assert bench.books() == ["invoice 100.00", "credit_note 100.00"]


# -- drafts of older wishes


async def test_a_draft_of_an_older_wish_is_amended(bench: Bench, order: Order) -> None:
    bench.wire.script["finalise"] = [Held(HoldReason.PERIOD_CLOSED, "03/2026")]
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("120.00"))

    assert bench.books() == ["invoice 120.00"]
    assert bench.wire.calls.count("create") == 1
    assert "amend" in bench.wire.calls


@pytest.mark.parametrize("wish", ["withdrawn", "cannot be mapped"])
async def test_a_draft_of_an_older_wish_is_discarded(bench: Bench, order: Order, wish: str) -> None:
    bench.wire.script["finalise"] = [Held(HoldReason.PERIOD_CLOSED, "03/2026")]
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.withdraw() if wish == "withdrawn" else order.cannot())

    assert bench.erp.drafts() == []
    assert bench.states() == [State.WITHDRAWN if wish == "withdrawn" else State.HELD]


async def test_a_draft_that_the_bookkeeper_posted_by_hand_is_adopted_and_credited(bench: Bench, order: Order) -> None:
    bench.wire.script["finalise"] = [Held(HoldReason.PERIOD_CLOSED, "03/2026")]
    await bench.settle(order.invoice("100.00"))
    bench.erp.finalise("IN-WC01-1001")
    await bench.settle(order.withdraw())

    assert bench.books() == ["invoice 100.00", "credit_note 100.00"]


async def test_a_document_changed_by_hand_is_not_taken_for_withdrawn(bench: Bench, order: Order) -> None:
    bench.wire.script["finalise"] = [Held(HoldReason.PERIOD_CLOSED, "03/2026")]
    await bench.settle(order.invoice("100.00"))
    bench.erp.amend("IN-WC01-1001", order.bill("90.00"))
    bench.erp.finalise("IN-WC01-1001")
    await bench.settle(order.withdraw())

    assert bench.row().reason == HoldReason.CONFLICT_IN_ERP


async def test_a_draft_that_the_erp_altered_is_held_and_not_posted(bench: Bench, order: Order) -> None:
    bench.wire.before["find"] = lambda: bench.wire.before.update(
        find=lambda: bench.erp.amend("IN-WC01-1001", order.bill("99.99"))
    )
    await bench.settle(order.invoice("100.00"))

    assert bench.row().reason == HoldReason.AMOUNTS_DIFFER_FROM_ERP
    assert bench.books() == []


async def test_an_amended_draft_seen_late_is_no_altered_one(bench: Bench, order: Order) -> None:
    bench.wire.script["finalise"] = [Held(HoldReason.PERIOD_CLOSED, "03/2026")]
    await bench.settle(order.invoice("100.00"))
    bench.clock.advance(60)
    bench.wire.lag = 8
    await bench.settle(order.invoice("120.00"))

    assert bench.books() == ["invoice 120.00"]


# -- what is in the ERP already


async def test_an_equal_draft_of_ours_is_adopted_and_posted(bench: Bench, order: Order) -> None:
    bench.erp.foreign("IN-WC01-1001", order.bill("100.00"), posted=False, ours=True)
    await bench.settle(order.invoice("100.00"))

    assert bench.books() == ["invoice 100.00"]
    assert "create" not in bench.wire.calls


async def test_an_equal_posted_document_of_ours_is_adopted(bench: Bench, order: Order) -> None:
    bench.erp.foreign("IN-WC01-1001", order.bill("100.00"), posted=True, ours=True)
    await bench.settle(order.invoice("100.00"))

    assert bench.wire.calls == ["plan", "find", "verify"]
    assert bench.steps()[-2:] == ["posted: adopted", "verified: equal"]


@pytest.mark.parametrize("posted", [True, False])
@pytest.mark.parametrize("amount", ["100.00", "55.00"])
async def test_somebody_elses_document_under_our_reference_is_held_and_untouched(
    bench: Bench, order: Order, posted: bool, amount: str
) -> None:
    bench.erp.foreign("IN-WC01-1001", order.bill(amount), posted=posted)
    await bench.settle(order.invoice("100.00"))

    assert bench.row().reason == HoldReason.CONFLICT_IN_ERP
    assert [thing.posted for thing in bench.erp.stand().things] == [posted]
    assert not {"create", "amend", "discard", "finalise"} & set(bench.wire.calls)


async def test_a_conflict_that_was_cleared_posts_at_the_release(bench: Bench, order: Order) -> None:
    bench.erp.foreign("IN-WC01-1001", order.bill("55.00"), posted=False)
    await bench.settle(order.invoice("100.00"))
    bench.erp.remove("IN-WC01-1001")
    await bench.settle(order.invoice("100.00", released=True))

    assert bench.books() == ["invoice 100.00"]


async def test_two_posted_documents_are_held_as_duplicated(bench: Bench, order: Order) -> None:
    for _ in range(2):
        bench.erp.foreign("IN-WC01-1001", order.bill("100.00"), posted=True, ours=True)
    await bench.settle(order.invoice("100.00"))

    assert bench.row().reason == HoldReason.DUPLICATED


@pytest.mark.parametrize("others", ["draft", "posted"])
async def test_surplus_drafts_of_ours_are_removed_and_one_is_posted(order: Order, others: str) -> None:
    bench = Bench("handles")
    bench.erp.foreign("IN-WC01-1001", order.bill("90.00"), posted=False, ours=True)
    bench.erp.foreign("IN-WC01-1001", order.bill("100.00"), posted=others == "posted", ours=True)
    bench.erp.foreign("IN-WC01-1001", order.bill("80.00"), posted=False, ours=True)
    await bench.settle(order.invoice("100.00"))

    assert bench.books() == ["invoice 100.00"]
    assert bench.erp.drafts() == []


async def test_somebody_elses_draft_is_never_the_spare_one(order: Order) -> None:
    bench = Bench("handles")
    bench.erp.foreign("IN-WC01-1001", order.bill("100.00"), posted=False, ours=False)
    bench.erp.foreign("IN-WC01-1001", order.bill("100.00"), posted=False, ours=True)
    await bench.settle(order.invoice("100.00"))

    assert [thing.ours for thing in bench.erp.stand().things] == [False]
    assert bench.row().reason == HoldReason.CONFLICT_IN_ERP


async def test_surplus_drafts_that_stay_in_sight_are_not_removed_in_a_hot_loop(order: Order) -> None:
    bench = Bench("handles")
    for _ in range(2):
        bench.erp.foreign("IN-WC01-1001", order.bill("100.00"), posted=False, ours=True)
    bench.clock.advance(60)
    bench.wire.lag = 8
    await bench.settle(order.invoice("100.00"))

    assert bench.books() == ["invoice 100.00"]
    assert bench.wire.calls.count("discard") < 6


# -- no answer


@pytest.mark.parametrize("dialect", ["files", "handles", "direct"])
@pytest.mark.parametrize("loss", ["lost", "gone", "late"])
@pytest.mark.parametrize("verb", ["create", "finalise"])
async def test_an_answer_that_never_came_is_looked_up(order: Order, dialect: str, verb: str, loss: str) -> None:
    bench = Bench(dialect)  # type: ignore[arg-type] # the parameter's three values
    bench.wire.script[verb] = [loss]
    await bench.settle(order.invoice("100.00"))

    assert bench.books() == ["invoice 100.00"]
    assert bench.erp.drafts() == []
    assert bench.row().state is State.VERIFIED


async def test_nothing_is_created_again_before_the_first_request_must_have_taken_effect(
    bench: Bench, order: Order
) -> None:
    bench.wire.script["create"] = ["gone"]
    await bench.settle(order.invoice("100.00"))

    # margin 2 + request 20 + visibility 10 seconds, and at least two looks
    assert bench.clock.monotonic() >= 32
    between = bench.wire.calls[bench.wire.calls.index("create") + 1 : -4]
    assert between.count("find") >= 2


async def test_a_newer_wish_waits_until_what_was_sent_has_settled(bench: Bench, order: Order) -> None:
    bench.wire.script["create"] = ["late"]
    bench.add(order.invoice("100.00"))
    await bench.once()
    await bench.settle(order.withdraw())

    assert bench.states() == [State.WITHDRAWN]
    assert bench.erp.drafts() == []
    assert bench.clock.monotonic() >= 18  # the draft came, was seen, and was removed


async def test_a_document_held_while_its_posting_is_on_its_way_is_followed_up(bench: Bench, order: Order) -> None:
    bench.wire.script["finalise"] = ["late"]
    bench.wire.script["find"] = [None, None, RuntimeError("a defect")]
    bench.add(order.invoice("100.00"))
    await bench.once()
    bench.clock.advance(3)
    (lease,) = await bench.ledger.lease_orders("erp", "w1", 1, 60)
    with pytest.raises(RuntimeError):
        await bench.engine.work(lease)
    await bench.engine.hold_for_defect(lease, "a defect")
    assert bench.row().reason == HoldReason.INTERNAL_ERROR

    await bench.settle(order.withdraw())
    assert bench.books() == ["invoice 100.00", "credit_note 100.00"]


async def test_a_posting_without_a_trace_is_held_until_a_person_has_looked(bench: Bench, order: Order) -> None:
    bench.wire.script["finalise"] = ["gone"]
    bench.add(order.invoice("100.00"))
    await bench.once()
    bench.erp.remove("IN-WC01-1001")
    await bench.settle()
    assert bench.row().reason == HoldReason.UNKNOWN_OUTCOME

    await bench.settle(order.invoice("120.00"))  # the store's next event is nobody's answer
    assert bench.row().reason == HoldReason.UNKNOWN_OUTCOME
    assert bench.wire.calls.count("create") == 1

    await bench.settle(order.invoice("120.00", released=True))
    assert bench.books() == ["invoice 120.00"]


async def test_a_create_of_unknown_outcome_is_not_repeated_by_the_next_event(bench: Bench, order: Order) -> None:
    bench.wire.script["create"] = [Held(HoldReason.UNKNOWN_OUTCOME, "an answer nobody can read")]
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("120.00"))

    assert bench.row().reason == HoldReason.UNKNOWN_OUTCOME
    assert bench.wire.calls.count("create") == 1


async def test_a_duplicate_that_is_ours_is_adopted(bench: Bench, order: Order) -> None:
    bench.wire.before["create"] = lambda: bench.erp.create("IN-WC01-1001", order.bill("100.00"))
    await bench.settle(order.invoice("100.00"))

    assert bench.books() == ["invoice 100.00"]


async def test_a_duplicate_that_is_nowhere_to_be_seen_is_held(bench: Bench, order: Order) -> None:
    refusal = Rejected("duplicate", "exists")
    bench.wire.script["create"] = [refusal, refusal, refusal]
    bench.wire.script["find"] = [None, busy(), None, busy()]
    await bench.settle(order.invoice("100.00"))

    assert bench.row().reason == HoldReason.CONFLICT_IN_ERP
    assert "does not show it" in bench.row().detail
    assert bench.wire.calls.count("create") == 1


async def test_another_refusal_is_a_defect(bench: Bench, order: Order) -> None:
    bench.wire.script["create"] = [Rejected("teapot", "418")]
    bench.add(order.invoice("100.00"))

    with pytest.raises(Rejected):
        await bench.once()


async def test_a_posting_not_visible_yet_is_read_again(bench: Bench, order: Order) -> None:
    bench.wire.script["verify"] = [busy(), busy()]
    await bench.settle(order.invoice("100.00"))

    assert bench.row().state is State.VERIFIED
    assert bench.wire.calls.count("verify") == 3
    assert bench.wire.calls.count("finalise") == 1


async def test_books_that_differ_are_held_and_read_again_at_the_release(bench: Bench, order: Order) -> None:
    bench.wire.script["verify"] = [Held(HoldReason.AMOUNTS_DIFFER_FROM_ERP, "99.99")] * 2
    await bench.settle(order.invoice("100.00"))
    assert bench.row().reason == HoldReason.AMOUNTS_DIFFER_FROM_ERP

    await bench.settle(order.invoice("100.00", released=True))
    assert bench.row().reason == HoldReason.AMOUNTS_DIFFER_FROM_ERP

    await bench.settle(order.invoice("100.00", released=True))
    assert bench.row().state is State.UNCHANGED
    assert bench.books() == ["invoice 100.00"]


async def test_a_refused_document_waits_for_a_person_and_is_posted_at_the_release(bench: Bench, order: Order) -> None:
    bench.wire.script["create"] = [Held(HoldReason.ACCOUNT_UNKNOWN, "401.00", fix="Create it.")]
    await bench.settle(order.invoice("100.00"))
    assert (bench.row().reason, bench.row().detail, bench.row().fix) == ("account_unknown", "401.00", "Create it.")

    await bench.settle(order.invoice("100.00", released=True))
    assert bench.books() == ["invoice 100.00"]


# -- the ERP is busy


async def test_the_back_off_grows_and_survives_a_restart(bench: Bench, order: Order) -> None:
    bench.wire.script["plan"] = [busy() for _ in range(7)]
    bench.add(order.invoice("100.00"))
    waits = []
    while (at := bench.ledger.next_time()) is not None:
        waits.append(at - bench.clock.monotonic())
        bench.clock.advance(max(waits[-1], 0.0))
        await Bench.once(bench)

    assert waits[1:] == [1, 2, 4, 8, 16, 20, 20]
    assert bench.row().attempts == 0


async def test_the_pause_that_the_erp_asks_for_is_kept(bench: Bench, order: Order) -> None:
    bench.wire.script["find"] = [busy(after=77.0)]
    bench.add(order.invoice("100.00"))
    await bench.once()

    assert bench.ledger.next_time() == 77.0


async def test_a_new_command_ends_the_pause(bench: Bench, order: Order) -> None:
    bench.wire.script["find"] = [busy(after=77.0)]
    bench.add(order.invoice("100.00"))
    await bench.once()
    bench.add(order.withdraw())

    assert bench.ledger.next_time() == 0.0


async def test_a_released_document_whose_first_call_fails_is_tried_again(bench: Bench, order: Order) -> None:
    await bench.settle(order.cannot())
    bench.wire.script["find"] = [busy()]
    await bench.settle(order.invoice("100.00"))

    assert bench.books() == ["invoice 100.00"]


# -- frozen, overtaken


@pytest.mark.parametrize("step", ["creating", "finalising"])
async def test_a_process_that_stood_still_after_its_announcement_sends_nothing(
    bench: Bench, order: Order, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = bench.ledger.record

    async def slow(lease, row, steps, **options):  # type: ignore[no-untyped-def] # the ledger's own signature
        stored = await record(lease, row, steps, **options)
        if steps and steps[-1].state == step:
            monkeypatch.undo()
            bench.clock.advance(5)
        return stored

    monkeypatch.setattr(bench.ledger, "record", slow)
    bench.add(order.invoice("100.00"))
    await bench.once()
    assert ("create" if step == "creating" else "finalise") not in bench.wire.calls

    await bench.settle()
    assert bench.books() == ["invoice 100.00"]


async def test_a_worker_that_was_overtaken_writes_nothing_more(bench: Bench, order: Order) -> None:
    bench.add(order.invoice("100.00"))
    (lease,) = await bench.ledger.lease_orders("erp", "w1", 1, 60)
    bench.clock.advance(61)
    (other,) = await bench.ledger.lease_orders("erp", "w2", 1, 60)

    with pytest.raises(LeaseLost):
        await bench.engine.work(lease)
    assert "create" not in bench.wire.calls
    await bench.engine.work(other)
    assert bench.books() == ["invoice 100.00"]


async def test_an_order_goes_on_at_once_when_a_command_arrived_during_the_work(bench: Bench, order: Order) -> None:
    bench.wire.before["verify"] = lambda: bench.add(order.credit("30.00"))
    bench.add(order.invoice("100.00"))
    await bench.once()

    assert bench.ledger.next_time() is not None
    await bench.settle()
    assert bench.books() == ["invoice 100.00", "credit_note 30.00"]
