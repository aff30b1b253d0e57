"""Everything is lost while the log knows of several wishes and not how far they got: each may have been sent (R19).

The ERP's books say what was posted; the log hears of nothing that follows the last outcome that a test tells it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from mlc_common.accounting import HoldReason
from mlc_common.errors import Held, Retryable

from .rebuilt import Poster, poster
from .wishes import Order

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


@pytest.fixture
async def desk(tmp_path: Path, kafka_bootstrap: str, database: str, tenant: str) -> AsyncIterator[Poster]:
    async with poster(tmp_path, kafka=kafka_bootstrap, database=database, tenant=tenant) as made:
        yield made


def edited(number: str) -> Order:
    return Order(number, adjusting="difference")


async def lost(desk: Poster) -> list[str]:
    """Everything is lost and rebuilt, and brought to its end; what the books hold then."""
    await desk.lose_everything()
    assert (await desk.rebuild()).swapped
    await desk.work()
    return [thing.reference for thing in desk.bench.erp.stand().things if thing.posted]


async def test_what_was_sent_under_a_numbering_in_between_is_found(desk: Poster) -> None:
    """R19: renumbered twice; the second number was posted, and the third is wanted when all is lost."""
    order = Order("1001")
    desk.bench.wire.script["finalise"] = [Held(HoldReason.PERIOD_CLOSED, "03/2026")]
    await desk.command(order.invoice("100.00"))
    await desk.rest()
    await desk.command(order.renumbered().invoice("100.00", released=True))
    await desk.rest()
    order.code = "WC03"
    await desk.command(order.invoice("100.00"))

    assert await lost(desk) == ["IN-WC02-1001"]
    assert await desk.states() == ["invoice unchanged"]


async def test_what_an_outcome_told_of_an_older_number_hides_no_newer_one(desk: Poster) -> None:
    """R19: the log knows of the first number's draft, and nothing of what came after."""
    order = Order("1001")
    desk.bench.wire.script["finalise"] = [Held(HoldReason.PERIOD_CLOSED, "03/2026")]
    await desk.work(order.invoice("100.00"))
    await desk.command(order.renumbered().invoice("100.00", released=True))
    await desk.rest()
    order.code = "WC03"
    await desk.command(order.invoice("100.00"))

    assert await lost(desk) == ["IN-WC02-1001"]


async def test_what_was_posted_again_after_a_withdrawal_is_credited_when_it_is_withdrawn_once_more(
    desk: Poster,
) -> None:
    order = edited("1001")
    await desk.work(order.cannot(), order.withdraw())
    await desk.command(order.renumbered().invoice("100.00"))
    await desk.rest()
    await desk.command(order.withdraw())

    assert await lost(desk) == ["IN-WC02-1001", "IN-WC02-1001-X1"]
    assert desk.bench.net() == 0


@pytest.mark.parametrize("loss", ["late", "gone"])
async def test_numbers_of_which_none_was_posted_are_posted_under_the_newest(desk: Poster, loss: str) -> None:
    order = Order("1001")
    desk.bench.wire.script["create"] = [loss]
    await desk.command(order.invoice("100.00"))
    await desk.once()
    await desk.command(order.renumbered().invoice("100.00"))
    order.code = "WC03"
    await desk.command(order.invoice("100.00"))

    assert await lost(desk) == ["IN-WC03-1001"]
    assert desk.bench.erp.drafts() == []


async def test_of_three_wishes_for_one_number_the_middle_one_is_recognised(desk: Poster) -> None:
    order = edited("1001")
    await desk.work(order.cannot())
    await desk.command(order.invoice("100.00"))
    desk.bench.wire.script["create"] = ["gone"]
    await desk.once()
    await desk.command(order.invoice("110.00"))
    await desk.rest()
    await desk.command(order.invoice("130.00"))

    assert await lost(desk) == ["IN-WC01-1001", "IN-WC01-1001-A1"]
    assert desk.bench.net() == Decimal("130.00")


async def test_a_difference_that_was_posted_before_a_cancellation_is_credited_too(desk: Poster) -> None:
    """R19: the difference has another name than the cancellation that is owed now."""
    order = edited("1001")
    await desk.work(order.invoice("100.00"))
    await desk.command(order.invoice("120.00"))
    await desk.rest()
    await desk.command(order.withdraw())

    assert await lost(desk) == ["IN-WC01-1001", "IN-WC01-1001-A1", "IN-WC01-1001-X2"]
    assert desk.bench.net() == 0


async def test_a_difference_is_taken_back_where_the_order_is_as_it_was(desk: Poster) -> None:
    order = edited("1001")
    await desk.work(order.invoice("100.00"))
    await desk.command(order.invoice("120.00"))
    await desk.rest()
    await desk.command(order.invoice("100.00"))

    assert await lost(desk) == ["IN-WC01-1001", "IN-WC01-1001-A1", "IN-WC01-1001-A2"]
    assert desk.bench.net() == Decimal("100.00")


async def test_a_difference_of_which_the_log_knew_the_beginning_is_found_under_its_name(desk: Poster) -> None:
    order = edited("1001")
    await desk.work(order.invoice("100.00"))
    desk.bench.wire.script["create"] = ["gone"]
    await desk.command(order.invoice("90.00"))
    while await desk.once():
        continue
    await desk.tell()
    await desk.command(order.invoice("120.00"))
    await desk.rest()
    await desk.command(order.withdraw())

    assert await lost(desk) == ["IN-WC01-1001", "IN-WC01-1001-A1", "IN-WC01-1001-X2"]
    assert desk.bench.net() == 0


async def test_nothing_is_doubted_where_nothing_was_sent(desk: Poster) -> None:
    order = edited("1001")
    await desk.work(order.invoice("100.00"))
    await desk.command(order.invoice("120.00"), order.invoice("100.00"))

    assert await lost(desk) == ["IN-WC01-1001"]
    assert await desk.states() == ["invoice unchanged", "adjustment withdrawn"]


async def test_a_corrected_wish_is_not_held_for_what_was_wrong_before(desk: Poster) -> None:
    """The account is mapped anew; what was held for the old one when all is lost must not stay held for it."""
    order = Order("1001")
    desk.bench.gateway.unknown_accounts = frozenset({"9"})
    await desk.work(order.invoice("100.00", account="9"))
    await desk.command(order.invoice("100.00", released=True))

    assert await lost(desk) == ["IN-WC01-1001"]


async def test_a_wrong_wish_of_before_does_not_hold_the_right_one_that_followed_it(desk: Poster) -> None:
    order = Order("1001")
    await desk.command(order.invoice("100.00", account="9"), order.invoice("100.00"))
    desk.bench.gateway.unknown_accounts = frozenset({"9"})

    assert await lost(desk) == ["IN-WC01-1001"]


async def test_what_was_deleted_in_the_erp_and_is_being_posted_again_is_posted(desk: Poster) -> None:
    """A person released it, it was proven absent, and then everything was lost."""
    order = Order("1001")
    desk.bench.wire.before["verify"] = lambda: desk.bench.erp.remove("IN-WC01-1001")
    await desk.work(order.invoice("100.00"))
    assert await desk.states() == ["invoice held"]
    desk.bench.wire.script["plan"] = [Retryable("busy")] * 3
    await desk.command(order.invoice("100.00", released=True))
    while await desk.pool.fetchval("select posted is not null from posting_documents"):
        await desk.once()
        await desk.pass_time(5)
    await desk.tell()

    assert await lost(desk) == ["IN-WC01-1001"]
    assert await desk.states() == ["invoice verified"]
