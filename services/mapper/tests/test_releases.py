"""What people ask of held documents: what is released is decided anew, what is resolved recorded, the rest refused."""

from __future__ import annotations

from uuid import UUID

import pytest

from mlc_common.accounting import HoldReason, document_key
from mlc_common.events import Command, DocumentWish, HeldWish, ResolvedWish
from mlc_common.log.partitioner import partition_of
from mlc_mapper import control
from mlc_mapper.evolve import evolve
from mlc_mapper.inputs import CommandIssued
from mlc_mapper.state import OrderState

from .livelog import LATER, STORE, LiveLog
from .making import back, item, mapping_text, order, refund

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

MUG = item(2, "20.00", "1.00")
NO_ACCOUNT = mapping_text(revenue={"by_sku": None, "by_category": None, "default": None})
WITH_ACCOUNT = mapping_text(revenue={"by_sku": None, "by_category": None, "default": "4711"})
BY_CATEGORY = mapping_text(revenue={"by_sku": None, "by_category": {"mugs": "4712"}, "default": "4711"})


def invoice_of(order_id: int) -> UUID:
    return document_key("web", "invoice", str(order_id))


INVOICE, CREDIT = invoice_of(17), document_key("web", "credit_note", "25")


def account(command: Command) -> str:
    assert isinstance(command.wish, DocumentWish)
    return command.wish.document.lines[0].account


async def test_a_held_order_is_decided_by_the_mapping_that_was_corrected_and_posts(live: LiveLog) -> None:
    await live.apply(NO_ACCOUNT)
    seen = await live.hears(order(MUG))
    await live.hears(order(MUG, order_id=18))
    await live.turn()
    version = await live.apply(WITH_ACCOUNT)
    request = await live.release(17, INVOICE)
    await live.turn()
    held, released = await live.commands(17)
    assert isinstance(held.wish, HeldWish)
    assert (released.seq, released.cause, released.released) == (2, str(request), True)
    assert (released.mapping_version, account(released)) == (version, "4711")
    envelopes = await live.events(live.topics.commands("deltek"))
    (envelope,) = [one for one in envelopes if one.id == str(released.command_id)]
    assert (envelope.extensions["cause"], envelope.extensions["replayof"]) == (str(request), seen)
    assert [(one.commands, one.note) for one in await live.answers(request)] == [((released.command_id,), "")]
    assert len(await live.commands(18)) == 1, "a release is of one order alone"


async def test_a_release_of_what_did_not_change_is_commanded_all_the_same_and_once(live: LiveLog) -> None:
    await live.apply(WITH_ACCOUNT)
    await live.hears(order(MUG))
    await live.turn()
    await live.release(17, INVOICE)
    await live.release(17, INVOICE)
    await live.turn()
    first, again = await live.commands(17)
    assert again.content_digest == first.content_digest
    assert (first.seq, again.seq) == (1, 2)
    await live.hears(order(MUG, modified="2026-11-21T00:10:00"))
    await live.turn()
    assert len(await live.commands(17)) == 2, "an equal event after it commands nothing"


async def test_a_command_goes_through_the_lane_of_its_order(live: LiveLog) -> None:
    await live.apply(WITH_ACCOUNT)
    await live.hears(order(MUG))
    await live.turn()
    await live.release(17, INVOICE)
    await live._read_on()
    lane = partition_of(f"{STORE}:order:17".encode(), range(4), range(4))
    assert [row["lane"] for row in await live.pool.fetch("select lane from outbox")] == [lane]


async def test_what_is_to_be_rebooked_says_so(live: LiveLog) -> None:
    await live.apply(WITH_ACCOUNT)
    await live.hears(order(MUG))
    await live.turn()
    await live.apply(mapping_text(revenue={"by_sku": None, "by_category": None, "default": "4799"}))
    await live.release(17, INVOICE, rebook=True)
    await live.turn()
    first, again = await live.commands(17)
    assert (first.adjusting, again.adjusting) == ("difference", "rebook")
    assert (account(first), account(again)) == ("4711", "4799")


@pytest.mark.parametrize(("said", "asked"), [("hold", "hold"), ("adjust", "difference")])
async def test_commands_carry_what_the_mapping_says_of_changes_after_posting(
    live: LiveLog, said: str, asked: str
) -> None:
    await live.apply(mapping_text(after_posting=said))
    await live.hears(order(MUG))
    await live.turn()
    (command,) = await live.commands(17)
    assert command.adjusting == asked
    assert str(command.on) == "2026-11-20", "the store's date of the change"


async def test_a_resolution_is_handed_on_and_forgets_nothing(live: LiveLog) -> None:
    await live.apply(NO_ACCOUNT)
    await live.hears(order(MUG))
    await live.turn()
    request = await live.resolve(17, INVOICE, "closed")
    await live.turn()
    held, resolved = await live.commands(17)
    assert resolved.wish == ResolvedWish(found="closed", by="ada", why="seen in the ERP")
    assert (resolved.seq, resolved.cause, resolved.kind) == (2, str(request), "invoice")
    await live.hears(order(MUG, modified="2026-11-21T00:10:00"))
    await live.turn()
    assert len(await live.commands(17)) == 2, "an equal event does not undo what a person settled"
    (row,) = await live.states()
    last = OrderState.model_validate_json(row["state"]).wishes[INVOICE]
    assert (last.wish, last.digest, last.seq) == ("held", held.content_digest, 2)


