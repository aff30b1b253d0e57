"""The control paths under ``/_sandbox/`` that make people act in the shop and run its queue.

They are not part of WooCommerce and need no key. What each act fires is queued as the real thing would queue it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mlc_sandbox.control import BadControl, guarded, json_answer, json_body
from mlc_sandbox.woocommerce.delivery import Mischief
from mlc_sandbox.woocommerce.dump import deliveries, queue, webhooks
from mlc_sandbox.woocommerce.errors import Refusal
from mlc_sandbox.woocommerce.model import Order
from mlc_sandbox.woocommerce.order_view import OrderView
from mlc_sandbox.woocommerce.product_view import ProductView
from mlc_sandbox.woocommerce.shop import Shop
from mlc_sandbox.woocommerce.shopper import Shopper
from mlc_sandbox.woocommerce.webhooks import STATUSES

Act = Callable[[Request, dict[str, Any]], Any]
USER_STATES = ("ok", "demoted", "deleted")


class ShopperApi:
    """Control routes of one shop.

    Args:
        shop: Which.
    """

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.shopper = Shopper(shop)

    def routes(self) -> list[Route]:
        """Routes relative to ``/_sandbox``."""
        return [
            Route("/orders", self._act(self.place_order, 201), methods=["POST"]),
            Route("/orders/{order_id:int}", self._act(self.delete_order), methods=["DELETE"]),
            Route("/orders/{order_id:int}/refunds", self._act(self.refund, 201), methods=["POST"]),
            Route("/orders/{order_id:int}/refunds/{refund_id:int}", self._act(self.delete_refund), methods=["DELETE"]),
            Route("/orders/{order_id:int}/{act}", self._act(self.on_order), methods=["POST"]),
            Route("/products", self._act(self.create_product, 201), methods=["POST"]),
            Route("/products/{product_id:int}", self._act(self.delete_product), methods=["DELETE"]),
            Route("/customers", self._act(self.create_customer, 201), methods=["POST"]),
            Route("/customers/{customer_id:int}", self._act(self.delete_customer), methods=["DELETE"]),
            Route("/users/{user_id:int}", self._act(self.set_user), methods=["POST"]),
            Route("/settings", self._act(self.change_settings), methods=["POST"]),
            Route("/webhooks", self._act(lambda *_: webhooks(self.shop.queue)), methods=["GET"]),
            Route("/webhooks/{webhook_id:int}", self._act(self.switch_webhook), methods=["POST"]),
            Route("/deliveries", self._act(self.list_deliveries), methods=["GET"]),
            Route("/queue", self._act(lambda *_: queue(self.shop.queue)), methods=["GET"]),
            Route("/queue/{act}", guarded(self.on_queue), methods=["POST"]),
        ]

    def place_order(self, request: Request, wish: dict[str, Any]) -> Any:
        """``POST /orders``: check out in the storefront."""
        return self._shown(self.shopper.place_order(wish))

    def on_order(self, request: Request, wish: dict[str, Any]) -> Any:
        """``POST /orders/{id}/{act}``: status, cancel, edit, trash, restore, refund."""
        order_id, act = request.path_params["order_id"], request.path_params["act"]
        orders = self.shop.orders
        acts: dict[str, Callable[[], Order]] = {
            "status": lambda: orders.update(order_id, {"status": wish["status"]}),
            "cancel": lambda: orders.update(order_id, {"status": "cancelled"}),
            "edit": lambda: self.shopper.edit(order_id, wish),
            "trash": lambda: orders.trash(order_id),
            "restore": lambda: orders.restore(order_id),
        }
        if act == "refund":
            return self.refund(request, wish)
        if act not in acts:
            raise BadControl(f"unknown act {act}; use one of {', '.join([*acts, 'refund'])}")
        return self._shown(acts[act]())

    def delete_order(self, request: Request, wish: dict[str, Any]) -> Any:
        """``DELETE /orders/{id}``: for good, silently."""
        return {"deleted": self.shop.orders.delete(request.path_params["order_id"]).id}

    def refund(self, request: Request, wish: dict[str, Any]) -> Any:
        """``POST /orders/{id}/refunds``: by line, by amount only, or everything."""
        refund = self.shopper.refund(request.path_params["order_id"], wish)
        return OrderView(self.shop.store).refund(refund, with_parent=True)

    def delete_refund(self, request: Request, wish: dict[str, Any]) -> Any:
        """``DELETE /orders/{id}/refunds/{id}``: silently."""
        params = request.path_params
        return {"deleted": self.shop.orders.refunds.delete(params["order_id"], params["refund_id"]).id}

    def create_product(self, request: Request, wish: dict[str, Any]) -> Any:
        """``POST /products``: as of the REST API; ``parent_id`` makes a variation."""
        parent_id = int(wish.pop("parent_id", 0))
        return ProductView(self.shop.store).product(self.shop.products.create(wish, parent_id=parent_id))

    def delete_product(self, request: Request, wish: dict[str, Any]) -> Any:
        """``DELETE /products/{id}``: for good, or to the trash with ``{"force": false}``."""
        product_id = request.path_params["product_id"]
        act = self.shop.products.delete if wish.get("force", True) else self.shop.products.trash
        return {"deleted": act(product_id).id}

    def create_customer(self, request: Request, wish: dict[str, Any]) -> Any:
        """``POST /customers``: as of the REST API."""
        return self.shop.customers.view(self.shop.customers.create(wish))

    def delete_customer(self, request: Request, wish: dict[str, Any]) -> Any:
        """``DELETE /customers/{id}``: its orders become guest orders."""
        return {"deleted": self.shop.customers.delete(request.path_params["customer_id"]).id}

    def set_user(self, request: Request, wish: dict[str, Any]) -> Any:
        """``POST /users/{id}``: {"state": "ok" | "demoted" | "deleted"}; deliveries and keys of this user follow."""
        state = wish.get("state")
        if state not in USER_STATES:
            raise BadControl(f"state is one of {', '.join(USER_STATES)}")
        self.shop.store.users[request.path_params["user_id"]] = state
        return {"user_id": request.path_params["user_id"], "state": state}

    def switch_webhook(self, request: Request, wish: dict[str, Any]) -> Any:
        """``POST /webhooks/{id}``: {"status": "active" | "paused" | "disabled"}, as the admin pages or a failure do."""
        status = wish.get("status")
        if status not in STATUSES:
            raise BadControl(f"status is one of {', '.join(STATUSES)}")
        webhook = self.shop.queue.webhooks.find(request.path_params["webhook_id"])
        webhook.status = status
        return {"id": webhook.id, "status": status}

    def change_settings(self, request: Request, wish: dict[str, Any]) -> Any:
        """``POST /settings``: decimals, timezone, taxes, auto_run, … as of the config."""
        self.shop.settings.change(wish)
        return {name: getattr(self.shop.settings, name) for name in wish}

    def list_deliveries(self, request: Request, wish: dict[str, Any]) -> Any:
        """``GET /deliveries``: ``?bodies=1`` with headers and bodies."""
        return deliveries(self.shop.queue, with_body="bodies" in request.query_params)

    async def on_queue(self, request: Request) -> Response:
        """``POST /queue/{act}``: run, settle, drop, duplicate, reorder."""
        act, wish = request.path_params["act"], await json_body(request)
        waiting = self.shop.queue
        if act == "run":
            done: Any = await waiting.run(wish.get("limit"))
        elif act == "settle":
            await waiting.settle()
            done = len(waiting.log)
        elif act in ("drop", "duplicate"):
            waiting.mischief.append(Mischief(act, int(wish.get("count", 1)), str(wish.get("topic", ""))))
            done = int(wish.get("count", 1))
        elif act == "reorder":
            waiting.reorder(str(wish.get("order", "reverse")), int(wish.get("seed", 0)))
            done = len(waiting.pending)
        else:
            raise BadControl(f"unknown act {act}; use run, settle, drop, duplicate or reorder")
        return json_answer({act: done, "pending": len(waiting.pending)})

    def _shown(self, order: Order) -> dict[str, Any]:
        return OrderView(self.shop.store).order(order)

    def _act(self, act: Act, status: int = 200) -> Callable[[Request], Awaitable[Response]]:
        """A route that acts, queues what that fired, and answers a store's refusal with its status."""

        async def handle(request: Request) -> Response:
            wish = await json_body(request)
            try:
                return json_answer(act(request, wish), status)
            except Refusal as refusal:
                return json_answer(refusal.body(), refusal.status)
            finally:
                self.shop.queue.take_events()

        return guarded(handle)
