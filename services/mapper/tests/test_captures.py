"""Every recorded order and delivery of the real store leads to what is stated here, with the store's own totals."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from mlc_common.events import DocumentWish, HeldWish, OrderSnapshot
from mlc_mapper.decide import decide
from mlc_mapper.decision import Decision, NotAnOrder
from mlc_mapper.inputs import RawInput, SnapshotSeen
from mlc_mapper.preview import preview
from mlc_mapper.state import OrderState
from mlc_mapper.woocommerce.told import read

from .captured import DATA, deliveries, record
from .making import NOW, mapping

MAPPING = mapping()

RECORDS = {
    "cancelled": ["excluded cancelled"],
    "checkout-draft": ["excluded not_paid"],
    "cod-completed": ["invoice 25.48 = 23.40 + 2.08"],
    "cod-processing": ["invoice 25.48 = 23.40 + 2.08"],
    "completed": ["invoice 25.48 = 23.40 + 2.08"],
    "coupon-percent": ["invoice 40.83 = 37.50 + 3.33"],
    "customer-variation": ["invoice 76.21 = 69.99 + 6.22"],
    "day-107": ["invoice 91.39 = 83.94 + 7.45"],
    "day-109": ["invoice 52.58 = 48.29 + 4.29", "credit_note 1.23 = 1.13 + 0.10"],
    "day-111": ["excluded deleted"],
    "day-112": ["invoice 52.83 = 48.52 + 4.31"],
    "day-113": [
        "invoice 190.45 = 175.02 + 15.43",
        "credit_note 12.42 = 11.40 + 1.02",
        "credit_note 1.23 = 1.13 + 0.10",
    ],
    "day-114": ["invoice 82.71 = 75.97 + 6.74"],
    "day-115": ["invoice 45.31 = 41.62 + 3.69"],
    "day-116": ["excluded deleted"],
    "day-117": ["invoice 132.55 = 121.75 + 10.80"],
    "day-118": ["excluded not_paid"],
    "day-119": ["invoice 199.75 = 183.87 + 15.88"],
    "day-120": ["excluded not_paid"],
    "day-121": ["invoice 142.20 = 131.37 + 10.83"],
    "day-123": ["invoice 148.04 = 135.98 + 12.06"],
    "day-124": ["excluded not_paid"],
    "day-125": ["invoice 16.92 = 15.54 + 1.38"],
    "day-127": ["excluded not_paid"],
    "day-128": ["invoice 171.98 = 157.96 + 14.02"],
    "day-129": ["invoice 9.25 = 8.50 + 0.75"],
    "day-130": ["excluded not_paid"],
    "day-131": ["invoice 52.84 = 49.17 + 3.67"],
    "day-133": ["invoice 115.92 = 106.47 + 9.45"],
    "fees-coupon-shipping-11.0.1": ["invoice 56.25 = 52.02 + 4.23", "credit_note 11.47 = 10.54 + 0.93"],
    "fees-coupon-shipping-9.7.1": ["invoice 56.25 = 52.02 + 4.23", "credit_note 11.47 = 10.54 + 0.93"],
    "guest-paid": ["invoice 33.75 = 31.35 + 2.40"],
    "negative-fee": ["invoice 23.31 = 21.40 + 1.91"],
    "pending": ["excluded not_paid"],
    "refund-amount-only": ["invoice 25.48 = 23.40 + 2.08", "credit_note 3.00 = 2.76 + 0.24"],
    "refund-by-line": ["invoice 33.75 = 31.35 + 2.40", "credit_note 12.74 = 11.70 + 1.04"],
    "tax-inclusive": ["invoice 32.77 = 30.45 + 2.32"],
    "trashed": ["excluded deleted"],
    "unknown-product": ["excluded not_paid"],
}

VERSION_PROBE = {
    "order.created document": 1, "order.created not_paid": 2, "order.updated nothing": 4,
    "order.updated fetch": 1, "action fetch": 1, "order.deleted fetch": 1,
}  # fmt: skip

DELIVERIES: dict[str, dict[str, int]] = {
    "customer-create-update": {},
    "day-stream-small": {
        "order.created document": 15, "order.created not_paid": 5, "order.created fetch": 1, "action fetch": 4,
        "order.updated nothing": 23, "order.updated fetch": 4, "order.deleted fetch": 2,
    },
    "errors": {"order.created not_paid": 2, "order.updated nothing": 2, "order.updated fetch": 1},
    "order-cancelled": {"order.created not_paid": 1, "order.updated nothing": 1, "order.updated cancelled": 1},
    "order-coalesced-updates": {"order.updated document": 1},
    "order-cod-lifecycle": {"order.created document": 1, "order.updated nothing": 2},
    "order-coupon-percent": {"order.created document": 1, "order.updated nothing": 1},
    "order-created-by-two-webhooks": {
        "order.created not_paid": 1, "order.created nothing": 1, "order.updated nothing": 1,
    },
    "order-customer-variation": {"order.created document": 1, "order.updated nothing": 1},
    "order-gone-before-delivery": {"order.created dead letter": 1, "order.updated dead letter": 1},
    "order-guest-paid-created": {"order.created document": 1, "order.updated nothing": 1},
    "order-lifecycle-onhold-processing-completed": {
        "order.created not_paid": 1, "order.updated nothing": 2, "order.updated document": 1,
    },
    "order-negative-fee": {"order.created document": 1, "order.updated nothing": 1},
    "order-no-cron-no-delivery": {"order.created document": 1, "order.updated nothing": 1},
    "order-paused-webhook-while-queued": {},
    "order-trash-restore-delete": {
        "order.created not_paid": 1, "order.updated nothing": 1, "order.deleted fetch": 1,
    },
    "order-update-during-delivery": {"order.updated not_paid": 1, "order.updated document": 1},
    "order-updated-by-note-and-meta": {"order.updated not_paid": 2},
    "orders-batch": {"order.created not_paid": 1, "order.updated nothing": 1, "order.updated document": 1},
    "params-edge": {"order.updated document": 1},
    "product-batch-mixed-results": {},
    "product-simple-create-get-update": {},
    "product-trash-and-force-delete": {},
    "product-variable-and-variations": {},
    "refund-created-then-deleted": {
        "order.created document": 1, "order.updated nothing": 1, "order.updated fetch": 1, "action fetch": 1,
    },
    "refund-partial-by-line": {"order.updated fetch": 1, "action fetch": 1},
    "tax-inclusive-simple": {"order.created document": 1, "order.updated nothing": 1},
    "version-11.0.1": VERSION_PROBE,
    "version-9.7.1": VERSION_PROBE,
    "webhook-auto-disable": {},
    "webhook-crud-and-ping": {},
    "webhook-deleted-before-delivery": {},
    "webhook-odd-secrets": {},
    "webhook-ping-answered-202": {},
    "webhook-redirects": {},
}  # fmt: skip


def test_every_recorded_order_and_case_has_an_expectation() -> None:
    assert {path.stem for path in (DATA / "orders").glob("*.json")} == set(RECORDS)
    assert {path.stem for path in (DATA / "deliveries").glob("*.json")} == set(DELIVERIES)


@pytest.mark.parametrize("name", RECORDS)
def test_a_recorded_order_maps_as_stated(name: str) -> None:
    out = preview(record(name), MAPPING)
    documents = [f"{one['type']} {one['total']} = {one['net']} + {one['tax']}" for one in out["documents"]]
    holds = [f"held {one['reason']}" for one in out["holds"]]
    assert [*documents, *holds, *(f"excluded {one['rule']}" for one in out["excluded"])] == RECORDS[name]


@pytest.mark.parametrize("name", [name for name, said in RECORDS.items() if said[0].startswith("invoice")])
def test_the_documents_of_a_recorded_order_have_the_store_s_totals(name: str) -> None:
    stored = record(name)
    invoice, *notes = preview(stored, MAPPING)["documents"]
    order, limit = stored["order"], Decimal("0.01")
    assert Decimal(invoice["total"]) == Decimal(order["total"])
    assert abs(Decimal(invoice["tax"]) - Decimal(order["total_tax"])) <= limit
    assert [Decimal(note["total"]) for note in notes] == [Decimal(one["amount"]) for one in stored["refunds"]]
    for kind, key in (("item", "line_items"), ("shipping", "shipping_lines")):
        ours = sum(Decimal(line["net"]) for line in invoice["lines"] if line["kind"] == kind)
        taken = sum(Decimal(line["net"]) for line in invoice["lines"] if kind == "item" and line["kind"] == "discount")
        assert ours + taken == sum(Decimal(line["total"]) for line in order[key])


@pytest.mark.parametrize("case", DELIVERIES)
def test_the_recorded_deliveries_lead_to_what_is_stated(case: str) -> None:
    states: dict[int, OrderState] = {}
    found: Counter[str] = Counter()
    for event in deliveries(case):
        decision = _decide(states, event)
        says = _says(decision)
        if event.topic.startswith(("order.", "action.")):
            found[f"{event.topic.split('.woo')[0]} {says}"] += 1
        else:
            assert says == "dead letter"
    assert dict(found) == DELIVERIES[case]


def test_a_recorded_day_ends_as_the_store_s_final_state_says() -> None:
    """Every fetch is answered with the order's final state, and a last sweep reads every order once more."""
    names = [name for name in RECORDS if name.startswith("day-")]
    final = {record(name)["order"]["id"]: record(name) for name in names}
    last = _last_wishes(list(deliveries("day-stream-small")), final)
    sold = {order_id: stored for order_id, stored in final.items() if _sold(stored["order"])}
    documents = [wish.document for wish in last.values() if isinstance(wish, DocumentWish)]
    invoices = {int(one.sources[0].id): one.total for one in documents if one.type == "invoice"}
    assert invoices == {order_id: Decimal(stored["order"]["total"]) for order_id, stored in sold.items()}
    notes = sorted((int(one.sources[0].id), one.total) for one in documents if one.type == "credit_note")
    refunds = [one for stored in sold.values() for one in stored["refunds"]]
    assert notes == sorted((one["id"], Decimal(one["amount"])) for one in refunds)
    # 110 and 111 were paid; then 110 was deleted for good, which the store tells nobody, and 111 put into the trash
    held = {order_id: wish.reason for (order_id, _), wish in last.items() if isinstance(wish, HeldWish)}
    assert held == {110: "order_deleted", 111: "order_deleted"}


