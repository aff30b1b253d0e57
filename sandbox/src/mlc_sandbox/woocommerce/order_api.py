"""The endpoints of orders, refunds and order notes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlc_sandbox.woocommerce.batch import batch
from mlc_sandbox.woocommerce.errors import Refusal
from mlc_sandbox.woocommerce.links import item_links
from mlc_sandbox.woocommerce.listing import DATES, PAGING, by_ids, in_dates, page_of, sort_dated
from mlc_sandbox.woocommerce.model import STATUSES, Note, Order, Refund
from mlc_sandbox.woocommerce.order_view import OrderView
from mlc_sandbox.woocommerce.orders import Orders
from mlc_sandbox.woocommerce.query import Reader, integer, integers, many_of
from mlc_sandbox.woocommerce.rest import Call, Endpoint, Reply, item_methods
from mlc_sandbox.woocommerce.store import Store

LIST_STATUSES = (
    "any",
    "trash",
    "auto-draft",
    "pending",
    "processing",
    "on-hold",
    "completed",
    "cancelled",
    "refunded",
    "failed",
    "checkout-draft",
)
HIDDEN = ("trash", "auto-draft", "checkout-draft")
REFUND_LIST: dict[str, Reader] = {**PAGING, **DATES, "dp": integer(0), "parent": integers}
ORDER_LIST: dict[str, Reader] = {
    **REFUND_LIST,
    "status": many_of(*LIST_STATUSES),
    "customer": integer(),
    "product": integer(),
    "created_via": many_of(),
}
ONE: dict[str, Reader] = {"dp": integer(0), "context": PAGING["context"]}


class OrderApi:
    """Orders, their refunds and notes over HTTP.

    Args:
        store: The tables.
        orders: What can be done with orders.
    """

    def __init__(self, store: Store, orders: Orders) -> None:
        self.store = store
        self.orders = orders

    def endpoints(self) -> dict[str, Endpoint]:
        """All endpoints by path under the namespace."""
        item = item_methods(self.get, self.update, self.delete)
        return {
            "orders": Endpoint({"GET": self.list_orders, "POST": self.create}, "GET, POST", ORDER_LIST),
            "orders/{id}": Endpoint(item, "GET, POST, PUT, PATCH, DELETE", ONE),
            "orders/batch": batch(self._create, self._update, self._delete),
            "orders/{id}/refunds": Endpoint(
                {"GET": self.list_refunds, "POST": self.create_refund}, "GET, POST", REFUND_LIST
            ),
            "orders/{id}/refunds/{id}": Endpoint(
                {"GET": self.get_refund, "DELETE": self.delete_refund}, "GET, DELETE", ONE
            ),
            "refunds": Endpoint({"GET": self.list_all_refunds}, "GET", REFUND_LIST),
            "orders/{id}/notes": Endpoint({"GET": self.list_notes, "POST": self.create_note}, "GET, POST"),
            "orders/{id}/notes/{id}": Endpoint({"GET": self.get_note, "DELETE": self.delete_note}, "GET, DELETE"),
        }

    def list_orders(self, call: Call) -> Reply:
        """``GET /orders``."""
        call.may("list")
        found = [order for order in self.store.orders.values() if _fits(order, call.query)]
        found = in_dates(by_ids(found, call.query), call.query, self.store.settings.zone)
        page = page_of(
            sort_dated(found, call.query),
            call.query,
            f"{self.store.rest_url}/orders",
            defaults={"status": ["any"]},
            shown_defaults=self._shown_defaults(),
            forgets_totals=True,
        )
        view = self._view(call)
        return Reply([view.order(order) for order in page.items], headers=page.headers)

    def get(self, call: Call) -> Reply:
        """``GET /orders/{id}``."""
        order = self.orders.find(call.ids[0])
        call.may("view")
        return Reply(self._view(call).order(order))

    def create(self, call: Call) -> Reply:
        """``POST /orders``."""
        call.may("create")
        shown = self._create(call, call.body)
        return Reply(shown, 201, {"Location": f"{self.store.rest_url}/orders/{shown['id']}"})

    def update(self, call: Call) -> Reply:
        """``PUT /orders/{id}``, and POST and PATCH."""
        self.orders.find(call.ids[0], status=400)
        call.may("edit")
        return Reply(self._update(call, call.ids[0], call.body))

    def delete(self, call: Call) -> Reply:
        """``DELETE /orders/{id}``: to the trash, or for good with ``force``."""
        order = self.orders.find(call.ids[0])
        call.may("delete")
        if call.force:
            return Reply(self._delete(call, order.id))
        before = OrderView(self.store).order(order)
        self.orders.trash(order.id)
        return Reply(before)

    def list_refunds(self, call: Call) -> Reply:
        """``GET /orders/{id}/refunds``; an unknown order simply has none."""
        call.may("list")
        order = self.store.orders.get(call.ids[0])
        found = [self.store.refunds[refund_id] for refund_id in order.refund_ids] if order else []
        return self._refund_page(call, found, f"orders/{call.ids[0]}/refunds", with_parent=False)

    def list_all_refunds(self, call: Call) -> Reply:
        """``GET /refunds``: of all orders, with their ids."""
        call.may("list")
        return self._refund_page(call, list(self.store.refunds.values()), "refunds", with_parent=True)

    def get_refund(self, call: Call) -> Reply:
        """``GET /orders/{id}/refunds/{id}``."""
        refund = self.orders.refunds.find(*call.ids)
        call.may("view")
        return Reply(self._view(call).refund(refund))

    def create_refund(self, call: Call) -> Reply:
        """``POST /orders/{id}/refunds``."""
        call.may("create")
        refund = self.orders.refunds.create(call.ids[0], call.body, by=call.key.user_id if call.key else 0)
        # The real thing forgets to fill in the order's id.
        location = rf"{self.store.rest_url}/orders/(?P<order_id>[\d]+)/refunds/{refund.id}"
        return Reply(OrderView(self.store).refund(refund), 201, {"Location": location})

    def delete_refund(self, call: Call) -> Reply:
        """``DELETE /orders/{id}/refunds/{id}``: silent."""
        refund = self.orders.refunds.find(*call.ids)
        call.may("delete")
        if not call.force:
            text = "Refunds do not support trashing."
            raise Refusal(501, "woocommerce_rest_trash_not_supported", text)
        shown = OrderView(self.store).refund(refund)
        self.orders.refunds.delete(*call.ids)
        return Reply(shown)

    def list_notes(self, call: Call) -> Reply:
        """``GET /orders/{id}/notes``, newest first."""
        order = self._noted(call)
        rows = sorted(self.store.notes.get(order.id, []), key=lambda note: (-note.created.timestamp(), note.id))
        return Reply([self._note(note) for note in rows])

    def create_note(self, call: Call) -> Reply:
        """``POST /orders/{id}/notes``: touches nothing else and fires nothing."""
        order = self._noted(call)
        private = not call.body.get("customer_note")
        note = self.store.add_note(order.id, str(call.body.get("note", "")), customer_note=not private)
        location = f"{self.store.rest_url}/orders/{order.id}/notes/{note.id}"
        return Reply(self._note(note), 201, {"Location": location})

    def get_note(self, call: Call) -> Reply:
        """``GET /orders/{id}/notes/{id}``."""
        return Reply(self._note(self._find_note(call)))

    def delete_note(self, call: Call) -> Reply:
        """``DELETE /orders/{id}/notes/{id}``."""
        note = self._find_note(call)
        self.store.notes[note.order_id].remove(note)
        return Reply(self._note(note))

    def _create(self, call: Call, body: Mapping[str, Any]) -> dict[str, Any]:
        return OrderView(self.store).order(self.orders.create(body, created_via=body.get("created_via") or "rest-api"))

    def _update(self, call: Call, order_id: int, body: Mapping[str, Any]) -> dict[str, Any]:
        return OrderView(self.store).order(self.orders.update(order_id, body))

    def _delete(self, call: Call, order_id: int) -> dict[str, Any]:
        shown = OrderView(self.store).order(self.orders.find(order_id))
        self.orders.delete(order_id)
        return shown

    def _refund_page(self, call: Call, found: list[Refund], path: str, *, with_parent: bool) -> Reply:
        found = in_dates(by_ids(found, call.query), call.query, self.store.settings.zone)
        page = page_of(
            sort_dated(found, call.query),
            call.query,
            f"{self.store.rest_url}/{path}",
            shown_defaults=self._shown_defaults(),
            forgets_totals=True,
        )
        view = self._view(call)
        shown = [view.refund(refund, with_parent=with_parent) for refund in page.items]
        return Reply(shown, headers=page.headers)

    def _view(self, call: Call) -> OrderView:
        return OrderView(self.store, call.query.get("dp"))

    def _shown_defaults(self) -> dict[str, Any]:
        return {"dp": self.store.settings.decimals, "context": "view"}

    def _noted(self, call: Call) -> Order:
        order = self.store.orders.get(call.ids[0])
        call.may("list" if call.method in ("GET", "HEAD") else "create")
        if order is None:
            raise Refusal(404, "woocommerce_rest_order_invalid_id", "Invalid order ID.")
        return order

    def _find_note(self, call: Call) -> Note:
        order = self._noted(call)
        note = next((one for one in self.store.notes.get(order.id, []) if one.id == call.ids[1]), None)
        if note is None:
            raise Refusal(404, "woocommerce_rest_invalid_id", "Invalid resource ID.")
        return note

    def _note(self, note: Note) -> dict[str, Any]:
        path = f"orders/{note.order_id}/notes"
        links = item_links(self.store, path, note.id, allow=("GET", "DELETE"))
        return {
            "id": note.id,
            "author": note.author,
            **self.store.stamps("date_created", note.created),
            "note": note.text,
            "customer_note": note.customer_note,
            "_links": {**links, "up": [{"href": f"{self.store.rest_url}/orders/{note.order_id}"}]},
        }


def _fits(order: Order, asked: Mapping[str, Any]) -> bool:
    statuses = asked.get("status") or ["any"]
    wanted = [status for status in STATUSES if status not in HIDDEN] if "any" in statuses else statuses
    if order.status not in wanted and not ("any" in statuses and order.status not in HIDDEN):
        return False
    if "customer" in asked and order.customer_id != asked["customer"]:
        return False
    if "parent" in asked and order.parent_id not in asked["parent"]:
        return False
    if "created_via" in asked and order.created_via not in asked["created_via"]:
        return False
    product = asked.get("product")
    if product and not any(product in (line.product_id, line.variation_id) for line in order.lines.products):
        return False
    return not asked.get("search") or str(asked["search"]).lower() in _text(order)


def _text(order: Order) -> str:
    """What a search looks through."""
    words = [str(order.id), *order.billing.values(), *order.shipping.values()]
    return "\n".join([*words, *(line.name for line in order.lines.products)]).lower()
