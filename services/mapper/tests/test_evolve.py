"""The end state does not depend on the order in which an order's pictures arrive, nor on how often (reliability R8)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from mlc_common.accounting import CreditNote, Invoice
from mlc_common.events import DocumentWish, HeldWish, Wish
from mlc_mapper.decide import decide
from mlc_mapper.decision import Decision
from mlc_mapper.evolve import evolve
from mlc_mapper.inputs import SnapshotSeen
from mlc_mapper.state import OrderState

from .making import Json, back, item, mapping, order, refund, shipping, snapshot, with_refunds

MAPPING = mapping(revenue={"by_sku": {"MUG-BLUE": "402.00"}, "by_category": {"mugs": "403.00"}})
START = datetime(2026, 11, 21, tzinfo=UTC)
STATUSES = ["pending", "on-hold", "processing", "completed", "cancelled", "failed", "refunded"]


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[SnapshotSeen], bool]:
    """The pictures of one order, oldest first, and whether its lines were edited."""
    price, edited, refunds, deleted, pictures = 20, False, list[Json](), False, list[SnapshotSeen]()
    for index in range(draw(st.integers(1, 7))):
        moment = START + timedelta(seconds=60 * index)
        if index and draw(st.integers(0, 5)) == 0:
            price, edited = price + 5, True
        deleted = deleted or draw(st.integers(0, 5)) == 0
        sold = item(2, f"{price}.00", "1.77", subtotal=f"{price + 3}.00", taxes={1: "0.88", 2: "0.89"})
        if draw(st.integers(0, 2)) == 0 and len(refunds) < 3:
            lines = draw(st.sampled_from([(), (back(sold, "2.00", "0.17", taxes={1: "0.08", 2: "0.09"}),)]))
            refunds.append(refund(25 + len(refunds), "2.17" if lines else "1.23", *lines))
        shown = {**sold, "sku": None, "product_id": 0} if deleted else sold
        body = order(
            shown,
            ship=(shipping(3, "7.95"),),
            status=draw(st.sampled_from(STATUSES)),
            paid=draw(st.sampled_from([None, "2026-11-20T23:00:00", "2026-11-21T06:00:00"])),
            modified=moment.isoformat()[:19],
            customer_id=0 if deleted else draw(st.sampled_from([42, 42, 0])),
        )
        products = [] if deleted else [{"id": 11, "categories": [{"id": 9, "slug": draw(st.sampled_from("ab"))}]}]
        seen = with_refunds(body, *refunds)
        pictures.append(snapshot(seen, *refunds, offset=index, at=moment + timedelta(seconds=5), products=products))
    return pictures, edited


@given(lives(), st.data())
def test_any_order_of_arrival_ends_in_the_same_state_and_books(
    life: tuple[list[SnapshotSeen], bool], data: st.DataObject
) -> None:
    pictures, edited = life
    again = data.draw(st.lists(st.sampled_from(pictures), max_size=5))
    shuffled = data.draw(st.permutations([*pictures, *again]))
    one, two = _tell(pictures), _tell(shuffled)
    for field in ("picture", "facts", "refunds", "alive_at"):
        assert getattr(one[0], field) == getattr(two[0], field)
    assert _books(one[1], amounts_only=edited) == _books(two[1], amounts_only=edited)


@given(lives(), st.data())
def test_folding_alone_ends_in_the_same_state_as_deciding(
    life: tuple[list[SnapshotSeen], bool], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(life[0]))
    folded = OrderState(flow="web", connection="shop", order_id=17)
    for picture in shuffled:
        folded = evolve(folded, picture)
    decided, _ = _tell(shuffled)
    nothing = {"wishes": {}, "seq": 0, "asked": ()}
    assert decided.model_copy(update=nothing) == folded


@given(lives())
def test_hearing_everything_twice_commands_nothing_more(life: tuple[list[SnapshotSeen], bool]) -> None:
    state, _ = _tell(life[0])
    for picture in life[0]:
        decision = decide(state, picture, MAPPING)
        assert isinstance(decision, Decision)
        assert (decision.commands, decision.fetches, decision.excluded) == ((), (), ())
        state = decision.state


def test_the_poller_may_read_at_which_picture_a_state_stands() -> None:
    """It looks into the stored states for that (`stands_at` of its store)."""
    state, _ = _tell([snapshot(order(item(2, "1.00"), modified="2026-11-21T00:03:15"))])
    stored = json.loads(state.model_dump_json())
    assert datetime.fromisoformat(stored["picture"]["modified"]) == datetime(2026, 11, 21, 0, 3, 15, tzinfo=UTC)
    assert json.loads(OrderState(flow="web", connection="shop", order_id=17).model_dump_json())["picture"] is None
    timeless = order(item(2, "1.00"), modified=None) | {"date_created_gmt": None}
    assert json.loads(_tell([snapshot(timeless)])[0].model_dump_json())["picture"]["modified"] == "1970-01-01T00:00:00Z"


def _tell(pictures: list[SnapshotSeen]) -> tuple[OrderState, dict[UUID, Wish]]:
    state, last = OrderState(flow="web", connection="shop", order_id=17), dict[UUID, Wish]()
    for picture in pictures:
        decision = decide(state, picture, MAPPING)
        assert isinstance(decision, Decision)
        assert [command.seq for command in decision.commands] == [
            state.seq + 1 + index for index in range(len(decision.commands))
        ]
        state = decision.state
        last |= {command.document_key: command.wish for command in decision.commands}
    return state, last


def _books(last: dict[UUID, Wish], *, amounts_only: bool) -> Any:
    """The money in the books in the end: a withdrawn invoice and one that never was are the same, with all its credits.

    How it is booked (account, SKU, date) stays as first commanded, and so does how a credit of an order that was edited
    later is divided; there only amounts can be the same.
    """
    wanted = [wish for wish in last.values() if isinstance(wish, DocumentWish | HeldWish)]
    documents = [wish.document for wish in wanted if isinstance(wish, DocumentWish)]
    if not any(document.type == "invoice" for document in documents):
        return None
    held = sorted((wish.reason, wish.detail) for wish in wanted if isinstance(wish, HeldWish))
    lines = {} if amounts_only else {str(document.key): _money(document) for document in documents}
    return held, lines, {str(document.key): (document.type, document.total, document.party) for document in documents}


def _money(document: Invoice | CreditNote) -> Any:
    return [
        (line.source_line or line.kind, line.quantity, line.net, [(tax.code, tax.amount) for tax in line.taxes])
        for line in document.lines
    ]