def _last_wishes(events: list[RawInput], final: dict[int, Any]) -> dict[tuple[int, str], Any]:
    states: dict[int, OrderState] = {}
    last: dict[tuple[int, str], Any] = {}

    def take(event: RawInput) -> None:
        decision = _decide(states, event)
        if isinstance(decision, NotAnOrder):
            return
        last.update({(decision.state.order_id, str(one.document_key)): one.wish for one in decision.commands})
        for request in decision.fetches:
            take(_snapshot(int(request.order_id), final, request.fetch_id))

    for event in events:
        take(event)
    for order_id in sorted({*states, *final}):
        take(_snapshot(order_id, final, None))
    return last


def _sold(order: dict[str, Any]) -> bool:
    return order["status"] in ("processing", "completed") and bool(Decimal(order["total"]))


def _decide(states: dict[int, OrderState], event: RawInput) -> Decision | NotAnOrder:
    told = read(event)
    if isinstance(told, NotAnOrder):
        return told
    state = states.get(told.order_id, OrderState(flow="web", connection="shop", order_id=told.order_id))
    decision = decide(state, event, MAPPING)
    assert isinstance(decision, Decision)
    states[told.order_id] = decision.state
    return decision


def _says(decision: Decision | NotAnOrder) -> str:
    if isinstance(decision, NotAnOrder):
        return "dead letter"
    said = [command.wish.wish for command in decision.commands] + ["fetch" for _ in decision.fetches]
    return ",".join([*said, *(one.rule for one in decision.excluded)]) or "nothing"


def _snapshot(order_id: int, final: dict[int, Any], fetch_id: Any) -> SnapshotSeen:
    stored = final.get(order_id, {"order": None, "refunds": []})
    said = OrderSnapshot(
        connection="shop", order_id=str(order_id), order=stored["order"], refunds=stored["refunds"], fetch_id=fetch_id,
        fetched_at=NOW,
    )  # fmt: skip
    return SnapshotSeen(position=(0, 10_000), event_id=f"snapshot-{order_id}-{fetch_id}", snapshot=said)
