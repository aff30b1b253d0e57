"""Golden records of what the mapper says: whole documents of recorded orders, and the words for what cannot be read.

They are in ``golden/``: every field of every document, hold, exclusion and fetch. Whoever changes the mapper on purpose
writes them anew with ``MLC_APPROVE_GOLDEN=1`` and reads the diff; whoever did not mean to sees what changed.
Rule: design `style.md`, "golden logs"; a document that changes is a document that a bookkeeper sees change.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from mlc_common.accounting import Value
from mlc_common.events import HoldResolved
from mlc_mapper.decide import decide, decide_again, release, resolve
from mlc_mapper.decision import Decision, NotAnOrder
from mlc_mapper.inputs import RawInput, SnapshotSeen, WebhookSeen
from mlc_mapper.mapping import Mapping
from mlc_mapper.state import OrderState

from .captured import DATA, record
from .making import (
    NOW,
    RATES,
    STRICT,
    Json,
    back,
    fee,
    item,
    mapping,
    order,
    refund,
    shipping,
    snapshot,
    webhook,
    with_refunds,
)

GOLDEN = Path(__file__).with_name("golden")

IN_FORCE = "the version in force"
"""Stands for the version of a mapping, which changes with each word of the example."""

MAPPINGS: dict[str, Mapping] = {
    "example": mapping(),
    "strict": STRICT,
    "by firm": mapping(
        project={"rule": "by_firm", "code": "", "phase": "01", "task": "A"},
        firms={"create": "true", "email": "account", "table": [{"email": "Corp@Example.test", "firm": "ACME"}]},
        guests={"policy": "firm"},
        discounts={"account": None},
        refunds={"amount_only": "clearing", "clearing_account": "119.00"},
        period="next_open",
        after_posting="hold",
    ),
    "by product": mapping(
        revenue={"by_sku": {"MUG-BLUE": "402.00"}, "by_category": {"mugs": "403.00", "9": "406.00"}, "default": None},
        shipping={"by_method": {"local_pickup": "405.00", "flat_rate": "404.50"}, "default": None},
        fees={"default": None},
        taxes={"by_rate": {"2": {"code": "CITY"}}, "default": None},
        require_payment_date="true",
        guests={"policy": "hold"},
    ),
}


def said(value: Any) -> Any:
    """A value as JSON without what is usual, so that one reads what there is."""
    if isinstance(value, Value):
        return value.model_dump(mode="json", exclude_defaults=True)
    return value


def told(decision: Decision | NotAnOrder) -> Json:
    """Everything that a decision makes known."""
    if isinstance(decision, NotAnOrder):
        return {"no order": decision.reason}
    shown: Json = {}
    if decision.commands:
        shown["commands"] = [said(command) for command in decision.commands]
    if decision.fetches:
        shown["fetches"] = [said(request) for request in decision.fetches]
    if decision.excluded:
        shown["excluded"] = [f"{one.rule} {one.subject}: {one.detail}" for one in decision.excluded]
    return shown


def briefly(decision: Decision | NotAnOrder) -> str:
    """The gist of a decision in one line."""
    if isinstance(decision, NotAnOrder):
        return f"no order: {decision.reason}"
    parts = []
    for command in decision.commands:
        wish = said(command.wish)
        document = wish.get("document")
        parts.append(
            f"{command.kind} {document['number']} {document['total']} {document['currency']} {document['date']} "
            f"{document['reference']} {document.get('memo')} {document['party']['name']!a} "
            f"{document['party'].get('firm')} {document['party'].get('match')}: {_lines(document)}"
            if document
            else f"{command.kind} " + " | ".join(str(each) for each in wish.values())
        )
    parts += [f"fetch because {request.because}" for request in decision.fetches]
    parts += [f"{one.rule} {one.subject}: {one.detail}" for one in decision.excluded]
    return "; ".join(parts) or "nothing"


def _lines(document: Json) -> str:
    shown = []
    for line in document["lines"]:
        taxes = "".join(f" {tax['code']} {tax['amount']} of {tax.get('basis')}" for tax in line.get("taxes", ()))
        shown.append(
            f"{line.get('quantity', '1')}x {line['kind']} {line.get('source_line', '')} {line.get('account')} "
            f"{line.get('description', '')!a} {line['net']}{taxes}"
        )
    return ", ".join(shown)


def compared(name: str, found: str) -> None:
    """Compare with what is kept, or keep it where a person asks for that."""
    kept = GOLDEN / name
    if os.environ.get("MLC_APPROVE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        kept.write_text(found, encoding="utf-8")
    assert found == kept.read_text(encoding="utf-8")


class Shop:
    """One order's life under mappings, and what was said at each event."""

    def __init__(self, name: str = "example", order_id: int = 17) -> None:
        self.mapping = MAPPINGS[name]
        self.state = OrderState(flow="web", connection="shop", order_id=order_id)
        self.lines: list[str] = []
        self._seen = 0

    def fresh(self) -> None:
        """The same order in a store that never told of it."""
        self.state = OrderState(flow="web", connection="shop", order_id=self.state.order_id)

    def tell(self, event: RawInput) -> Decision | NotAnOrder:
        """The next event."""
        decision = decide(self.state, event, self.mapping)
        if isinstance(decision, Decision):
            self.state = decision.state
        return decision

    def show(self, body: Json | None, *refunds: Json, **more: Any) -> None:
        """The order is read, and what is asked for is answered with the same picture."""
        self._seen += 1
        seen = with_refunds(body, *refunds) if body else None
        decision = self.tell(snapshot(seen, *refunds, offset=self._seen, **more))
        self.lines.append(briefly(decision))
        for request in decision.fetches if isinstance(decision, Decision) else ():
            answer = snapshot(seen, *refunds, offset=self._seen, fetch_id=request.fetch_id, **more)
            self.lines.append(f"  answered: {briefly(self.tell(answer))}")

    def hear(self, body: Any, topic: str = "order.updated") -> None:
        """A webhook comes."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.lines.append(briefly(self.tell(webhook(raw, topic=topic))))

    def release(self, *, rebook: bool = False) -> None:
        """A person releases everything."""
        decision = decide_again(
            self.state, self.mapping, cause="release", released=set(self.state.wishes), rebook=rebook
        )
        self.state = decision.state
        self.lines.append(f"released: {briefly(decision)} {[command.adjusting for command in decision.commands]}")


# -- recorded orders, whole


@pytest.mark.parametrize("under", ["example", "by firm", "by product"])
def test_the_documents_of_recorded_orders_stay_what_they_are(under: str) -> None:
    found = {}
    for file in sorted((DATA / "orders").glob("*.json")):
        stored = record(file.stem)
        shop = Shop(under, stored["order"]["id"])
        products = [{"id": line["product_id"], "categories": [{"id": 9, "slug": "mugs"}]}
                    for line in stored["order"]["line_items"]]  # fmt: skip
        event = snapshot(
            stored["order"], *stored["refunds"], products=products, customer={"id": 3, "email": "Corp@Example.test"}
        )
        found[file.stem] = told(shop.tell(event))
    text = json.dumps(found, indent=1, ensure_ascii=True) + "\n"
    compared(f"recorded orders, {under}.json", text.replace(MAPPINGS[under].version, IN_FORCE))


# -- lives of orders


MUG = item(2, "23.40", "2.08", taxes={1: "1.04", 2: "1.04"})
TWO = item(2, "40.00", "3.55", quantity=2, subtotal="50.00", taxes={1: "1.77", 2: "1.78"})
SHIP = shipping(3, "7.95", "0.71", taxes={1: "0.36", 2: "0.35"})
GIFT = fee(4, "-5.00", name="Gift card 77")
WRAP = fee(5, "2.00", "0.18", name="Wrap")
MUGS: Json = {"products": [{"id": 11, "categories": [{"id": 9, "slug": "mugs"}]}]}

Life = Callable[[Shop], None]
LIVES: dict[str, tuple[str, Life]] = {}


def life(under: str = "example") -> Callable[[Life], Life]:
    """A life of an order, told under a mapping; the function's name is its name."""

    def add(made: Life) -> Life:
        LIVES[f"{made.__name__} ({under})"] = (under, made)
        return made

    return add


