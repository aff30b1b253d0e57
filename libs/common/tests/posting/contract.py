"""What every keeper of the ledger must do; the one in memory and the one in PostgreSQL inherit it.

Time passes where a test says so, without waiting: each keeper knows how to let it.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Protocol

import pytest

from mlc_common.accounting import party_key
from mlc_common.events import Command
from mlc_common.posting.gateway import Plan
from mlc_common.posting.ledger import DocumentRow, LeaseLost, Ledger, OrderLease, State, Step

from .memory import Written
from .wishes import FLOW, Order, buyer


class Keeper(Protocol):
    """A ledger under test."""

    @property
    def ledger(self) -> Ledger:
        """The ledger itself."""
        ...

    async def add(self, *commands: Command, erp: str = "erp") -> None:
        """Commands arrive."""
        ...

    async def pass_time(self, seconds: float) -> None:
        """Everything happened so much longer ago."""
        ...

    async def outcomes(self) -> list[Written]:
        """All outcomes so far, in the order in which they will be appended to the log."""
        ...


async def leased(keeper: Keeper, owner: str = "w1", most: int = 10, seconds: float = 60) -> Sequence[OrderLease]:
    return await keeper.ledger.lease_orders("erp", owner, most, seconds)


async def one(keeper: Keeper, owner: str = "w1") -> OrderLease:
    (lease,) = await leased(keeper, owner)
    return lease


async def only_row(keeper: Keeper, lease: OrderLease) -> DocumentRow:
    (row,) = await keeper.ledger.documents(lease)
    return row


class LeasesOfOrders:
    async def test_an_order_is_leased_to_one_worker_at_a_time(self, keeper: Keeper) -> None:
        await keeper.add(Order("1001").invoice("1.00"))
        lease = await one(keeper)

        assert (lease.flow, lease.order_key, lease.owner) == (FLOW, "wc01:order:1001", "w1")
        assert await leased(keeper, "w2") == []

    async def test_a_lease_that_ran_out_goes_to_another_with_a_higher_fencing_number(self, keeper: Keeper) -> None:
        await keeper.add(Order("1001").invoice("1.00"))
        first = await one(keeper)
        await keeper.pass_time(61)
        second = await one(keeper, "w2")

        assert second.fencing > first.fencing

    async def test_not_more_orders_are_leased_than_asked_for(self, keeper: Keeper) -> None:
        await keeper.add(*(Order(str(n)).invoice("1.00") for n in range(5)))

        assert len(await leased(keeper, most=2)) == 2
        assert len(await leased(keeper, most=9)) == 3

    async def test_the_orders_of_another_erp_are_left_alone(self, keeper: Keeper) -> None:
        await keeper.add(Order("1001").invoice("1.00"), erp="other")

        assert await leased(keeper) == []

    async def test_the_longest_waiting_order_comes_first(self, keeper: Keeper) -> None:
        await keeper.add(Order("1001").invoice("1.00"), Order("1002").invoice("1.00"))
        for lease in await leased(keeper):
            await keeper.ledger.release(lease, runnable=True, after_s=20 if lease.order_key.endswith("1") else 10)
        await keeper.pass_time(30)

        assert [lease.order_key for lease in await leased(keeper, most=1)] == ["wc01:order:1002"]

    async def test_workers_that_lease_at_once_never_get_the_same_order(self, keeper: Keeper) -> None:
        await keeper.add(*(Order(str(n)).invoice("1.00") for n in range(40)))
        taken = await asyncio.gather(*(leased(keeper, f"w{n}", most=7) for n in range(8)))
        orders = [lease.order_key for leases in taken for lease in leases]

        assert len(orders) == len(set(orders))
        rest = [lease.order_key for lease in await leased(keeper, most=99)]
        assert len({*orders, *rest}) == 40

    async def test_a_record_extends_the_lease(self, keeper: Keeper) -> None:
        await keeper.add(Order("1001").invoice("1.00"))
        lease = await one(keeper)
        await keeper.pass_time(50)
        await keeper.ledger.record(lease, await only_row(keeper, lease), [Step(State.INTENDED)], extend_s=60)
        await keeper.pass_time(50)

        assert await leased(keeper, "w2") == []
        await keeper.pass_time(11)
        assert len(await leased(keeper, "w2")) == 1


class Releases:
    async def test_an_order_given_back_rests_as_long_as_asked(self, keeper: Keeper) -> None:
        await keeper.add(Order("1001").invoice("1.00"))
        await keeper.ledger.release(await one(keeper), runnable=True, after_s=30)
        await keeper.pass_time(29)
        assert await leased(keeper) == []

        await keeper.pass_time(2)
        assert len(await leased(keeper)) == 1

    async def test_an_order_with_nothing_to_do_waits_for_a_new_command(self, keeper: Keeper) -> None:
        order = Order("1001")
        await keeper.add(order.invoice("1.00"))
        await keeper.ledger.release(await one(keeper), runnable=False, after_s=0)
        await keeper.pass_time(9999)
        assert await leased(keeper) == []

        await keeper.add(order.invoice("2.00"))
        assert len(await leased(keeper)) == 1

    async def test_a_new_command_ends_the_rest(self, keeper: Keeper) -> None:
        order = Order("1001")
        await keeper.add(order.invoice("1.00"))
        await keeper.ledger.release(await one(keeper), runnable=True, after_s=300)
        await keeper.add(order.invoice("2.00"))

        assert len(await leased(keeper)) == 1

    async def test_the_same_command_again_wakes_nobody(self, keeper: Keeper) -> None:
        command = Order("1001").invoice("1.00")
        await keeper.add(command)
        await keeper.ledger.release(await one(keeper), runnable=False, after_s=0)
        await keeper.add(*[command] * 20)

        assert await leased(keeper) == []

    @pytest.mark.parametrize("runnable", [True, False])
    async def test_a_command_that_came_during_the_work_is_not_lost_at_the_release(
        self, keeper: Keeper, runnable: bool
    ) -> None:
        order = Order("1001")
        await keeper.add(order.invoice("1.00"))
        lease = await one(keeper)
        await keeper.add(order.invoice("2.00"))
        await keeper.ledger.release(lease, runnable=runnable, after_s=300)

        assert (await one(keeper)).contiguous_seq == 2

    async def test_a_command_behind_a_gap_does_not_count_as_one(self, keeper: Keeper) -> None:
        order = Order("1001")
        first, _, third = order.invoice("1.00"), order.invoice("2.00"), order.invoice("3.00")
        await keeper.add(first)
        lease = await one(keeper)
        await keeper.add(third)
        await keeper.ledger.release(lease, runnable=False, after_s=0)

        assert await leased(keeper) == []

    async def test_a_worker_that_was_overtaken_gives_back_nothing(self, keeper: Keeper) -> None:
        await keeper.add(Order("1001").invoice("1.00"))
        late = await one(keeper)
        await keeper.pass_time(61)
        await one(keeper, "w2")
        await keeper.ledger.release(late, runnable=True, after_s=0)

        assert await leased(keeper, "w3") == []


class Commands:
    async def test_rows_come_by_place_each_with_its_newest_command(self, keeper: Keeper) -> None:
        order = Order("1001")
        commands = [order.invoice("1.00"), order.credit("0.50"), order.invoice("2.00")]
        await keeper.add(*commands)
        lease = await one(keeper)
        rows = await keeper.ledger.documents(lease)

        assert lease.contiguous_seq == 3
        assert [(row.kind, row.place, row.newest) for row in rows] == [
            ("invoice", 1, commands[2]),
            ("credit_note", 2, commands[1]),
        ]
        assert [row.state for row in rows] == [State.INTENDED, State.INTENDED]

    async def test_nothing_behind_a_gap_is_seen_until_the_gap_is_filled(self, keeper: Keeper) -> None:
        order = Order("1001")
        first, second, third = order.invoice("1.00"), order.credit("0.50"), order.invoice("2.00")
        await keeper.add(third, first)
        lease = await one(keeper)
        assert lease.contiguous_seq == 1
        assert (await only_row(keeper, lease)).newest == first
        await keeper.ledger.release(lease, runnable=False, after_s=0)

        await keeper.add(second)
        rows = await keeper.ledger.documents(await one(keeper))
        assert [row.newest.seq for row in rows] == [3, 2]

    async def test_an_order_whose_first_command_is_missing_shows_nothing(self, keeper: Keeper) -> None:
        order = Order("1001")
        order.invoice("1.00")
        await keeper.add(order.invoice("2.00"))

        assert [await keeper.ledger.documents(lease) for lease in await leased(keeper)] in ([], [[]])

    async def test_the_place_is_the_first_command_however_they_arrive(self, keeper: Keeper) -> None:
        order = Order("1001")
        commands = [order.invoice("1.00"), order.credit("0.50"), order.credit("0.60")]
        for command in reversed(commands):
            await keeper.add(command)
        rows = await keeper.ledger.documents(await one(keeper))

        assert [(row.kind, row.place) for row in rows] == [("invoice", 1), ("credit_note", 2)]

    async def test_a_second_command_with_the_same_seq_changes_nothing(self, keeper: Keeper) -> None:
        first, other = Order("1001").invoice("1.00"), Order("1001").credit("0.50")
        await keeper.add(first)
        await keeper.add(other)

        assert (await only_row(keeper, await one(keeper))).newest == first


class Records:
    async def test_a_row_comes_back_as_it_was_recorded(self, keeper: Keeper) -> None:
        order = Order("1001")
        await keeper.add(order.invoice("1.00"))
        lease = await one(keeper)
        row = dataclasses.replace(
            await only_row(keeper, lease),
            state=State.HELD, pursued=order.bill("1.00"), pursued_seq=1, settled_seq=1, sent=True, absent_looks=2,
            plan=Plan("IN-1", "WA1", {"project": "P1"}), attempts=3, posted=order.bill("2.00"), erp_ids={"batch": "B"},
            reason="period_closed", detail="03/2026 - \u00fc 'quoted'", fix="Open it.",
        )  # fmt: skip
        stored = await keeper.ledger.record(lease, row, [Step(State.HELD)], extend_s=60)

        assert stored == dataclasses.replace(row, version=1)
        assert await only_row(keeper, lease) == stored

    async def test_each_step_is_an_outcome_and_counts_the_version(self, keeper: Keeper) -> None:
        await keeper.add(Order("1001").invoice("1.00"))
        lease = await one(keeper)
        row = await only_row(keeper, lease)
        steps = [Step(State.INTENDED), Step(State.LOOKING, "absent"), Step(State.CREATING)]
        row = await keeper.ledger.record(lease, row, steps, extend_s=60)
        row = await keeper.ledger.record(lease, row, [], extend_s=60)
        await keeper.ledger.record(lease, row, [Step(State.UNKNOWN, "unconfirmed")], extend_s=60)

        assert await keeper.outcomes() == [
            Written(row.key, 1, "intended", "", "", lease.fencing),
            Written(row.key, 2, "looking", "absent", "", lease.fencing),
            Written(row.key, 3, "creating", "", "", lease.fencing),
            Written(row.key, 5, "unknown", "unconfirmed", "", lease.fencing),
        ]

    async def test_an_outcome_names_its_reason_only_when_held(self, keeper: Keeper) -> None:
        await keeper.add(Order("1001").invoice("1.00"))
        lease = await one(keeper)
        row = dataclasses.replace(await only_row(keeper, lease), reason="conflict_in_erp", detail="taken")
        row = await keeper.ledger.record(lease, row, [Step(State.UNKNOWN)], extend_s=60)
        await keeper.ledger.record(lease, row, [Step(State.HELD)], extend_s=60)

        assert [outcome.reason for outcome in await keeper.outcomes()] == ["", "conflict_in_erp"]

    async def test_after_a_takeover_nothing_is_written(self, keeper: Keeper) -> None:
        await keeper.add(Order("1001").invoice("1.00"))
        late = await one(keeper)
        row = await only_row(keeper, late)
        await keeper.pass_time(61)
        other = await one(keeper, "w2")

        with pytest.raises(LeaseLost):
            await keeper.ledger.record(late, row, [Step(State.CREATING)], intent="set", extend_s=600)
        assert await only_row(keeper, other) == row
        assert await keeper.outcomes() == []
        await keeper.pass_time(61)
        assert len(await leased(keeper, "w3")) == 1  # nor did it extend the other's lease

    async def test_a_lease_that_ran_out_and_was_not_taken_still_counts(self, keeper: Keeper) -> None:
        await keeper.add(Order("1001").invoice("1.00"))
        lease = await one(keeper)
        row = await only_row(keeper, lease)
        await keeper.pass_time(61)
        await keeper.ledger.record(lease, row, [Step(State.INTENDED)], extend_s=60)

        assert await leased(keeper, "w2") == []

    async def test_the_age_of_an_intent_runs_until_it_is_cleared(self, keeper: Keeper) -> None:
        await keeper.add(Order("1001").invoice("1.00"))
        lease = await one(keeper)
        row = await only_row(keeper, lease)
        assert row.intent_age_s is None

        row = await keeper.ledger.record(lease, row, [Step(State.CREATING)], intent="set", extend_s=60)
        assert row.intent_age_s == pytest.approx(0, abs=1)
        await keeper.pass_time(20)
        row = await keeper.ledger.record(lease, row, [], extend_s=60)
        assert row.intent_age_s == pytest.approx(20, abs=2)
        row = await keeper.ledger.record(lease, row, [Step(State.CREATING)], intent="set", extend_s=60)
        assert row.intent_age_s == pytest.approx(0, abs=1)
        row = await keeper.ledger.record(lease, row, [Step(State.VERIFIED)], intent="clear", extend_s=60)
        assert row.intent_age_s is None
        assert (await only_row(keeper, lease)).intent_age_s is None

    async def test_the_age_of_the_last_look_survives_a_change_of_workers(self, keeper: Keeper) -> None:
        await keeper.add(Order("1001").invoice("1.00"))
        lease = await one(keeper)
        row = await only_row(keeper, lease)
        await keeper.ledger.record(lease, row, [Step(State.UNKNOWN)], intent="set", looked=True, extend_s=60)
        await keeper.pass_time(61)
        row = await only_row(keeper, await one(keeper, "w2"))

        assert row.looked_age_s == pytest.approx(61, abs=2)
        assert row.intent_age_s == pytest.approx(61, abs=2)


class Reversals:
    async def cancelled(self, keeper: Keeper) -> tuple[Order, OrderLease, DocumentRow]:
        order = Order("1001")
        await keeper.add(order.invoice("1.00"), order.withdraw())
        lease = await one(keeper)
        return order, lease, await only_row(keeper, lease)

    async def test_the_credit_of_a_cancellation_has_the_place_of_its_command(self, keeper: Keeper) -> None:
        order, lease, invoice = await self.cancelled(keeper)
        key = order.refund("1.00", "reversal").key
        await keeper.ledger.open_adjustment(lease, invoice, key)
        rows = await keeper.ledger.documents(lease)

        assert [(row.key, row.place, row.kind, row.adjusts) for row in rows] == [
            (invoice.key, 1, "invoice", None),
            (key, 2, "adjustment", invoice.key),
        ]
        assert rows[1].newest == invoice.newest
        assert not rows[1].is_final

    async def test_a_worker_with_an_old_lease_does_not_see_what_adjusts_what_it_does_not_see(
        self, keeper: Keeper
    ) -> None:
        order = Order("1001")
        await keeper.add(order.invoice("1.00"))
        old = await one(keeper)
        await keeper.add(order.credit("0.50"), order.withdraw_credit())
        await keeper.pass_time(61)
        lease = await one(keeper)
        await keeper.ledger.open_adjustment(lease, (await keeper.ledger.documents(lease))[1], party_key("x", "1"))

        assert [row.kind for row in await keeper.ledger.documents(old)] == ["invoice"]

    async def test_a_resolution_comes_with_the_wish_that_it_settles(self, keeper: Keeper) -> None:
        order = Order("1001")
        wanted = order.invoice("1.00")
        await keeper.add(wanted, order.credit("0.50"), order.resolve("closed"), order.resolve("posted"))
        lease = await one(keeper)
        invoice, credit = await keeper.ledger.documents(lease)

        assert invoice.before == wanted.wish
        assert credit.before is None

    async def test_it_is_opened_once_and_keeps_its_command(self, keeper: Keeper) -> None:
        order, lease, invoice = await self.cancelled(keeper)
        key = order.refund("1.00", "reversal").key
        await keeper.ledger.open_adjustment(lease, invoice, key)
        reversal = dataclasses.replace((await keeper.ledger.documents(lease))[1], state=State.CREATING)
        await keeper.ledger.record(lease, reversal, [Step(State.CREATING)], intent="set", extend_s=60)
        await keeper.ledger.open_adjustment(lease, invoice, key)
        await keeper.add(order.invoice("1.00"))
        await keeper.ledger.release(lease, runnable=True, after_s=0)
        rows = await keeper.ledger.documents(await one(keeper))

        assert [(row.newest.seq, row.version) for row in rows] == [(3, 0), (2, 1)]
        assert rows[1].state is State.CREATING

    async def test_a_worker_that_was_overtaken_opens_none(self, keeper: Keeper) -> None:
        order, late, invoice = await self.cancelled(keeper)
        await keeper.pass_time(61)
        other = await one(keeper, "w2")
        await keeper.ledger.open_adjustment(late, invoice, order.refund("1.00", "reversal").key)

        assert len(await keeper.ledger.documents(other)) == 1


class Parties:
    async def test_a_party_is_one_row_however_often_it_is_asked_for(self, keeper: Keeper) -> None:
        party = buyer(create=True)
        rows = await asyncio.gather(*(keeper.ledger.party(FLOW, party) for _ in range(5)))

        assert {(row.key, row.state, row.version) for row in rows} == {(party.key, "intended", 0)}

    async def test_only_one_order_at_a_time_works_on_a_party_also_within_a_worker(self, keeper: Keeper) -> None:
        key = buyer().key
        fencing = await keeper.ledger.lease_party(key, "w1", 60)
        assert fencing is not None
        assert await keeper.ledger.lease_party(key, "w1", 60) is None
        assert await keeper.ledger.lease_party(key, "w2", 60) is None

        await keeper.ledger.release_party(key, "w1", fencing)
        again = await keeper.ledger.lease_party(key, "w2", 60)
        assert again is not None
        assert again > fencing

    async def test_what_is_recorded_comes_back_with_its_outcome(self, keeper: Keeper) -> None:
        party = buyer(create=True)
        row = await keeper.ledger.party(FLOW, party)
        fencing = await keeper.ledger.lease_party(party.key, "w1", 60)
        assert fencing is not None
        row = await keeper.ledger.record_party(
            dataclasses.replace(row, state="creating"), "w1", fencing, intent="set", looked=True
        )
        await keeper.pass_time(20)
        row = await keeper.ledger.party(FLOW, party)
        assert row.state == "creating"
        assert row.intent_age_s == pytest.approx(20, abs=2)
        assert row.looked_age_s == pytest.approx(20, abs=2)

        ready = dataclasses.replace(row, state="ready", erp_id="F7", absent_looks=1)
        await keeper.ledger.record_party(ready, "w1", fencing, intent="clear")
        row = await keeper.ledger.party(FLOW, party)
        assert (row.state, row.erp_id, row.absent_looks, row.intent_age_s, row.version) == ("ready", "F7", 1, None, 2)
        assert await keeper.outcomes() == [
            Written(party.key, 1, "creating", fencing=fencing),
            Written(party.key, 2, "ready", fencing=fencing),
        ]

    async def test_a_lease_that_ran_out_writes_nothing(self, keeper: Keeper) -> None:
        party = buyer(create=True)
        row = await keeper.ledger.party(FLOW, party)
        fencing = await keeper.ledger.lease_party(party.key, "w1", 60)
        assert fencing is not None
        await keeper.pass_time(61)

        with pytest.raises(LeaseLost):
            await keeper.ledger.record_party(dataclasses.replace(row, state="ready"), "w1", fencing)
        assert await keeper.ledger.lease_party(party.key, "w2", 60) is not None
        with pytest.raises(LeaseLost):
            await keeper.ledger.record_party(dataclasses.replace(row, state="ready"), "w1", fencing)
        await keeper.ledger.release_party(party.key, "w1", fencing)
        assert await keeper.ledger.lease_party(party.key, "w3", 60) is None
        assert await keeper.outcomes() == []


class LedgerContract(LeasesOfOrders, Releases, Commands, Records, Reversals, Parties):
    """All of it."""
