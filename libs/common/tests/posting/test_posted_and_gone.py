"""What is held after it was posted: corrected, deleted or settled by hand in the ERP, and then released or resolved.

docs/holds.md says what follows from which word; nothing of it may be doubled, forgotten, or tried for ever in silence.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import pytest

from mlc_common.accounting import HoldReason
from mlc_common.errors import Held
from mlc_common.events import Command
from mlc_common.posting.ledger import State

from .bench import Bench
from .wishes import Order

INVOICE, DIFFERENCE = "IN-WC01-1001", "IN-WC01-1001-A1"
Word = Literal["posted", "absent", "closed"]


def altered(bench: Bench, reference: str, order: Order) -> None:
    """The books will hold another amount than what was posted, when they are compared."""

    def alter() -> None:
        bench.erp.remove(reference)
        bench.erp.foreign(reference, order.bill("7.00"), posted=True, ours=True)

    bench.wire.before["verify"] = alter


def said(order: Order, word: str, total: str) -> Command:
    """A person releases, or resolves."""
    return order.invoice(total, released=True) if word == "release" else order.resolve(word)  # type: ignore[arg-type]


async def differing_invoice(bench: Bench, order: Order) -> None:
    altered(bench, INVOICE, order)
    await bench.settle(order.invoice("100.00"))
    assert bench.row().reason == HoldReason.AMOUNTS_DIFFER_FROM_ERP


async def differing_difference(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    altered(bench, DIFFERENCE, order)
    await bench.settle(order.invoice("120.00"))
    assert bench.row("adjustment").reason == HoldReason.AMOUNTS_DIFFER_FROM_ERP


@pytest.mark.parametrize("word", ["release", "absent"])
async def test_what_was_deleted_in_the_erp_is_posted_again_when_a_person_asks_for_it(
    bench: Bench, order: Order, word: str
) -> None:
    await differing_invoice(bench, order)
    bench.erp.remove(INVOICE)
    await bench.settle(said(order, word, "100.00"))

    assert bench.books() == ["invoice 100.00"]
    assert bench.states() == [State.VERIFIED]


@pytest.mark.parametrize("word", ["release", "absent"])
async def test_what_is_only_seen_late_is_not_posted_again(bench: Bench, order: Order, word: str) -> None:
    """The look that finds nothing proves nothing yet: absence is proven as after any write."""
    await differing_invoice(bench, order)
    bench.erp.remove(INVOICE)
    bench.erp.later(10, lambda: bench.erp.foreign(INVOICE, order.bill("100.00"), posted=True, ours=True))
    await bench.settle(said(order, word, "100.00"))

    assert bench.books() == ["invoice 100.00"]
    assert bench.row().is_final


async def test_what_was_deleted_is_not_posted_again_because_the_store_says_something(
    bench: Bench, order: Order
) -> None:
    await differing_invoice(bench, order)
    bench.erp.remove(INVOICE)
    await bench.settle(order.invoice("100.00"))

    assert bench.books() == []
    assert bench.row().reason == HoldReason.UNKNOWN_OUTCOME
    assert bench.row().detail == f"{INVOICE} was posted, and is not in the ERP any more."
    await bench.settle(order.invoice("100.00", released=True))
    assert bench.books() == ["invoice 100.00"]


async def test_what_was_corrected_in_the_erp_is_settled_by_a_release(bench: Bench, order: Order) -> None:
    await differing_invoice(bench, order)
    bench.erp.remove(INVOICE)
    bench.erp.foreign(INVOICE, order.bill("100.00"), posted=True, ours=True)
    await bench.settle(order.invoice("100.00", released=True))

    assert bench.states() == [State.UNCHANGED]


async def test_what_still_differs_stays_held(bench: Bench, order: Order) -> None:
    await differing_invoice(bench, order)
    await bench.settle(order.invoice("100.00", released=True))

    assert bench.row().reason == HoldReason.AMOUNTS_DIFFER_FROM_ERP
    assert bench.books() == ["invoice 7.00"]


async def test_a_document_with_adjustments_that_is_gone_waits_for_a_person(bench: Bench) -> None:
    """Posted again it would be right by itself, and not with what adjusted it."""
    order = Order(adjusting="difference")
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("120.00"))
    order.adjusting = "hold"
    await bench.settle(order.invoice("130.00"))
    bench.erp.remove(INVOICE)
    for _ in range(2):
        await bench.settle(order.invoice("120.00", released=True))
        assert bench.row().reason == HoldReason.UNKNOWN_OUTCOME
    await bench.settle(order.resolve("closed"))

    assert bench.states() == [State.RESOLVED, State.VERIFIED]
    assert bench.books() == ["invoice 20.00"]


# -- what adjusts


@pytest.mark.parametrize("word", ["release", "absent", "posted"])
async def test_a_difference_that_was_corrected_in_the_erp_is_settled(bench: Bench, word: str) -> None:
    order = Order(adjusting="difference")
    await differing_difference(bench, order)
    posted = bench.row("adjustment").posted
    assert posted is not None
    bench.erp.remove(DIFFERENCE)
    bench.erp.foreign(DIFFERENCE, posted, posted=True, ours=True)
    await bench.settle(said(order, word, "120.00"))

    assert [row.is_final for row in bench.ledger.rows()] == [True, True]
    assert bench.net() == Decimal("120.00")
    await bench.settle(order.invoice("130.00"))
    assert bench.net() == Decimal("130.00")


@pytest.mark.parametrize("word", ["release", "absent"])
async def test_a_difference_that_was_deleted_in_the_erp_is_posted_again(bench: Bench, word: str) -> None:
    order = Order(adjusting="difference")
    await differing_difference(bench, order)
    bench.erp.remove(DIFFERENCE)
    await bench.settle(said(order, word, "120.00"))

    assert bench.net() == Decimal("120.00")
    assert [row.is_final for row in bench.ledger.rows()] == [True, True]


async def test_a_difference_that_was_reversed_by_hand_counts_no_more(bench: Bench) -> None:
    order = Order(adjusting="difference")
    await differing_difference(bench, order)
    bench.erp.remove(DIFFERENCE)
    await bench.settle(order.resolve("closed"))
    assert [row.is_final for row in bench.ledger.rows()] == [True, True]
    assert bench.books() == ["invoice 100.00"]


async def test_a_difference_that_still_differs_stays_held_and_is_settled_later(bench: Bench) -> None:
    order = Order(adjusting="difference")
    await differing_difference(bench, order)
    await bench.settle(order.invoice("120.00", released=True))
    assert bench.row("adjustment").state is State.HELD
    bench.erp.remove(DIFFERENCE)
    await bench.settle(order.invoice("120.00", released=True))

    assert bench.net() == Decimal("120.00")
    assert [row.is_final for row in bench.ledger.rows()] == [True, True]


@pytest.mark.parametrize("word", ["release", "absent", "posted"])
async def test_a_held_difference_is_settled_although_the_order_has_changed_again(bench: Bench, word: str) -> None:
    """The next difference waits behind it."""
    order = Order(adjusting="difference")
    await differing_difference(bench, order)
    await bench.settle(order.invoice("90.00"))
    posted = bench.ledger.rows()[1].posted
    assert posted is not None
    bench.erp.remove(DIFFERENCE)
    bench.erp.foreign(DIFFERENCE, posted, posted=True, ours=True)
    await bench.settle(said(order, word, "90.00"))

    assert [row.is_final for row in bench.ledger.rows()] == [True, True, True]
    assert bench.net() == Decimal("90.00")


# -- a held draft that a person posts


@pytest.mark.parametrize("then", ["changed", "changed, then cancelled"])
async def test_a_held_draft_that_was_posted_by_hand_is_the_document_when_the_order_changes(
    bench: Bench, then: str
) -> None:
    """As under another number: it is adopted as it was sent, and the change is a difference to it."""
    order = Order(adjusting="difference")
    bench.wire.script["finalise"] = [Held(HoldReason.PERIOD_CLOSED, "03/2026")]
    await bench.settle(order.invoice("100.00"))
    bench.erp.finalise(INVOICE)
    await bench.settle(order.invoice("120.00"))
    assert bench.net() == Decimal("120.00")
    if then != "changed":
        await bench.settle(order.withdraw())
        assert bench.net() == 0
    assert all(row.is_final for row in bench.ledger.rows())


# -- booked by hand


@pytest.mark.parametrize("verb", ["plan", "finalise"])
async def test_what_was_booked_by_hand_changes_and_changes_back(bench: Bench, order: Order, verb: str) -> None:
    """We know no name under which it stands, so there is nothing to compare; a person has said that it is there."""
    bench.wire.script[verb] = [Held(HoldReason.PERIOD_CLOSED, "03/2026")]
    await bench.settle(order.invoice("100.00"))
    bench.erp.remove(INVOICE)
    await bench.settle(order.resolve("posted"))
    await bench.settle(order.invoice("120.00"))
    assert bench.row().reason == HoldReason.CHANGED_AFTER_POSTING
    await bench.settle(order.invoice("100.00", released=True))

    assert bench.states() == [State.UNCHANGED]
    assert bench.books() == []


async def test_what_was_settled_by_hand_and_then_posted_by_us_is_compared(bench: Bench, order: Order) -> None:
    await bench.settle(order.cannot(), order.resolve("posted"))
    await bench.settle(order.invoice("100.00", released=True))
    altered(bench, INVOICE, order)
    await bench.settle(order.invoice("120.00"))
    assert bench.row().reason == HoldReason.CHANGED_AFTER_POSTING
    bench.wire.before.pop("verify")()
    await bench.settle(order.invoice("100.00", released=True))

    assert bench.row().reason == HoldReason.AMOUNTS_DIFFER_FROM_ERP


# -- posted, by its own word, and never seen


async def test_what_the_erp_calls_posted_and_never_shows_is_told_to_a_person(bench: Bench, order: Order) -> None:
    bench.wire.before["verify"] = lambda: bench.erp.remove(INVOICE)
    await bench.settle(order.invoice("100.00"))

    assert bench.row().reason == HoldReason.UNKNOWN_OUTCOME
    assert "is not in the books yet; looked 20 times" in bench.row().detail
    assert bench.books() == []


@pytest.mark.parametrize(("word", "books"), [("release", ["invoice 100.00"]), ("absent", ["invoice 100.00"])])
async def test_it_is_posted_again_when_a_person_says_so(
    bench: Bench, order: Order, word: str, books: list[str]
) -> None:
    bench.wire.before["verify"] = lambda: bench.erp.remove(INVOICE)
    await bench.settle(order.invoice("100.00"))
    await bench.settle(said(order, word, "100.00"))

    assert bench.books() == books
    assert bench.row().is_final


@pytest.mark.parametrize("word", ["posted", "closed"])
async def test_it_is_settled_when_a_person_says_so(bench: Bench, order: Order, word: Word) -> None:
    bench.wire.before["verify"] = lambda: bench.erp.remove(INVOICE)
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.resolve(word))

    assert bench.books() == []
    assert bench.states() == [State.RESOLVED]


async def test_it_is_verified_when_it_shows_in_the_end(bench: Bench, order: Order) -> None:
    def hide() -> None:
        (thing,) = bench.erp.stand().things
        bench.erp.remove(INVOICE)
        bench.erp.later(200, lambda: bench.erp.foreign(INVOICE, thing.document, posted=True, ours=True))

    bench.wire.before["verify"] = hide
    await bench.settle(order.invoice("100.00"))

    assert bench.states() == [State.VERIFIED]