def everywhere(made: Life) -> Life:
    """A life that is told under each mapping."""
    for under in MAPPINGS:
        life(under)(made)
    return made


@everywhere
def statuses(shop: Shop) -> None:
    names = (
        "pending",
        "on-hold",
        "processing",
        "odd",
        "completed",
        "cancelled",
        "refunded",
        "failed",
        "trash",
        "pending",
    )
    for at, status in enumerate(names):
        shop.show(order(MUG, status=status, customer_id=42, **_modified(2 * at)), **MUGS)
        shop.show(order(MUG, status=status, paid=None, customer_id=42, **_modified(2 * at + 1)), **MUGS)
    for at, status in enumerate(names):
        shop.fresh()
        shop.show(order(MUG, status=status, customer_id=42, **_modified(30)), **MUGS)
        shop.show(order(MUG, status="refunded", paid=None, customer_id=42, **_modified(31 + at)), **MUGS)


@everywhere
def everything_on_one_order(shop: Shop) -> None:
    body = order(TWO, ship=(SHIP,), fees=(GIFT, WRAP), customer_id=42, number="A-17")
    shop.show(body, **MUGS, customer={"id": 42, "email": "Corp@Example.test"})
    returned = refund(25, "23.30", back(TWO, "20.00", "1.77", taxes={1: "0.88", 2: "0.89"}), back(WRAP, "1.41", "0.12"))
    shop.show({**body, **_modified(1)}, returned, **MUGS)
    shop.show({**body, **_modified(2)}, returned, refund(26, "3.33", reason="late"), **MUGS)
    shop.show({**body, **_modified(3)}, refund(26, "3.33", reason="late"), **MUGS)
    shop.show({**body, **_modified(4), "status": "cancelled"}, refund(26, "3.33"), refund(27, "1.00"), **MUGS)
    shop.show({**body, **_modified(5)}, refund(26, "3.33"), refund(27, "1.00"), **MUGS)
    shop.release()
    shop.show({**body, **_modified(6)}, refund(26, "3.33"), refund(27, "1.00"), refund(28, "99.00"), **MUGS)
    shop.show(None)
    shop.release(rebook=True)


