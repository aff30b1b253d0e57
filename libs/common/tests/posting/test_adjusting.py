"""What is posted and then changes in the store is adjusted by documents of its own (architecture §4, §5)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_common.accounting import HoldReason
from mlc_common.errors import Held
from mlc_common.posting.ledger import State

from .bench import Bench, busy
from .wishes import Order

EDITED = date(2026, 4, 2)


@pytest.fixture
def order() -> Order:
    return Order("1001", adjusting="difference", on=EDITED)


async def test_more_money_after_posting_is_one_more_invoice(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("120.00"))

    assert bench.books() == ["invoice 100.00", "invoice 20.00"]
    assert bench.states() == [State.ADJUSTED, State.VERIFIED]
    made = bench.row("adjustment").posted
    assert made is not None
    assert (made.number, made.reference, made.date) == ("WA01001A1", "IN-WC01-1001-A1", EDITED)
    assert made.memo == "Changed after posting"


async def test_less_money_after_posting_is_a_credit_of_the_invoice(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("80.00"))

    assert bench.books() == ["invoice 100.00", "credit_note 20.00"]
    assert bench.row("adjustment").posted.invoice == order.key  # type: ignore[union-attr] # a credit note


async def test_an_adjustment_goes_where_its_invoice_went(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    bench.gateway.project = "P2"
    await bench.settle(order.invoice("120.00"))

    assert bench.row("adjustment").plan.resolved["project"] == "P1"  # type: ignore[union-attr] # it was planned


@pytest.mark.parametrize("dialect", ["files", "unposted files", "handles", "direct"])
@given(totals=st.lists(st.integers(0, 300_00), min_size=5, max_size=5))
async def test_a_chain_of_five_edits_comes_out_to_the_cent(dialect: str, totals: list[int]) -> None:
    bench, order = Bench(dialect), Order("1001", adjusting="difference")  # type: ignore[arg-type] # one of the literals
    await bench.settle(order.invoice("100.00"))
    for cents in totals:
        await bench.settle(order.invoice(f"{cents // 100}.{cents % 100:02}"))
    assert bench.net() == Decimal(totals[-1]) / 100
    assert bench.erp.drafts() == []


async def test_amounts_changed_back_before_the_adjustment_was_sent_need_none(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["find"] = [busy()]
    bench.add(order.invoice("120.00"))
    await bench.once()
    await bench.settle(order.invoice("100.00"))

    assert bench.books() == ["invoice 100.00"]
    assert bench.states() == [State.UNCHANGED, State.WITHDRAWN]


async def test_amounts_changed_back_after_the_adjustment_are_adjusted_back(bench: Bench, order: Order) -> None:
    for total in ("100.00", "120.00", "100.00"):
        await bench.settle(order.invoice(total))

    assert bench.books() == ["invoice 100.00", "invoice 20.00", "credit_note 20.00"]
    assert [thing.reference for thing in bench.erp.stand().things][1:] == ["IN-WC01-1001-A1", "IN-WC01-1001-A2"]


async def test_an_adjustment_that_is_held_takes_up_the_newest_amount(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    bench.wire.script["finalise"] = [Held(HoldReason.PERIOD_CLOSED, "03/2026")]
    await bench.settle(order.invoice("120.00"))
    assert bench.row("adjustment").reason == HoldReason.PERIOD_CLOSED

    await bench.settle(order.invoice("135.00"))
    assert bench.books() == ["invoice 100.00", "invoice 35.00"]
    assert bench.erp.drafts() == []


async def test_an_un_cancelled_order_is_invoiced_again(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"), order.credit("30.00"))
    await bench.settle(order.withdraw())
    await bench.settle(order.invoice("100.00"))

    assert bench.books() == ["invoice 100.00", "credit_note 30.00", "credit_note 70.00", "invoice 70.00"]
    assert bench.net() == Decimal("70.00")


async def test_a_deleted_refund_is_invoiced_again(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"), order.credit("30.00"))
    await bench.settle(order.withdraw_credit())

    assert bench.books() == ["invoice 100.00", "credit_note 30.00", "invoice 30.00"]
    assert bench.ledger.rows()[-1].posted.number == "WAR00077A1"  # type: ignore[union-attr] # it is posted


async def test_a_refund_deleted_after_the_cancellation_is_credited_with_it(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"), order.credit("30.00"))
    await bench.settle(order.withdraw())
    await bench.settle(order.withdraw_credit())

    assert bench.net() == Decimal(0)
    assert bench.books()[3:] == ["invoice 30.00", "credit_note 30.00"]


async def test_a_refund_that_changed_is_adjusted_both_ways(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"), order.credit("30.00"))
    await bench.settle(order.credit("45.00"))
    await bench.settle(order.credit("10.00"))

    assert bench.books() == ["invoice 100.00", "credit_note 30.00", "credit_note 15.00", "invoice 35.00"]


async def test_a_refund_of_all_is_possible_after_the_order_grew(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("120.00"))
    await bench.settle(order.credit("120.00"))

    assert bench.net() == Decimal(0)


async def test_a_credit_above_what_is_left_after_an_adjustment_is_held(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("80.00"))
    await bench.settle(order.credit("90.00"))

    assert bench.row("credit_note").reason == HoldReason.CREDIT_EXCEEDS_INVOICE


async def test_another_currency_after_posting_is_held(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("100.00", currency="EUR"))

    assert bench.row().reason == HoldReason.CHANGED_AFTER_POSTING
    assert bench.books() == ["invoice 100.00"]


async def test_another_account_is_unchanged_until_a_person_asks_to_rebook(bench: Bench, order: Order) -> None:
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("100.00", account="402.00"))
    assert (bench.row().state, bench.books()) == (State.UNCHANGED, ["invoice 100.00"])

    order.adjusting = "rebook"
    await bench.settle(order.invoice("100.00", account="402.00", released=True))
    assert bench.books() == ["invoice 100.00", "invoice 0.00"]
    made = bench.row("adjustment").posted
    assert made is not None
    assert sorted((line.account, line.net) for line in made.lines) == [
        ("401.00", Decimal("-100.00")),
        ("402.00", Decimal("100.00")),
    ]


async def test_where_the_mapping_says_hold_the_difference_waits_for_its_release(bench: Bench, order: Order) -> None:
    order.adjusting = "hold"
    await bench.settle(order.invoice("100.00"))
    await bench.settle(order.invoice("120.00"))
    assert bench.row().reason == HoldReason.CHANGED_AFTER_POSTING

    order.adjusting = "difference"
    await bench.settle(order.invoice("120.00", released=True))
    assert bench.books() == ["invoice 100.00", "invoice 20.00"]


class TestResolved:
    """A person settles by hand what the engine could not."""

    async def lost(self, bench: Bench, order: Order) -> None:
        """A draft that was sent to be posted and is now neither: only a person can know."""
        bench.wire.script["finalise"] = ["gone"]
        bench.add(order.invoice("100.00"))
        await bench.once()
        bench.erp.remove("IN-WC01-1001")
        await bench.settle()
        assert bench.row().reason == HoldReason.UNKNOWN_OUTCOME

    async def test_the_difference_booked_by_hand_is_not_booked_again(self, bench: Bench, order: Order) -> None:
        order.adjusting = "hold"
        await bench.settle(order.invoice("100.00"))
        await bench.settle(order.invoice("120.00"))
        await bench.settle(order.resolve("posted"))
        assert bench.states() == [State.RESOLVED, State.RESOLVED]

        order.adjusting = "difference"
        await bench.settle(order.invoice("150.00"))
        assert bench.books() == ["invoice 100.00", "invoice 30.00"]

    async def test_a_cancellation_booked_by_hand_is_not_credited_again(self, bench: Bench, order: Order) -> None:
        await bench.settle(order.invoice("100.00"))
        bench.wire.script["plan"] = [Held(HoldReason.PERIOD_CLOSED, "03/2026")]
        await bench.settle(order.withdraw())
        await bench.settle(order.resolve("posted"))
        assert bench.states() == [State.RESOLVED, State.RESOLVED]
        assert bench.books() == ["invoice 100.00"]

        await bench.settle(order.invoice("100.00"))
        assert bench.books() == ["invoice 100.00", "invoice 100.00"]

    async def test_a_difference_that_is_not_to_be_booked_is_closed(self, bench: Bench, order: Order) -> None:
        order.adjusting = "hold"
        await bench.settle(order.invoice("100.00"))
        await bench.settle(order.invoice("120.00"))
        await bench.settle(order.resolve("closed"))

        assert bench.states() == [State.RESOLVED]
        assert bench.books() == ["invoice 100.00"]

    async def test_a_document_booked_by_hand_is_never_created(self, bench: Bench, order: Order) -> None:
        bench.wire.script["plan"] = [Held(HoldReason.PROJECT_MISSING, "P1")]
        await bench.settle(order.invoice("100.00"))
        await bench.settle(order.resolve("posted"))
        assert (bench.row().state, bench.books()) == (State.RESOLVED, [])

        await bench.settle(order.invoice("110.00"))
        assert bench.books() == ["invoice 10.00"]

    async def test_what_was_settled_by_hand_unseen_is_held_when_the_store_changes_it(
        self, bench: Bench, order: Order
    ) -> None:
        await bench.settle(order.cannot())
        await bench.settle(order.resolve("closed"))
        await bench.settle(order.invoice("100.00"))
        assert bench.row().reason == HoldReason.CHANGED_AFTER_POSTING
        assert bench.books() == []

        await bench.settle(order.invoice("100.00", released=True))
        assert bench.books() == ["invoice 100.00"]

    async def test_a_resolved_refund_lets_what_is_behind_it_go_on(self, bench: Bench, order: Order) -> None:
        await bench.settle(order.invoice("100.00"))
        bench.wire.script["plan"] = [Held(HoldReason.PERIOD_CLOSED, "03/2026")]
        await bench.settle(order.credit("30.00"), order.credit("10.00", "78"))
        assert bench.books() == ["invoice 100.00"]
        await bench.settle(order.resolve("closed", credit="77"))

        assert bench.books() == ["invoice 100.00", "credit_note 10.00"]

    @pytest.mark.parametrize("found", ["absent", "closed"])
    async def test_a_draft_is_not_left_behind_whatever_a_person_says(
        self, bench: Bench, order: Order, found: str
    ) -> None:
        bench.wire.script["finalise"] = [Held(HoldReason.PERIOD_CLOSED, "03/2026")]
        await bench.settle(order.invoice("100.00"))
        await bench.settle(order.resolve(found))  # type: ignore[arg-type] # one of the literals

        assert bench.erp.drafts() == []
        assert bench.books() == (["invoice 100.00"] if found == "absent" else [])
        assert bench.row().state is (State.VERIFIED if found == "absent" else State.RESOLVED)

    @pytest.mark.parametrize(
        ("found", "books", "state"),
        [
            ("posted", [], State.RESOLVED),
            ("absent", ["invoice 100.00"], State.VERIFIED),
            ("closed", [], State.RESOLVED),
        ],
    )
    async def test_an_unknown_outcome_is_settled_by_a_persons_word(
        self, bench: Bench, order: Order, found: str, books: list[str], state: State
    ) -> None:
        await self.lost(bench, order)
        await bench.settle(order.resolve(found))  # type: ignore[arg-type] # one of the literals
        assert (bench.books(), bench.row().state) == (books, state)

    async def test_what_a_look_shows_counts_more_than_a_persons_word(self, bench: Bench, order: Order) -> None:
        await self.lost(bench, order)
        bench.erp.foreign("IN-WC01-1001", order.bill("100.00"), posted=True, ours=True)
        await bench.settle(order.resolve("absent"))

        assert bench.books() == ["invoice 100.00"]
        assert bench.row().state is State.VERIFIED
