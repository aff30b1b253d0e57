"""Firms: found or made once, however many first orders arrive, whatever gets lost."""

from __future__ import annotations

import pytest

from mlc_common.accounting import HoldReason
from mlc_common.errors import Held, Rejected
from mlc_common.posting.ledger import State

from .bench import Bench, busy
from .wishes import Order, buyer


def first_orders() -> tuple[Order, Order]:
    return Order("1001", party=buyer(create=True)), Order("1002", party=buyer(create=True))


async def test_a_firm_is_made_once_for_two_orders(bench: Bench) -> None:
    one, two = first_orders()
    await bench.settle(one.invoice("100.00"), two.invoice("50.00"))

    assert len(bench.erp.stand().firms) == 1
    assert [row.plan and row.plan.resolved["firm"] for row in bench.ledger.rows()] == ["F1", "F1"]


async def test_an_order_waits_while_another_makes_the_firm(bench: Bench) -> None:
    one, two = first_orders()
    fencing = await bench.ledger.lease_party(one.party.key, "w2", 30)
    assert fencing is not None
    bench.add(one.invoice("100.00"))
    await bench.once()
    assert "create_party" not in bench.wire.calls

    await bench.settle(two.invoice("50.00"))
    assert len(bench.erp.stand().firms) == 1
    assert sorted(bench.books()) == ["invoice 100.00", "invoice 50.00"]


async def test_a_firm_that_exists_is_taken(bench: Bench) -> None:
    order, _ = first_orders()
    bench.erp.make_firm(order.party.external_key)
    await bench.settle(order.invoice("100.00"))

    assert "create_party" not in bench.wire.calls
    assert len(bench.erp.stand().firms) == 1


async def test_two_firms_that_fit_are_held_and_none_is_chosen(bench: Bench) -> None:
    order, _ = first_orders()
    bench.erp.make_firm(order.party.external_key)
    bench.erp.make_firm(order.party.external_key)
    await bench.settle(order.invoice("100.00"))

    assert bench.row().reason == HoldReason.FIRM_AMBIGUOUS
    assert bench.books() == []


async def test_a_missing_firm_that_may_not_be_made_is_held(bench: Bench) -> None:
    party = buyer(create=True).model_copy(update={"create": False})
    await bench.settle(Order(party=party).invoice("100.00"))

    assert bench.row().reason == HoldReason.PARTY_MISSING


async def test_a_firm_is_not_made_where_firms_cannot_carry_our_key(bench: Bench) -> None:
    bench.gateway.firms_carry_keys = False
    await bench.settle(first_orders()[0].invoice("100.00"))

    assert bench.row().reason == HoldReason.PARTY_MISSING
    assert bench.erp.stand().firms == ()


async def test_a_firm_that_the_mapping_names_is_taken_without_a_look(bench: Bench) -> None:
    party = buyer().model_copy(update={"firm": "ACME"})
    await bench.settle(Order(party=party).invoice("100.00"))

    assert "find_party" not in bench.wire.calls
    assert bench.row().plan is not None
    assert bench.row().plan.resolved["firm"] == "ACME"  # type: ignore[union-attr] # checked above


@pytest.mark.parametrize("loss", ["lost", "gone", "late"])
async def test_a_firm_whose_making_was_not_answered_is_looked_up(bench: Bench, loss: str) -> None:
    bench.wire.script["create_party"] = [loss]
    one, two = first_orders()
    await bench.settle(one.invoice("100.00"), two.invoice("50.00"))

    assert len(bench.erp.stand().firms) == 1
    assert sorted(bench.books()) == ["invoice 100.00", "invoice 50.00"]


async def test_a_firm_just_made_is_taken_though_it_cannot_be_seen_yet(bench: Bench) -> None:
    bench.clock.advance(60)
    bench.wire.lag = 8
    await bench.settle(first_orders()[0].invoice("100.00"))

    assert bench.wire.calls.count("create_party") == 1
    assert bench.states() == [State.VERIFIED]


async def test_a_refused_firm_is_held_and_made_at_the_release(bench: Bench) -> None:
    order, _ = first_orders()
    bench.wire.script["create_party"] = [Held(HoldReason.RIGHTS_MISSING, "no right to create firms")]
    await bench.settle(order.invoice("100.00"))
    assert bench.row().reason == HoldReason.RIGHTS_MISSING

    await bench.settle(order.invoice("100.00", released=True))
    assert bench.books() == ["invoice 100.00"]


async def test_a_busy_erp_leaves_no_intent_to_make_a_firm(bench: Bench) -> None:
    order, _ = first_orders()
    bench.wire.script["create_party"] = [busy()]
    await bench.settle(order.invoice("100.00"))

    assert bench.clock.monotonic() < 5  # nothing to wait for: it was not sent
    assert len(bench.erp.stand().firms) == 1


async def test_a_firm_that_the_erp_says_is_there_is_looked_for(bench: Bench) -> None:
    order, _ = first_orders()
    bench.wire.before["create_party"] = lambda: bench.erp.make_firm(order.party.external_key)
    bench.wire.script["create_party"] = [Rejected("duplicate", "exists")]
    await bench.settle(order.invoice("100.00"))

    assert bench.books() == ["invoice 100.00"]


async def test_a_firm_that_the_erp_says_is_there_and_never_shows_is_held(bench: Bench) -> None:
    bench.wire.script["create_party"] = [Rejected("duplicate", "exists")] * 5
    await bench.settle(first_orders()[0].invoice("100.00"))

    assert bench.row().reason == HoldReason.PARTY_MISSING
    assert bench.wire.calls.count("create_party") == 2


async def test_a_process_that_stood_still_makes_no_firm(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    record = bench.ledger.record_party

    async def slow(row, owner, fencing, **options):  # type: ignore[no-untyped-def] # the ledger's own signature
        monkeypatch.undo()
        stored = await record(row, owner, fencing, **options)
        bench.clock.advance(5)
        return stored

    monkeypatch.setattr(bench.ledger, "record_party", slow)
    bench.add(first_orders()[0].invoice("100.00"))
    await bench.once()
    assert "create_party" not in bench.wire.calls
