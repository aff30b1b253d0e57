"""Histories of the engine, one per path: all that it writes, sends and says, in this order and with these times.

They are in ``histories/``. Whoever changes the engine on purpose writes them anew with ``MLC_APPROVE_HISTORIES=1`` and
reads the diff; whoever did not mean to change anything sees what changed.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest

from mlc_common.accounting import HoldReason
from mlc_common.errors import Held, Rejected
from mlc_common.events import Command, DocumentWish, HeldWish

from .bench import SETTINGS, busy
from .erp import Dialect
from .recorded import RecordedBench
from .wishes import Order, buyer

HISTORIES = Path(__file__).with_name("histories")
REFERENCE = "IN-WC01-1001"
CLOSED = HoldReason.PERIOD_CLOSED

Path_ = Callable[[RecordedBench, Order], Awaitable[None]]
PATHS: dict[str, tuple[Path_, Dialect]] = {}


def path(dialect: Dialect = "files") -> Callable[[Path_], Path_]:
    """One path through the engine; its name is the history's."""

    def add(made: Path_) -> Path_:
        PATHS[made.__name__] = (made, dialect)
        return made

    return add


def editable() -> Order:
    """An order whose changes after posting are booked as a difference."""
    return Order("1001", adjusting="difference", on=date(2026, 4, 2))


def refused() -> Held:
    """What an ERP says whose month is closed."""
    return Held(CLOSED, "03/2026 is closed.", fix="Open it.")


# -- new documents


@path()
async def posted(bench: RecordedBench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"), order.credit("30.00"))
    await bench.settle(order.invoice("100.00"))


@path("direct")
async def posted_without_drafts(bench: RecordedBench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))


@path()
async def busy_at_every_step(bench: RecordedBench, order: Order) -> None:
    for verb in ("plan", "find", "create", "finalise", "verify"):
        bench.wire.script[verb] = [busy(), busy(after=40.0)]
    await bench.settle(order.invoice("100.00"))


@path()
async def refused_then_amended(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["finalise"] = [refused()]
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("120.00"))


@path()
async def refused_at_create_then_released(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["create"] = [refused()]
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("100.00", released=True))


@path()
async def refused_then_withdrawn(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["finalise"] = [refused()]
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.withdraw())


@path()
async def amended_draft_without_an_answer(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["finalise"] = [refused()]
    bench.wire.script["amend"] = ["late"]
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("120.00"))


