"""The mapping's numbering is changed while a document is on its way: it goes under the new one, and only there.

The same holds where the engine itself gives another reference: to the difference of an order that is cancelled.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from mlc_common.accounting import HoldReason
from mlc_common.errors import Held, Unconfirmed
from mlc_common.posting.ledger import State

from .bench import Bench, busy
from .erp import Dialect
from .fakegateway import LIMITS
from .wishes import Order

INVOICE, CREDIT, DIFFERENCE = "IN-WC01-1001", "CM-WC01-1001-R77", "IN-WC01-1001-A1"
RENUMBERED = "IN-WC02-1001"


def closed() -> Held:
    """What an ERP says whose month is closed."""
    return Held(HoldReason.PERIOD_CLOSED, "03/2026")


def references(bench: Bench) -> list[str]:
    """Of everything posted."""
    return [thing.reference for thing in bench.erp.stand().things if thing.posted]


async def held_draft(bench: Bench, order: Order) -> None:
    """A draft that the ERP did not post."""
    bench.wire.script["finalise"] = [closed()]
    await bench.settle(order.invoice("100.00"))
    assert [draft.reference for draft in bench.erp.drafts()] == [INVOICE]


@pytest.mark.parametrize("dialect", ["files", "unposted files", "handles"])
async def test_a_held_draft_does_not_stay_when_its_number_changes(order: Order, dialect: Dialect) -> None:
    bench = Bench(dialect)
    await held_draft(bench, order)
    await bench.settle(order.renumbered().invoice("100.00", released=True))

    assert references(bench) == [RENUMBERED]
    assert bench.erp.drafts() == []
    assert bench.row().state is State.VERIFIED


@pytest.mark.parametrize("dialect", ["files", "unposted files", "handles"])
async def test_a_draft_that_was_posted_by_hand_is_the_document_whatever_its_number_would_be_now(
    order: Order, dialect: Dialect
) -> None:
    bench = Bench(dialect)
    await held_draft(bench, order)
    bench.erp.finalise(bench.erp.drafts()[0].handle)
    await bench.settle(order.renumbered().invoice("100.00", released=True))

    assert references(bench) == [INVOICE]
    assert bench.row().state is State.UNCHANGED


async def test_what_changed_since_the_posting_by_hand_is_adjusted(bench: Bench) -> None:
    order = Order(adjusting="difference")
    await held_draft(bench, order)
    bench.erp.finalise(INVOICE)
    await bench.settle(order.renumbered().invoice("120.00"))

    assert references(bench) == [INVOICE, DIFFERENCE]
    assert bench.net() == Decimal("120.00")


async def test_a_posting_by_hand_between_the_look_and_the_removal_is_seen(bench: Bench, order: Order) -> None:
    await held_draft(bench, order)
    bench.wire.before["discard"] = lambda: bench.erp.finalise(INVOICE)
    await bench.settle(order.renumbered().invoice("100.00"))

    assert references(bench) == [INVOICE]
    assert bench.row().state is State.UNCHANGED


@pytest.mark.parametrize("loss", ["gone", "late", "lost"])
async def test_a_removal_without_an_answer_is_looked_up(bench: Bench, order: Order, loss: str) -> None:
    await held_draft(bench, order)
    bench.wire.script["discard"] = [loss]
    await bench.settle(order.renumbered().invoice("100.00"))

    assert references(bench) == [RENUMBERED]
    assert bench.erp.drafts() == []


async def test_a_removed_draft_that_stays_in_sight_is_not_removed_in_a_hot_loop(bench: Bench, order: Order) -> None:
    await held_draft(bench, order)
    bench.clock.advance(60)
    bench.wire.lag = 8
    await bench.settle(order.renumbered().invoice("100.00"))

    assert references(bench) == [RENUMBERED]
    assert bench.wire.calls.count("discard") == 1


async def test_a_draft_that_a_look_does_not_show_yet_is_waited_for(bench: Bench, order: Order) -> None:
    await held_draft(bench, order)
    bench.wire.lag = LIMITS.visibility_delay_s - 1
    await bench.settle(order.renumbered().invoice("100.00"))

    assert bench.erp.drafts() == []
    assert references(bench) == [RENUMBERED]


async def test_an_erp_that_is_busy_when_the_old_reference_is_looked_at_is_asked_again(
    bench: Bench, order: Order
) -> None:
    await held_draft(bench, order)
    bench.wire.script["find"] = [busy(), busy()]
    bench.wire.script["discard"] = [busy()]
    await bench.settle(order.renumbered().invoice("100.00"))

    assert references(bench) == [RENUMBERED]
    assert bench.erp.drafts() == []


@pytest.mark.parametrize("loss", ["gone", "late", "lost"])
@pytest.mark.parametrize("verb", ["create", "finalise"])
async def test_what_was_on_its_way_under_the_old_number_settles_first(
    bench: Bench, order: Order, verb: str, loss: str
) -> None:
    bench.wire.script[verb] = [loss]
    bench.add(order.invoice("100.00"))
    await bench.once()
    await bench.settle(order.renumbered().invoice("100.00"))

    assert len(references(bench)) == 1
    assert bench.erp.drafts() == []
    assert bench.row().is_final


async def test_a_refused_create_costs_no_second_document(bench: Bench, order: Order) -> None:
    bench.wire.script["create"] = [closed()]
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.renumbered().invoice("100.00", released=True))

    assert references(bench) == [RENUMBERED]


async def test_nothing_of_the_old_number_is_asked_of_the_erp_where_none_was_tried(bench: Bench, order: Order) -> None:
    await bench.settle(order.cannot())
    await bench.settle(order.renumbered().invoice("100.00"))

    assert bench.wire.calls == ["plan", "find", "create", "find", "finalise", "verify"]


# -- changed by hand


async def altered(bench: Bench, order: Order) -> None:
    """Our draft, as somebody changed and posted it."""
    await held_draft(bench, order)
    bench.erp.amend(INVOICE, order.bill("90.00"))
    bench.erp.finalise(INVOICE)


@pytest.mark.parametrize("released", [False, True])
async def test_ours_that_was_altered_and_posted_by_hand_is_never_doubled(
    bench: Bench, order: Order, released: bool
) -> None:
    await altered(bench, order)
    for _ in range(2):
        await bench.settle(order.renumbered().invoice("100.00", released=released))

        assert bench.row().reason == HoldReason.CONFLICT_IN_ERP
        assert bench.row().detail == f"{INVOICE} is in the ERP. 90.00 instead of 100.00"
    assert references(bench) == [INVOICE]


async def test_once_it_is_gone_a_release_posts_under_the_new_number(bench: Bench, order: Order) -> None:
    await altered(bench, order)
    await bench.settle(order.renumbered().invoice("100.00"))
    bench.erp.remove(INVOICE)
    await bench.settle(order.invoice("100.00", released=True))

    assert references(bench) == [RENUMBERED]


async def test_the_old_numbering_back_again_finds_what_stands_there(bench: Bench, order: Order) -> None:
    await altered(bench, order)
    await bench.settle(order.renumbered().invoice("100.00"))
    order.code = "WC01"
    await bench.settle(order.invoice("90.00"))

    assert references(bench) == [INVOICE]
    assert bench.row().state is State.VERIFIED


async def test_what_was_withdrawn_beside_it_and_is_wanted_again_is_not_doubled(bench: Bench, order: Order) -> None:
    await altered(bench, order)
    await bench.settle(order.withdraw())
    await bench.settle(order.withdraw(released=True))
    assert bench.states() == [State.WITHDRAWN]
    await bench.settle(order.renumbered().invoice("100.00"))

    assert bench.row().reason == HoldReason.CONFLICT_IN_ERP
    assert references(bench) == [INVOICE]


async def test_a_number_that_somebody_else_has_taken_is_cured_by_another(bench: Bench, order: Order) -> None:
    bench.erp.foreign(INVOICE, order.bill("55.00"), posted=True)
    await bench.settle(order.invoice("100.00"))
    assert bench.row().reason == HoldReason.CONFLICT_IN_ERP
    await bench.settle(order.renumbered().invoice("100.00", released=True))

    assert references(bench) == [INVOICE, RENUMBERED]
    assert bench.row().state is State.VERIFIED


async def test_without_a_release_nothing_goes_beside_somebody_elses(bench: Bench, order: Order) -> None:
    bench.erp.foreign(INVOICE, order.bill("100.00"), posted=True)
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.renumbered().invoice("100.00"))
    assert bench.row().reason == HoldReason.CONFLICT_IN_ERP
    assert references(bench) == [INVOICE]
    await bench.settle(order.invoice("100.00", released=True))

    assert references(bench) == [INVOICE, RENUMBERED]


# -- a person's word


@pytest.mark.parametrize("left", [False, True], ids=["nothing left", "still there"])
async def test_what_a_person_calls_absent_is_looked_for_once_more_under_its_old_number(
    bench: Bench, order: Order, left: bool
) -> None:
    await held_draft(bench, order)
    if left:
        bench.erp.finalise(INVOICE)
    else:
        bench.erp.remove(INVOICE)
    bench.wire.script["find"] = [Held(HoldReason.REFUSED_BY_ERP, "not now")]
    await bench.settle(order.renumbered().invoice("100.00"))
    assert bench.row().state is State.HELD
    await bench.settle(order.resolve("absent"))

    assert references(bench) == [INVOICE if left else RENUMBERED]
    assert bench.row().is_final


# -- credits, and what adjusts


async def test_a_held_draft_of_a_credit_does_not_stay_when_its_number_changes(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["finalise"] = [closed()]
    await bench.settle(order.credit("30.00"))
    await bench.settle(order.renumbered().credit("30.00", released=True))

    assert references(bench) == [INVOICE, "CM-WC02-1001-R77"]
    assert bench.erp.drafts() == []


async def test_a_credit_that_was_posted_by_hand_is_not_credited_again(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["finalise"] = [closed()]
    await bench.settle(order.credit("30.00"))
    bench.erp.finalise(CREDIT)
    await bench.settle(order.renumbered().credit("30.00", released=True))

    assert references(bench) == [INVOICE, CREDIT]
    assert bench.row("credit_note").state is State.UNCHANGED


async def held_difference(bench: Bench, order: Order) -> None:
    """Posted, changed, and the difference is a draft that the ERP did not post."""
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["finalise"] = [closed()]
    await bench.settle(order.invoice("120.00"))
    assert [draft.reference for draft in bench.erp.drafts()] == [DIFFERENCE]


async def test_the_draft_of_a_difference_does_not_stay_when_the_order_is_cancelled(bench: Bench) -> None:
    order = Order(adjusting="difference")
    await held_difference(bench, order)
    await bench.settle(order.withdraw())

    assert references(bench) == [INVOICE, "IN-WC01-1001-X1"]
    assert bench.erp.drafts() == []
    assert bench.net() == 0


async def test_a_difference_that_was_posted_by_hand_is_credited_when_the_order_is_cancelled(bench: Bench) -> None:
    order = Order(adjusting="difference")
    await held_difference(bench, order)
    bench.erp.finalise(DIFFERENCE)
    await bench.settle(order.withdraw())

    assert references(bench) == [INVOICE, DIFFERENCE, "IN-WC01-1001-X2"]
    assert bench.net() == 0
    assert bench.states() == [State.WITHDRAWN, State.VERIFIED, State.VERIFIED]


async def test_a_difference_that_was_altered_and_posted_by_hand_waits_for_a_person(bench: Bench) -> None:
    order = Order(adjusting="difference")
    await held_difference(bench, order)
    bench.erp.amend(DIFFERENCE, order.bill("7.00"))
    bench.erp.finalise(DIFFERENCE)
    await bench.settle(order.withdraw())
    await bench.settle(order.withdraw(released=True))

    assert references(bench) == [INVOICE, DIFFERENCE]
    assert bench.row("adjustment").reason == HoldReason.CONFLICT_IN_ERP


@pytest.mark.parametrize("total", ["100.00", "80.00"])
async def test_a_cancellation_that_was_posted_by_hand_is_taken_back_when_the_order_is_back(
    bench: Bench, total: str
) -> None:
    order = Order(adjusting="difference")
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["finalise"] = [closed()]
    await bench.settle(order.withdraw())
    bench.erp.finalise("IN-WC01-1001-X1")
    await bench.settle(order.invoice(total))

    assert references(bench) == [INVOICE, "IN-WC01-1001-X1", "IN-WC01-1001-A2"]
    assert bench.net() == Decimal(total)
    assert bench.states() == [State.ADJUSTED, State.VERIFIED, State.VERIFIED]


async def test_a_difference_of_unknown_outcome_that_is_in_the_books_counts(bench: Bench) -> None:
    """Its row had been given up when the order changed again; what stands is what was sent first."""
    order = Order(adjusting="difference")
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["finalise"] = [Unconfirmed(DIFFERENCE, "no answer")]
    bench.wire.script["find"] = [None, None, RuntimeError("a defect")]
    bench.add(order.invoice("120.00"))
    await bench.once()
    bench.clock.advance(5)
    (lease,) = await bench.ledger.lease_orders("erp", "w1", 1, 60)
    with pytest.raises(RuntimeError):
        await bench.engine.work(lease)
    await bench.engine.hold_for_defect(lease, "a defect")
    bench.erp.finalise(DIFFERENCE)
    await bench.settle(order.invoice("135.00"))

    assert bench.net() == Decimal("135.00")
    assert [row.state for row in bench.ledger.rows()] == [State.ADJUSTED, State.VERIFIED, State.VERIFIED]