@everywhere
def guests(shop: Shop) -> None:
    shop.show(order(MUG, billing={"email": " Ann@Example.test ", "first_name": "Ann", "last_name": "A"}), **MUGS)
    billings: tuple[Json, ...] = ({}, {"company": "Co &amp; Sons"}, {"email": "corp@example.test"})
    for billing in billings:
        shop.fresh()
        shop.show(order(MUG, billing=billing), **MUGS)


@everywhere
def currencies(shop: Shop) -> None:
    shop.show(order(item(2, "1000"), total="1000", currency="JPY", customer_id=42), **MUGS)
    shop.show(order(item(2, "1000.5"), total="1000.5", currency="JPY", customer_id=42, **_modified(1)), **MUGS)
    shop.show(order(item(2, "10.00"), currency="XXX", customer_id=42, **_modified(2)), **MUGS)
    shop.show(order(item(2, "10.00"), currency="BRL", customer_id=42, **_modified(3)), **MUGS)
    shop.show(order(item(2, "1.005"), total="1.005", currency="KWD", customer_id=42, **_modified(4)), **MUGS)


@everywhere
def sums(shop: Shop) -> None:
    for at, total in enumerate(("23.40", "25.43", "25.53", "25.42", "25.54", "-1.00", "0.00")):
        shop.fresh()
        shop.show(order(MUG, total=total, customer_id=42, **_modified(at)), **MUGS)
    shop.show(order(MUG, total_tax="2.50", total="25.48", customer_id=42, **_modified(8)), **MUGS)
    shop.show(order(total="25.48", customer_id=42, **_modified(9)), **MUGS)
    shop.show(order(item(2, "0.00"), ship=(shipping(3, "0.00"),), customer_id=42, **_modified(10)), **MUGS)