async def test_how_a_document_is_booked_outlives_its_resolution(live: LiveLog) -> None:
    await live.apply(WITH_ACCOUNT)
    await live.hears(order(MUG))
    await live.turn()
    await live.resolve(17, INVOICE, "posted")
    await live.apply(NO_ACCOUNT)
    refunded = order(MUG, modified="2026-11-21T00:10:00")
    await live.reads(refunded, refund(25, "21.00", back(MUG, "20.00", "1.00")), at=LATER)
    await live.turn()
    _, resolved, credit = await live.commands(17)
    assert (resolved.wish.wish, credit.document_key, account(credit)) == ("resolved", CREDIT, "4711")


async def test_requests_about_what_is_not_known_are_dead_letters_with_their_reason(live: LiveLog) -> None:
    await live.apply(WITH_ACCOUNT)
    await live.hears(order(MUG))
    await live.turn()
    requests = [
        await live.release(99, INVOICE),
        await live.release(17, invoice_of(99), request="another"),
        await live.release(17, request="empty"),
        await live.release(17, INVOICE, flow="nowhere", request="elsewhere"),
        await live.resolve(17, CREDIT, "posted"),
    ]
    await live.turn()
    reasons = "\n".join(sorted(await live.dead_letters()))
    assert len(await live.dead_letters()) == 5
    for part in ("nothing is known of 'shop:order:99'", "no such document", "none is named", "no flow 'nowhere'"):
        assert part in reasons
    assert len(await live.commands()) == 1
    notes = [one.note for one in await live.answers(*requests)]
    assert len(notes) == 5, "whoever asked is told"
    assert all(notes)


async def test_an_order_that_a_defect_stopped_is_folded_from_the_log_before_it_is_released(
    live: LiveLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live.apply(WITH_ACCOUNT)
    with monkeypatch.context() as patched:
        patched.setattr("mlc_mapper.handler.decide", lambda *_args, **_more: 1 / 0)
        await live.hears(order(MUG))
        await live.turn()
    await live.hears(order(MUG, item(3, "5.00"), modified="2026-11-21T00:10:00"))
    await live.turn()
    (held,) = await live.commands(17)
    assert isinstance(held.wish, HeldWish)
    assert held.wish.reason == HoldReason.INTERNAL_ERROR
    request = await live.release(17, INVOICE)
    await live.turn()
    _, released = await live.commands(17)
    assert isinstance(released.wish, DocumentWish)
    assert str(released.wish.document.total) == "26.00", "of the event that had to wait"
    assert released.released
    (row,) = await live.states()
    assert row["defect"] == ""
    assert [one.commands for one in await live.answers(request)] == [(released.command_id,)]


async def test_a_release_that_meets_a_defect_is_held_for_it_and_the_next_one_passes(
    live: LiveLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live.apply(WITH_ACCOUNT)
    for number in (17, 18):
        await live.hears(order(MUG, order_id=number))
    await live.turn()
    decided = control._decided

    def broken(event: object, state: OrderState, *rest: object) -> object:
        return 1 / 0 if state.order_id == 17 else decided(event, state, *rest)  # type: ignore[arg-type] # as it came

    monkeypatch.setattr(control, "_decided", broken)
    await live.release(17, INVOICE)
    await live.release(18, invoice_of(18))
    await live.turn()
    assert (await live.commands(17))[-1].wish.wish == "held"
    assert (await live.commands(18))[-1].wish.wish == "document"


async def test_a_release_that_needs_more_of_the_order_reads_it_and_goes_on_by_itself(live: LiveLog) -> None:
    """R13: nothing is decided from half of what the rules ask for: the default account would be wrong here."""
    await live.apply(WITH_ACCOUNT)
    await live.hears(order(MUG))
    await live.turn()
    await live.apply(BY_CATEGORY)
    await live.release(17, INVOICE)
    await live.turn()
    waiting = (await live.commands(17))[-1]
    assert isinstance(waiting.wish, HeldWish)
    assert waiting.wish.reason == HoldReason.TO_BE_READ
    (fetch,) = await live.fetches()
    await live.reads(order(MUG), fetch_id=fetch.fetch_id, at=LATER)
    await live.turn()
    assert (await live.commands(17))[-1].wish.wish == "document"


async def test_commands_of_requests_fold_into_the_same_state_as_they_left(live: LiveLog) -> None:
    await live.apply(NO_ACCOUNT)
    await live.hears(order(MUG))
    await live.turn()
    await live.release(17, INVOICE)
    await live.resolve(17, INVOICE, "absent")
    await live.turn()
    (row,) = await live.states()
    kept = OrderState.model_validate_json(row["state"])
    folded = kept.model_copy(update={"wishes": {}, "seq": 0})
    for command in await live.commands(17):
        folded = evolve(folded, CommandIssued(command))
    assert folded == kept


def test_a_resolution_of_an_unknown_document_is_never_made_up() -> None:
    """The fold of a log that holds one all the same counts its number, or the next command would collide with it."""
    state = OrderState(flow="web", connection=STORE, order_id=17)
    wish = ResolvedWish(found="posted", by="ada", why="x")
    command = Command(
        command_id=INVOICE, document_key=INVOICE, flow="web", order_key="shop:order:17", seq=4, kind="invoice",
        wish=wish, cause="x", content_digest="",
    )  # fmt: skip
    after = evolve(state, CommandIssued(command))
    assert (after.seq, after.wishes) == (4, {})