@path()
async def withdrawn_at_once(bench: RecordedBench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"), order.credit("30.00"), order.withdraw())
    await bench.settle(order.invoice("90.00"))


@path()
async def cannot_be_mapped_then_can(bench: RecordedBench, order: Order) -> None:
    await bench.settle(_with_a_fix(order.cannot()), order.credit("30.00"))
    await bench.settle(order.invoice("100.00"))


@path()
async def credits_beyond_the_invoice(bench: RecordedBench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"), order.credit("60.00"), order.credit("40.01", "78"))


@path()
async def credit_without_an_invoice(bench: RecordedBench, order: Order) -> None:
    await bench.settle(order.credit("30.00"))


# -- what lies there already


@path()
async def adopted(bench: RecordedBench, order: Order) -> None:
    bench.erp.foreign(REFERENCE, order.bill("100.00"), posted=True, ours=True)
    await bench.settle(order.invoice("100.00"))


@path()
async def conflict_with_somebody_elses(bench: RecordedBench, order: Order) -> None:
    bench.erp.foreign(REFERENCE, order.bill("55.00"), posted=True)
    await bench.settle(order.invoice("100.00"))


@path()
async def conflict_with_an_equal_one_that_is_not_ours(bench: RecordedBench, order: Order) -> None:
    bench.erp.foreign(REFERENCE, order.bill("100.00"), posted=False)
    await bench.settle(order.invoice("100.00"))


@path()
async def duplicated(bench: RecordedBench, order: Order) -> None:
    for _ in range(2):
        bench.erp.foreign(REFERENCE, order.bill("100.00"), posted=True, ours=True)
    await bench.settle(order.invoice("100.00"))


@path("handles")
async def surplus_drafts(bench: RecordedBench, order: Order) -> None:
    for amount in ("90.00", "100.00", "80.00"):
        bench.erp.foreign(REFERENCE, order.bill(amount), posted=False, ours=True)
    await bench.settle(order.invoice("100.00"))


@path("handles")
async def surplus_drafts_none_of_them_equal(bench: RecordedBench, order: Order) -> None:
    for amount in ("90.00", "80.00"):
        bench.erp.foreign(REFERENCE, order.bill(amount), posted=False, ours=True)
    await bench.settle(order.invoice("100.00"))


@path()
async def draft_altered_by_the_erp(bench: RecordedBench, order: Order) -> None:
    bench.wire.before["find"] = lambda: bench.wire.before.update(
        find=lambda: bench.erp.amend(REFERENCE, order.bill("99.99"))
    )
    await bench.settle(order.invoice("100.00"))


@path()
async def foreign_document_behind_a_superseded_draft(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["finalise"] = [refused()]
    await bench.settle(order.invoice("100.00"))
    bench.erp.amend(REFERENCE, order.bill("90.00"))
    bench.erp.finalise(REFERENCE)
    await bench.settle(order.withdraw())


# -- no answer


@path()
async def create_without_an_answer(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["create"] = ["gone"]
    await bench.settle(order.invoice("100.00"))


@path()
async def create_that_took_effect_late(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["create"] = ["late"]
    await bench.settle(order.invoice("100.00"))


@path()
async def create_unanswered_and_the_wish_changed(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["create"] = ["late"]
    bench.add(order.invoice("100.00"))
    await bench.once()
    await bench.settle(order.invoice("120.00"))


@path()
async def posting_without_an_answer(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["finalise"] = ["lost"]
    await bench.settle(order.invoice("100.00"))


@path()
async def posting_without_a_trace(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["finalise"] = ["gone"]
    bench.add(order.invoice("100.00"))
    await bench.once()
    bench.erp.remove(REFERENCE)
    await bench.settle()
    await bench.settle(order.invoice("120.00"))
    await bench.settle(order.invoice("120.00", released=True))


@path()
async def duplicate_that_never_shows(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["create"] = [Rejected("duplicate", "exists")]
    bench.wire.script["find"] = [None, busy()]
    await bench.settle(order.invoice("100.00"))


@path()
async def unreadable_answer_to_create(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["create"] = [Held(HoldReason.UNKNOWN_OUTCOME, "an answer nobody can read")]
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("120.00"))


@path()
async def created_and_seen_late(bench: RecordedBench, order: Order) -> None:
    bench.clock.advance(60)
    bench.wire.lag = 8
    await bench.settle(order.invoice("100.00"))


@path()
async def books_differ(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["verify"] = [Held(HoldReason.AMOUNTS_DIFFER_FROM_ERP, "99.99")] * 2
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("100.00", released=True))
    await bench.settle(order.invoice("100.00", released=True))


@path()
async def defect_of_ours(bench: RecordedBench, order: Order) -> None:
    bench.add(order.invoice("100.00"))
    (lease,) = await bench.ledger.lease_orders("erp", "w1", 1, 60)
    await bench.engine.hold_for_defect(lease, "ZeroDivisionError: division by zero")
    (again,) = [*await bench.ledger.lease_orders("erp", "w1", 1, 60), lease][:1]
    await bench.engine.hold_for_defect(again, "nothing to hold")
    await bench.settle(order.invoice("100.00", released=True))


# -- once it is posted


@path()
async def changed_after_posting_waits(bench: RecordedBench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"), order.credit("30.00"))
    await bench.settle(order.invoice("120.00"))
    await bench.settle(order.invoice("100.00"), order.withdraw_credit())


@path()
async def cannot_be_mapped_any_more(bench: RecordedBench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    await bench.settle(_with_a_fix(order.cannot("tax_code_unknown")))


@path()
async def adjusted_up_and_down(bench: RecordedBench, order: Order) -> None:
    order = editable()
    for total in ("100.00", "120.00", "90.00", "90.00"):
        await bench.settle(order.invoice(total))


@path()
async def adjusted_with_a_held_draft(bench: RecordedBench, order: Order) -> None:
    order = editable()
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["finalise"] = [refused()]
    await bench.settle(order.invoice("120.00"))
    await bench.settle(order.invoice("135.00"))


@path()
async def changed_back_before_it_was_sent(bench: RecordedBench, order: Order) -> None:
    order = editable()
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["find"] = [busy()]
    bench.add(order.invoice("120.00"))
    await bench.once()
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("130.00"))


@path()
async def changed_back_with_a_held_draft(bench: RecordedBench, order: Order) -> None:
    order = editable()
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["finalise"] = [refused()]
    await bench.settle(order.invoice("120.00"))
    await bench.settle(order.invoice("100.00"))


@path()
async def cancelled_and_back(bench: RecordedBench, order: Order) -> None:
    order = editable()
    await bench.settle(order.invoice("100.00"), order.credit("30.00"))
    await bench.settle(order.withdraw())
    await bench.settle(order.invoice("100.00"))


@path()
async def cancelled_and_the_refund_deleted(bench: RecordedBench, order: Order) -> None:
    order = editable()
    await bench.settle(order.invoice("100.00"), order.credit("30.00"))
    await bench.settle(order.withdraw())
    await bench.settle(order.withdraw_credit())


@path()
async def refund_changed_both_ways(bench: RecordedBench, order: Order) -> None:
    order = editable()
    await bench.settle(order.invoice("100.00"), order.credit("30.00"))
    await bench.settle(order.credit("45.00"))
    await bench.settle(order.credit("10.00"))


@path()
async def another_currency(bench: RecordedBench, order: Order) -> None:
    order = editable()
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("100.00", currency="EUR"))


@path()
async def rebooked(bench: RecordedBench, order: Order) -> None:
    order = editable()
    await bench.settle(order.invoice("100.00"))
    order.adjusting = "rebook"
    await bench.settle(order.invoice("100.00", account="402.00"))


@path()
async def rebooked_to_another_project(bench: RecordedBench, order: Order) -> None:
    order = editable()
    order.adjusting = "rebook"
    await bench.settle(order.invoice("100.00"))
    await bench.settle(_placed(order.invoice("100.00"), "P7"), _placed(order.invoice("100.00"), ""))


@path()
async def firms_own_project_to_another(bench: RecordedBench, order: Order) -> None:
    order = editable()
    order.adjusting = "rebook"
    await bench.settle(_placed(order.invoice("100.00"), ""))
    await bench.settle(_placed(order.invoice("100.00"), "P7"))


def _with_a_fix(command: Command) -> Command:
    """The command of what cannot be mapped, with what a person can do."""
    assert isinstance(command.wish, HeldWish)
    return command.model_copy(update={"wish": command.wish.model_copy(update={"fix": "Map it."})})


def _placed(command: Command, project: str) -> Command:
    """The command with its document on another project."""
    assert isinstance(command.wish, DocumentWish)
    document = command.wish.document
    placement = document.placement.model_copy(update={"project": project})
    wish = DocumentWish(document=document.model_copy(update={"placement": placement}))
    return command.model_copy(update={"wish": wish})


# -- another reference


@path()
async def renumbered_with_a_held_draft(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["finalise"] = [refused()]
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.renumbered().invoice("100.00", released=True))


@path()
async def renumbered_after_a_posting_by_hand(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["finalise"] = [refused()]
    await bench.settle(order.invoice("100.00"))
    bench.erp.finalise(REFERENCE)
    await bench.settle(order.renumbered().invoice("100.00", released=True))


@path()
async def renumbered_after_an_altered_draft_was_posted_by_hand(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["finalise"] = [refused()]
    await bench.settle(order.invoice("100.00"))
    bench.erp.amend(REFERENCE, order.bill("90.00"))
    bench.erp.finalise(REFERENCE)
    await bench.settle(order.renumbered().invoice("100.00"))
    bench.erp.remove(REFERENCE)
    await bench.settle(order.invoice("100.00", released=True))


@path()
async def renumbered_beside_somebody_elses(bench: RecordedBench, order: Order) -> None:
    bench.erp.foreign(REFERENCE, order.bill("55.00"), posted=True)
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.renumbered().invoice("100.00"))
    await bench.settle(order.invoice("100.00", released=True))


@path()
async def renumbered_while_a_create_was_on_its_way(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["create"] = ["late"]
    bench.add(order.invoice("100.00"))
    await bench.once()
    await bench.settle(order.renumbered().invoice("100.00"))


@path()
async def renumbered_and_called_absent(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["finalise"] = [refused()]
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["find"] = [refused()]
    await bench.settle(order.renumbered().invoice("100.00"))
    await bench.settle(order.resolve("absent"))


@path()
async def refund_renumbered_with_a_held_draft(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["finalise"] = [None, refused()]
    await bench.settle(order.invoice("100.00"), order.credit("30.00"))
    await bench.settle(order.renumbered().credit("30.00", released=True))


@path()
async def cancelled_with_a_held_difference(bench: RecordedBench, order: Order) -> None:
    order = editable()
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["finalise"] = [refused()]
    await bench.settle(order.invoice("120.00"))
    await bench.settle(order.withdraw())


@path()
async def cancelled_after_a_difference_was_posted_by_hand(bench: RecordedBench, order: Order) -> None:
    order = editable()
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["finalise"] = [refused()]
    await bench.settle(order.invoice("120.00"))
    bench.erp.finalise(f"{REFERENCE}-A1")
    await bench.settle(order.withdraw())


@path()
async def back_after_a_cancellation_was_posted_by_hand(bench: RecordedBench, order: Order) -> None:
    order = editable()
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["finalise"] = [refused()]
    await bench.settle(order.withdraw())
    bench.erp.finalise(f"{REFERENCE}-X1")
    await bench.settle(order.invoice("80.00"))


# -- a person's word


async def lost(bench: RecordedBench, order: Order) -> None:
    """A draft that was sent to be posted and is now neither."""
    bench.wire.script["finalise"] = ["gone"]
    bench.add(order.invoice("100.00"))
    await bench.once()
    bench.erp.remove(REFERENCE)
    await bench.settle()


@path()
async def resolved_as_posted(bench: RecordedBench, order: Order) -> None:
    await lost(bench, order)
    await bench.settle(order.resolve("posted"))
    await bench.settle(order.invoice("110.00"))


@path()
async def resolved_as_absent(bench: RecordedBench, order: Order) -> None:
    await lost(bench, order)
    await bench.settle(order.resolve("absent"))


@path()
async def resolved_as_closed(bench: RecordedBench, order: Order) -> None:
    await lost(bench, order)
    await bench.settle(order.resolve("closed"))
    await bench.settle(order.invoice("110.00"))
    await bench.settle(order.invoice("110.00", released=True))


@path()
async def closed_with_a_draft_left(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["finalise"] = [refused()]
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.resolve("closed"))


@path()
async def closed_before_anything_was_sent(bench: RecordedBench, order: Order) -> None:
    await bench.settle(order.cannot())
    await bench.settle(order.resolve("closed"))
    await bench.settle(order.withdraw())
    await bench.settle(order.invoice("100.00"))


@path()
async def posted_by_hand_and_never_known(bench: RecordedBench, order: Order) -> None:
    await bench.settle(order.cannot())
    await bench.settle(order.resolve("posted"))
    await bench.settle(order.withdraw())


@path()
async def difference_booked_by_hand(bench: RecordedBench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("120.00"))
    await bench.settle(order.resolve("posted"))
    order.adjusting = "difference"
    await bench.settle(order.invoice("150.00"))


@path()
async def difference_absent_by_a_persons_word(bench: RecordedBench, order: Order) -> None:
    order = editable()
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["finalise"] = [refused()]
    await bench.settle(order.invoice("120.00"))
    await bench.settle(order.resolve("absent"))


@path()
async def difference_closed_with_a_draft_left(bench: RecordedBench, order: Order) -> None:
    order = editable()
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["finalise"] = [refused()]
    await bench.settle(order.invoice("120.00"))
    await bench.settle(order.resolve("closed"))


@path()
async def difference_closed_before_it_was_sent(bench: RecordedBench, order: Order) -> None:
    order = editable()
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["plan"] = [refused()]
    await bench.settle(order.invoice("120.00"))
    await bench.settle(order.resolve("closed"))
    await bench.settle(order.invoice("140.00"))


@path()
async def nothing_to_resolve(bench: RecordedBench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.resolve("posted"))
    await bench.settle(order.resolve("closed"))


@path()
async def posted_by_hand_after_an_older_wish_was_refused(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["create"] = [refused()]
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.cannot())
    await bench.settle(order.resolve("posted"))


# -- the log tells less than the ledger knew


def _forget(bench: RecordedBench) -> None:
    """The ledger was rebuilt: it knows that something was announced, and not what."""
    row = bench.row()
    bench.ledger._rows[row.key] = dataclasses.replace(row, plan=None, pursued=None, pursued_seq=0)


@path()
async def rebuilt_while_a_create_was_on_its_way(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["create"] = ["late"]
    bench.add(order.invoice("100.00"))
    await bench.once()
    _forget(bench)
    await bench.settle()


@path()
async def rebuilt_with_what_was_pursued_and_a_newer_wish(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["create"] = ["late"]
    bench.add(order.invoice("100.00"))
    await bench.once()
    row = bench.row()
    bench.ledger._rows[row.key] = dataclasses.replace(row, plan=None)
    await bench.settle(order.invoice("120.00"))


@path()
async def rebuilt_when_nothing_is_wanted_any_more(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["create"] = ["gone"]
    bench.add(order.invoice("100.00"))
    await bench.once()
    _forget(bench)
    await bench.settle(order.withdraw())


# -- at the last moment


def _late_once(bench: RecordedBench, step: str, seconds: float) -> None:
    """The ledger answers late, once, when this is announced."""
    record = bench.ledger.record

    async def slow(lease, row, steps, **named):  # type: ignore[no-untyped-def] # the ledger's own signature
        stored = await record(lease, row, steps, **named)
        if steps and steps[-1].state == step:
            bench.ledger.record = record  # type: ignore[method-assign] # late once
            bench.clock.advance(seconds)
        return stored

    bench.ledger.record = slow  # type: ignore[method-assign] # see above


@path()
async def sent_within_the_margin(bench: RecordedBench, order: Order) -> None:
    _late_once(bench, "creating", SETTINGS.margin_s)
    await bench.settle(order.invoice("100.00"))


@path()
async def not_sent_after_the_margin(bench: RecordedBench, order: Order) -> None:
    _late_once(bench, "finalising", SETTINGS.margin_s + 0.5)
    await bench.settle(order.invoice("100.00"))


# -- firms


@path()
async def firm_made(bench: RecordedBench, order: Order) -> None:
    await bench.settle(Order("1001", party=buyer(create=True)).invoice("100.00"))
    await bench.settle(Order("1002", party=buyer(create=True)).invoice("50.00"))


@path()
async def firm_asked_for_without_an_answer(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["create_party"] = ["gone"]
    await bench.settle(Order("1001", party=buyer(create=True)).invoice("100.00"))


@path()
async def firm_that_never_shows(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["create_party"] = [Rejected("duplicate", "exists")] * 5
    await bench.settle(Order("1001", party=buyer(create=True)).invoice("100.00"))


@path()
async def firm_refused(bench: RecordedBench, order: Order) -> None:
    bench.wire.script["create_party"] = [busy(after=7.0), refused()]
    await bench.settle(Order("1001", party=buyer(create=True)).invoice("100.00"))


@path()
async def firm_ambiguous(bench: RecordedBench, order: Order) -> None:
    party = buyer(create=True)
    bench.erp.make_firm(party.external_key)
    bench.erp.make_firm(party.external_key)
    await bench.settle(Order("1001", party=party).invoice("100.00"))


@path()
async def firm_missing(bench: RecordedBench, order: Order) -> None:
    await bench.settle(Order(party=buyer(create=True).model_copy(update={"create": False})).invoice("100.00"))
    bench.gateway.firms_carry_keys = False
    await bench.settle(Order("1002", party=buyer("8", create=True)).invoice("100.00"))


@path()
async def firm_being_made_by_another(bench: RecordedBench, order: Order) -> None:
    party = buyer(create=True)
    await bench.ledger.lease_party(party.key, "w2", 3.0)
    await bench.settle(Order("1001", party=party).invoice("100.00"))


async def _firm_announced(bench: RecordedBench, seconds: float) -> None:
    """The announcement of a firm takes this long, once."""
    record = bench.ledger.record_party

    async def slow(*given, **named):  # type: ignore[no-untyped-def] # the ledger's own signature
        bench.ledger.record_party = record  # type: ignore[method-assign] # slow once
        stored = await record(*given, **named)
        bench.clock.advance(seconds)
        return stored

    bench.ledger.record_party = slow  # type: ignore[method-assign] # see above
    await bench.settle(Order("1001", party=buyer(create=True)).invoice("100.00"))


@path()
async def firm_announced_by_a_process_that_stood_still(bench: RecordedBench, order: Order) -> None:
    await _firm_announced(bench, SETTINGS.margin_s + 0.5)


@path()
async def firm_made_within_the_margin(bench: RecordedBench, order: Order) -> None:
    await _firm_announced(bench, SETTINGS.margin_s)


@path()
async def firm_made_by_another_meanwhile(bench: RecordedBench, order: Order) -> None:
    lease, party = bench.ledger.lease_party, buyer(create=True)

    async def after_the_other(key: UUID, owner: str, seconds: float) -> int | None:
        row = await bench.ledger.party("shop-to-books", party)
        bench.ledger._parties[key] = dataclasses.replace(row, state="ready", erp_id="F9")
        return await lease(key, owner, seconds)

    bench.ledger.lease_party = after_the_other  # type: ignore[method-assign] # another was quicker
    await bench.settle(Order("1001", party=party).invoice("100.00"))


@pytest.mark.parametrize("name", PATHS)
async def test_the_engine_does_and_says_what_its_history_tells(name: str) -> None:
    made, dialect = PATHS[name]
    bench = RecordedBench(dialect)
    await made(bench, Order())
    kept = HISTORIES / f"{name}.txt"
    if os.environ.get("MLC_APPROVE_HISTORIES"):
        HISTORIES.mkdir(exist_ok=True)
        kept.write_text(bench.history(), encoding="utf-8")
    assert bench.history() == kept.read_text(encoding="utf-8")


def test_every_history_belongs_to_a_path() -> None:
    assert {file.stem for file in HISTORIES.iterdir()} == set(PATHS)