@everywhere
def refunds_of_all_kinds(shop: Shop) -> None:
    body = order(TWO, ship=(SHIP,), customer_id=42)
    stranger = item(99, "3.00", sku="LOST", product_id=0)
    for at, one in enumerate((
        refund(25, "0.00"),
        refund(25, "5.00"),
        refund(25, "-5.00"),
        refund(25, "5.001"),
        refund(25, "3.00", back(stranger, "3.00")),
        refund(25, "3.00", {**back(stranger, "3.00"), "meta_data": []}),
        refund(25, "20.00", {**back(TWO, "20.00"), "meta_data": []}),
        refund(25, "21.82", back(TWO, "20.00", "1.77", taxes={7: "1.77"})),
        refund(25, "10.00", back(TWO, "20.00", "1.77")),
        refund(25, "0.00", back(TWO, "0.00", quantity=0)),
        refund(25, "0.01", back(TWO, "0.00", quantity=-1)),
        refund(25, "52.21"),
        refund(25, "52.22"),
    )):  # fmt: skip
        shop.fresh()
        shop.show({**body, **_modified(at)}, one, **MUGS)
    unread = {**body, "refunds": [{"id": 30, "total": "-1.00"}], **_modified(20)}
    shop.tell(snapshot(unread, offset=90, **MUGS))
    shop.show({**unread, **_modified(21)}, **MUGS)
    shop.lines.append(briefly(shop.tell(snapshot(
        {**body, "refunds": [{"id": 31, "total": "-1.00"}], **_modified(22)}, refund(31, "2.00"), offset=91, **MUGS,
    ))))  # fmt: skip


@everywhere
def fees_and_taxes(shop: Shop) -> None:
    names = ("My GIFT card", "Store Credit", "A discount", "[x]", "", "Tip")
    for at, name in enumerate(names):
        shop.fresh()
        shop.show(order(MUG, fees=(fee(4, "1.00", name=name),), customer_id=42, **_modified(at)), **MUGS)
    for at, taxes in enumerate(({7: "2.08"}, {2: "2.08"}, {}, {1: "1.00", 2: "1.00"}, {1: "0.00", 2: "2.08"})):
        line = item(2, "23.40", "2.08", taxes=taxes)
        shop.fresh()
        shop.show(order(line, customer_id=42, **_modified(10 + at)), **MUGS)
    codeless = [{"rate_id": rate, "rate_code": ""} for rate in RATES]
    shop.show(order(MUG, customer_id=42, tax_lines=codeless, **_modified(20)), **MUGS)
    shop.fresh()
    shop.show(order(item(2, "5.00", sku=""), customer_id=42, **_modified(21)), products=[])
    shop.fresh()
    shop.show(order(item(2, "5.00", sku="NEW", product_id=12, name=""), customer_id=42, **_modified(22)))
    shop.fresh()
    shop.show(
        order(MUG, ship=(shipping(3, "1.00", method_id="local_pickup", method_title=""),), **_modified(23)), **MUGS
    )
    shop.fresh()
    shop.show(order(MUG, ship=(shipping(3, "1.00", method_id=""),), customer_id=42, **_modified(24)), **MUGS)


@everywhere
def cut_over(shop: Shop) -> None:
    old: Json = {"paid": "2023-06-01T00:00:00", "modified": "2023-06-01T00:00:00"}
    shop.show(order(MUG, customer_id=42, **old), **MUGS)
    early = refund(25, "1.00", date_created_gmt="2023-07-01T00:00:00")
    shop.show(
        {**order(MUG, customer_id=42, **old), **_modified(1)}, early, refund(26, "2.00"), refund(27, "0.00"), **MUGS
    )
    shop.show({**order(MUG, customer_id=42, **old), **_modified(5), "status": "cancelled"}, early, **MUGS)


@life()
def rules_that_change(shop: Shop) -> None:
    other = mapping(revenue={"default": "402.00"}, shipping={"default": "406.00"}, project={"code": "STORE.WEB02"})
    body = order(MUG, ship=(SHIP,))
    shop.show(body)
    shop.mapping = other
    shop.show({**body, "billing": {"company": "Moved Ltd"}, **_modified(1)})
    shop.release()
    returned = refund(25, "25.48", back(MUG, "23.40", "2.08", taxes={1: "1.04", 2: "1.04"}))
    shop.show({**body, **_modified(2)}, returned)
    shop.mapping = MAPPINGS["example"]
    shop.show({**body, "status": "odd", **_modified(3)}, returned)
    shop.show({**body, **_modified(4)}, returned)
    shop.show({**body, "currency": "EUR", **_modified(5)}, returned)
    shop.release()
    shop.release()


