"""Whatever a store sends: held with the field's name, left out, or mapped to something that every ERP can be told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_common import exactjson
from mlc_common.events import HeldWish, OrderSnapshot
from mlc_mapper.decide import decide
from mlc_mapper.decision import Decision, NotAnOrder
from mlc_mapper.preview import preview
from mlc_mapper.state import OrderState
from mlc_mapper.woocommerce.told import read_snapshot

from .making import NOW, Json, back, fee, item, mapping, order, record, refund, shipping, shown, snapshot, webhook

MAPPING = mapping()
MUG = item(2, "10.00", "1.00")


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("total", "1e400", "total"),
        ("total", "NaN", "total"),
        ("total", None, "total"),
        ("total", "", "total"),
        ("total", 11.0, "total"),
        ("total", "1" * 100, "total"),
        ("total", True, "total"),
        ("total_tax", "x", "total_tax"),
        ("currency", None, "currency"),
        ("currency", "", "currency"),
        ("status", None, "status"),
        ("line_items", {}, "line_items"),
        ("line_items", [1], "line_items"),
        ("line_items", [{}], "line_items[0].total"),
        ("line_items", [{"total": "1.00"}], "line_items[0].id"),
        ("line_items", [{**MUG, "quantity": "two"}], "line_items[0].quantity"),
        ("line_items", [{**MUG, "subtotal": "x"}], "line_items[0].subtotal"),
        ("line_items", [{**MUG, "taxes": [{"id": 1, "total": "x"}]}], "line_items[0].taxes[0].total"),
        ("line_items", [{**MUG, "taxes": "none"}], "line_items[0].taxes"),
        ("shipping_lines", [{"id": 3, "total": "Infinity"}], "shipping_lines[0].total"),
        ("fee_lines", [{"id": 3, "total": "1", "total_tax": "sNaN"}], "fee_lines[0].total_tax"),
        ("refunds", [{"id": "x"}], "refunds[0].id"),
        ("refunds", [{"id": 25, "total": "much"}], "refunds[0].total"),
        ("billing", [], "billing"),
        ("date_paid_gmt", "soon", "date_paid_gmt"),
        ("date_paid_gmt", "0001-01-01T00:00:00", "date_paid_gmt"),
        ("date_modified_gmt", 5, "date_modified_gmt"),
    ],
)
def test_what_cannot_be_read_is_held_with_the_field_s_name(field: str, value: Any, says: str) -> None:
    out = shown(order(MUG, **{field: value}), by=MAPPING) if field != "refunds" else _preview({field: value})
    assert out["documents"] == []
    (hold,) = out["holds"]
    assert hold["reason"] == "bad_data"
    assert hold["detail"].startswith(says)


def _preview(changes: Json) -> Json:
    return preview({"order": order(MUG, **changes), "refunds": []}, MAPPING)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("amount", "1e400", "refund 25.amount"),
        ("amount", "-5.00", "refund 25.amount"),
        ("amount", None, "refund 25.amount"),
        ("date_created_gmt", None, "refund 25.date_created_gmt"),
        ("line_items", [{"id": 1, "total": "x"}], "refund 25.line_items[0].total"),
        ("line_items", [{"id": 1, "total": "1", "meta_data": 5}], "refund 25.line_items[0].meta_data"),
    ],
)
def test_a_refund_that_cannot_be_read_is_held_and_its_invoice_goes_on(field: str, value: Any, says: str) -> None:
    one = refund(25, "5.00")
    stored = {**record(order(MUG), one), "refunds": [{**one, field: value}]}
    out = preview(stored, MAPPING)
    assert [document["type"] for document in out["documents"]] == ["invoice"]
    (hold,) = out["holds"]
    assert (hold["reason"], hold["type"]) == ("bad_data", "credit_note")
    assert hold["detail"].startswith(says)


def test_an_unreadable_order_that_is_not_sold_is_left_out() -> None:
    out = shown(order(MUG, total="x", status="pending"), by=MAPPING)
    assert [one["rule"] for one in out["excluded"]] == ["not_paid"]


@pytest.mark.parametrize("text", ["Mug \ud800", "\udfff", "Mug \x00", "a\tb\r\nc", "x" * 100_000, "\u202e", "🍮"])
def test_any_text_makes_a_document_that_can_be_written(text: str) -> None:
    body = order(item(2, "10.00", name=text, sku=text), billing={"company": text, "email": f"{text}@x.test"})
    stored = exactjson.loads(exactjson.dumps(record({**body, "number": text})))
    out = preview(stored, MAPPING)
    (document,) = out["documents"]
    written = exactjson.dumps(document)
    written.decode("utf-8")
    assert b"\\u0000" not in written
    line = document["lines"][0]
    assert len(line["description"]) <= 500
    assert "\n" not in line["description"]


def test_broken_characters_are_replaced_visibly() -> None:
    (document,) = shown(order(item(2, "10.00", name="Mug \ud800!")), by=MAPPING)["documents"]
    assert document["lines"][0]["description"] == "Mug \ufffd!"


def test_what_plugins_nest_deeply_is_not_looked_at() -> None:
    (document,) = shown(order(MUG, meta_data=[{"key": "x", "value": _nested(300)}]), by=MAPPING)["documents"]
    assert document["total"] == "11.00"


def test_nesting_without_end_is_held() -> None:
    out = shown(order(MUG, meta_data=[{"key": "x", "value": _nested(100_000)}]), by=MAPPING)
    assert [hold["reason"] for hold in out["holds"]] == ["bad_data"]
    assert "nested" in out["holds"][0]["detail"]


def _nested(levels: int) -> Any:
    deep: Any = "bottom"
    for _ in range(levels):
        deep = [deep]
    return deep


def test_refunds_without_an_id_are_as_if_they_were_not_read() -> None:
    stored = record(order(MUG), refund(25, "5.00"))
    stored["refunds"] = [{"id": None}, {}]
    (hold,) = preview(stored, MAPPING)["holds"]
    assert hold["detail"].startswith("the order lists refund 25")


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["1.00", "-1", "1e400", "NaN", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
WHOLE = order(item(2, "20.00", "1.00", subtotal="22.00"), ship=(shipping(3, "5.00", "0.25"),), fees=(fee(4, "-3.00"),))
REFUND = refund(25, "5.25", back(item(2, "20.00"), "5.00", "0.25"))


@st.composite
def spoiled(draw: st.DrawFn, whole: Json) -> Json:
    """A record with one to three of its fields, at any depth, replaced by junk or removed."""
    copy = exactjson.loads(exactjson.dumps(whole))
    for _ in range(draw(st.integers(1, 3))):
        place: Any = copy
        while True:
            keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and draw(st.integers(0, 3)):
                place = place[key]
                continue
            if draw(st.booleans()) or isinstance(place, list):
                place[key] = draw(JUNK)
            else:
                del place[key]
            break
    assert isinstance(copy, dict)
    return copy


@given(spoiled({"order": WHOLE, "refund": REFUND}))
def test_a_spoiled_order_never_raises_and_what_it_makes_adds_up(stored: Json) -> None:
    body = stored.get("order")
    whole = body if isinstance(body, dict) else {}
    one = stored.get("refund")
    event = snapshot({**whole, "id": 17}, *([one] if isinstance(one, dict) else []))
    state = OrderState(flow="web", connection="shop", order_id=17)
    decision = decide(state, event, MAPPING)
    assert isinstance(decision, Decision)
    assert OrderState.model_validate_json(decision.state.model_dump_json()) == decision.state
    for command in decision.commands:
        exactjson.dumps(command.model_dump(mode="json")).decode("utf-8")
        assert not isinstance(command.wish, HeldWish) or command.wish.detail


@given(spoiled(WHOLE), st.booleans())
def test_a_spoiled_webhook_never_raises(body: Json, whole: bool) -> None:
    data = exactjson.dumps({**body, "id": 17})
    event = webhook(data if whole else data[: len(data) // 2])
    decision = decide(OrderState(flow="web", connection="shop", order_id=17), event, MAPPING)
    assert isinstance(decision, Decision if whole else NotAnOrder)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_order_or_none(data: bytes) -> None:
    decision = decide(OrderState(flow="web", connection="shop", order_id=17), webhook(data), MAPPING)
    assert isinstance(decision, NotAnOrder)
    assert decision.reason


@pytest.mark.parametrize("odd", [None, "MUG", {}, 0], ids=repr)
def test_an_order_that_the_store_lists_without_an_id_says_what_to_do(odd: object) -> None:
    """R10: as the poller hands it on."""
    nameless = OrderSnapshot(connection="shop", order_id="unknown", order=order(MUG) | {"id": odd}, fetched_at=NOW)
    found = read_snapshot(nameless)
    assert isinstance(found, NotAnOrder)
    assert found.reason == ("the store lists an order without an id, for which nothing can be asked; repair it there")