@life()
def a_person_releases_and_resolves(shop: Shop) -> None:
    unread = order(item(2, "5.00", sku="NEW"), customer_id=42)
    shop.hear(unread)
    shop.mapping = mapping(revenue={"by_category": {"mugs": "403.00"}})
    (key,) = shop.state.wishes
    for cause in ("first", "again"):
        asked = release(shop.state, shop.mapping, cause=cause, documents=[key])
        shop.state = asked.state
        shop.lines.append(f"released: {json.dumps(told(asked), sort_keys=True)}")
    answer = snapshot(unread, offset=5, fetch_id=asked.fetches[0].fetch_id, products=MUGS["products"])
    shop.lines.append(briefly(shop.tell(answer)))
    shop.lines.append(briefly(release(shop.state, shop.mapping, cause="third", documents=[key], rebook=True)))
    found = HoldResolved(
        request_id=key, flow="web", order_key="shop:order:17", document_key=key, found="closed", by="ada", why="gone",
        at=NOW,
    )  # fmt: skip
    resolved = resolve(shop.state, found, shop.mapping)
    shop.state = resolved.state
    shop.lines.append(f"resolved: {json.dumps(told(resolved), sort_keys=True)}")
    shop.show({**unread, "total": "6.00", **_modified(1)})


@life()
def webhooks(shop: Shop) -> None:
    body = order(MUG)
    all_heard: tuple[Any, ...] = (
        body, body, {**body, "total": "99.00"}, {"id": 17}, {"arg": 17, "action": "woocommerce_order_refunded"},
        {"arg": 17, "action": "woocommerce_payment"}, {"arg": "x", "action": "woocommerce_order_refunded"},
        {"code": "rest_forbidden", "data": {"status": 401}}, {"code": "odd"}, {"id": "17"}, {"id": 0}, [], 5,
        b"{", b"\xff", {**body, "date_modified_gmt": None, "date_created_gmt": None}, {**body, "date_modified_gmt": ""},
    )  # fmt: skip
    for heard in all_heard:
        shop.hear(heard)
    shop.hear({"id": 17, "x": 1}, "product.updated")
    shop.hear({"id": 17}, "")
    shop.show({**body, "total": "99.00"})
    shop.show(None)
    shop.hear({**body, **_modified(9)})


@life()
def snapshots_of_nothing(shop: Shop) -> None:
    for body, order_id in ((order(MUG, order_id=18), "17"), (order(MUG), "x" * 60), (None, "0")):
        event = snapshot(order(MUG))
        wrong = event.snapshot.model_copy(update={"order": body, "order_id": order_id})
        shop.lines.append(briefly(shop.tell(SnapshotSeen(position=(0, 1), event_id="wrong", snapshot=wrong))))


@life("by product")
def variations(shop: Shop) -> None:
    small = item(2, "5.00", sku="S", product_id=11, variation_id=77)
    large = item(4, "9.00", sku="L", product_id=11, variation_id=78)
    read = [{"id": 77, "categories": [{"slug": "mugs"}]}, {"id": 78, "categories": [{"id": 9}]}, {"id": 0}, {}]
    body = order(small, large, customer_id=42)
    shop.show(body, products=read)
    returned = {**back(large, "9.00"), "meta_data": []}
    shop.show({**body, **_modified(1)}, refund(25, "9.00", returned), products=read)
    shop.fresh()
    shop.show(body, products=[])


@life()
def times_that_are_missing(shop: Shop) -> None:
    body = order(MUG)
    shop.show({**body, "date_modified_gmt": None, "date_created_gmt": ""})
    shop.show({**body, "date_modified_gmt": None})
    shop.fresh()
    shop.show({**body, "date_modified_gmt": "", "status": ""})
    shop.show({**body, "date_modified_gmt": "", "paid": None, "date_created_gmt": "2026-11-20T10:00:00+02:00"})
    shop.show({**body, "date_modified_gmt": "1989-12-31T23:59:59"})
    undated = refund(25, "1.00", date_created_gmt=None)
    shop.show({**body, **_modified(3)}, undated)


@life("strict")
def first_seen_paid(shop: Shop) -> None:
    shop.show(order(item(2, "23.40", "2.08", taxes={7: "2.08"}), paid=None, **_modified(0)))
    shop.show(order(MUG, paid="2026-11-28T10:00:00", **_modified(40)))
    shop.fresh()
    shop.show(order(MUG, status="refunded", paid="2026-11-10T10:00:00", **_modified(50)))


@life()
def refunds_of_old_orders_that_cannot_be_read(shop: Shop) -> None:
    old = order(MUG, customer_id=42, paid="2023-06-01T00:00:00", modified="2023-06-01T00:00:00")
    shop.show({**old, "refunds": [{"id": 30, "total": "-1.00"}]})
    listed = [{"id": 30, "total": "-1.00"}, {"id": 31, "total": "-2.00"}]
    answer = snapshot({**old, "refunds": listed, **_modified(1)}, refund(31, "3.00"), offset=9, fetch_id=UUID(int=9))
    shop.lines.append(briefly(shop.tell(answer)))


def _modified(step: int) -> Json:
    return {"date_modified_gmt": f"2026-11-{21 + step // 10:02}T1{step % 10}:00:00"}


@pytest.mark.parametrize("name", LIVES)
def test_each_life_of_an_order_is_told_as_before(name: str) -> None:
    under, made = LIVES[name]
    shop = Shop(under)
    made(shop)
    compared(f"{name}.txt", "\n".join(shop.lines).replace(shop.mapping.version, IN_FORCE) + "\n")


def test_every_golden_record_belongs_to_a_test() -> None:
    recorded = {f"recorded orders, {under}.json" for under in ("example", "by firm", "by product")}
    assert {file.name for file in GOLDEN.iterdir()} == {*(f"{name}.txt" for name in LIVES), *recorded, "fields.txt"}


# -- what cannot be read


ODD: tuple[Any, ...] = ("absent", None, "", "x", "7", -3, True, [], {}, "a" * 70)


def test_what_a_field_may_say_and_what_is_said_of_it() -> None:
    """Each field of an order and of a refund, absent and with each odd value in turn."""
    sold = order(TWO, ship=(SHIP,), fees=(WRAP,), customer_id=42)
    returned = refund(25, "21.77", back(TWO, "20.00", "1.77", taxes={1: "0.88", 2: "0.89"}))
    stored = {"order": with_refunds(sold, returned), "refunds": [returned]}
    usual, lines = _outcome(stored), []
    for path in _paths(stored):
        outcomes: dict[str, list[str]] = {}
        for value in ODD:
            outcomes.setdefault(_outcome(_changed(stored, path, value)), []).append(f"{str(value)[:12]!a}")
        lines.append(".".join(str(step) for step in path))
        lines += [f"  {' '.join(values)}: {outcome.replace(usual, 'as usual')}" for outcome, values in outcomes.items()]
    compared("fields.txt", "\n".join(lines) + "\n")


def _paths(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if len(at) > 1 and at != ("order", "id") and not (at[0] == "refunds" and len(at) < 3):
        yield at
    if isinstance(value, dict):
        for key, each in value.items():
            if key not in ("_links", "price"):
                yield from _paths(each, (*at, key))
    elif isinstance(value, list) and value:
        yield from _paths(value[0], (*at, 0))


def _changed(stored: Json, path: tuple[str | int, ...], value: Any) -> Json:
    changed = copy.deepcopy(stored)
    inside: Any = changed
    for step in path[:-1]:
        inside = inside[step]
    if value == "absent":
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return changed


def _outcome(stored: Json) -> str:
    """What is decided about a record, briefly; the webhook of the order says the same or that more must be read."""
    shop = Shop("strict")
    try:
        event = snapshot(stored["order"], *stored["refunds"])
    except (KeyError, ValueError, TypeError):
        return "is no snapshot"
    return briefly(shop.tell(event))


def test_a_webhook_of_an_order_is_read_like_its_snapshot() -> None:
    event = WebhookSeen(
        position=(0, 0), event_id="one", topic="order.created", body=json.dumps(order(MUG)).encode(), received_at=NOW
    )
    by_webhook, by_snapshot = Shop().tell(event), Shop().tell(snapshot(order(MUG)))

    assert isinstance(by_webhook, Decision)
    assert isinstance(by_snapshot, Decision)
    assert by_webhook.commands[0].wish == by_snapshot.commands[0].wish
