"""The webhooks resource: topics, hooks, secrets, the ping, the failure counter and how a webhook disables itself.

State per webhook: status, consecutive failures, and whether a ping is still owed. Every save of an active webhook sends
the owed ping; only exactly 200 settles it. Six failures are tolerated, the seventh disables; setting it active does not
reset the counter. Facts sheet §13, §14 and §17.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

from mlc_sandbox.woocommerce.errors import BadParameter, Refusal, invalid_id, invalid_parameters, missing_parameters
from mlc_sandbox.woocommerce.links import item_links
from mlc_sandbox.woocommerce.store import Store

HOOKS: dict[str, list[str]] = {
    "coupon.created": ["woocommerce_process_shop_coupon_meta", "woocommerce_new_coupon"],
    "coupon.updated": ["woocommerce_process_shop_coupon_meta", "woocommerce_update_coupon"],
    "coupon.deleted": ["wp_trash_post"],
    "coupon.restored": ["untrashed_post"],
    "customer.created": ["user_register", "woocommerce_created_customer", "woocommerce_new_customer"],
    "customer.updated": ["profile_update", "woocommerce_update_customer"],
    "customer.deleted": ["delete_user"],
    "order.created": ["woocommerce_new_order"],
    "order.updated": ["woocommerce_update_order", "woocommerce_order_refunded"],
    "order.deleted": ["wp_trash_post", "woocommerce_trash_order"],
    "order.restored": ["untrashed_post", "woocommerce_untrash_order"],
    "product.created": [
        "woocommerce_process_product_meta",
        "woocommerce_new_product",
        "woocommerce_new_product_variation",
    ],
    "product.updated": [
        "woocommerce_process_product_meta",
        "woocommerce_update_product",
        "woocommerce_update_product_variation",
    ],
    "product.deleted": ["wp_trash_post"],
    "product.restored": ["untrashed_post"],
    "product.published": ["woocommerce_product_published"],
}
ACTION = re.compile(r"^action\.(woocommerce_|wc_)\w+$")
STATUSES = ("active", "paused", "disabled")
# More than this many consecutive failures disable: the counter reads 6 when the seventh arrives.
TOLERATED = 5


@dataclass
class Webhook:
    """One webhook."""

    id: int
    name: str
    topic: str
    delivery_url: str
    secret: str
    user_id: int
    created: datetime
    modified: datetime | None = None
    status: str = "active"
    failures: int = 0
    owes_ping: bool = True

    @property
    def resource(self) -> str:
        """order, product, customer, coupon or action."""
        return self.topic.partition(".")[0]

    @property
    def event(self) -> str:
        """created, updated, … or the hook of an action."""
        return self.topic.partition(".")[2]


class Webhooks:
    """The webhooks of one store.

    Args:
        store: Its tables.
        ping: Sends a ping and says whether it was answered with exactly 200.
    """

    def __init__(self, store: Store, ping: Callable[[Webhook], Awaitable[bool]]) -> None:
        self.store = store
        self.by_id: dict[int, Webhook] = {}
        self._ping = ping
        self._ids = count(2)

    def find(self, webhook_id: int, *, status: int = 404) -> Webhook:
        """One webhook.

        Raises:
            Refusal: there is none.
        """
        webhook = self.by_id.get(webhook_id)
        if webhook is None:
            raise invalid_id("shop_webhook", status, "ID is invalid.")
        return webhook

    def listening_to(self, topic: str) -> list[Webhook]:
        """The active webhooks of a topic, newest first, as they are loaded and queued."""
        return [hook for hook in reversed(self.by_id.values()) if hook.topic == topic and hook.status == "active"]

    def skip_ids(self, webhook_id: int) -> None:
        """Go on counting from here."""
        self._ids = count(webhook_id)

    async def create(self, body: Mapping[str, Any], user_id: int) -> dict[str, Any]:
        """A new webhook, always active whatever the body says; pinged before this returns.

        Raises:
            Refusal: topic or URL is missing or wrong.
        """
        missing = [name for name in ("topic", "delivery_url") if body.get(name) is None]
        if missing:
            raise missing_parameters(missing)
        self._check(body)
        now, webhook_id = self.store.now(), next(self._ids)
        name = str(body.get("name") or now.strftime("Webhook created on %b %d, %Y @ %I:%M %p"))
        secret = (
            str(body["secret"]) if body.get("secret") is not None else self.store.secret_token("hook", webhook_id)[:50]
        )
        webhook = Webhook(webhook_id, name, body["topic"], body["delivery_url"], secret, user_id, now)
        self.by_id[webhook_id] = webhook
        answer = self.view(webhook)  # the answer still says that it was never modified
        await self.save(webhook)
        return answer

    async def update(self, webhook_id: int, body: Mapping[str, Any]) -> Webhook:
        """Change a webhook; a new URL owes a ping again, a new status keeps the failure counter.

        Raises:
            Refusal: no such webhook (400), or a value is wrong.
        """
        webhook = self.find(webhook_id, status=400)
        self._check(body)
        for name in ("name", "topic", "secret", "status"):
            if body.get(name) is not None:
                setattr(webhook, name, str(body[name]))
        if body.get("delivery_url") not in (None, webhook.delivery_url):
            webhook.delivery_url = str(body["delivery_url"])
            webhook.owes_ping = True
        await self.save(webhook)
        return webhook

    async def save(self, webhook: Webhook) -> None:
        """Stamp it and, if it is active and owes a ping, send that."""
        webhook.modified = self.store.now()
        if webhook.owes_ping and webhook.status == "active":
            webhook.owes_ping = not await self._ping(webhook)

    async def count_result(self, webhook: Webhook, *, delivered: bool) -> None:
        """Count a delivery: success resets, the seventh failure in a row disables. Saved either way."""
        if delivered:
            webhook.failures = 0
        elif webhook.failures > TOLERATED:
            webhook.status = "disabled"
        else:
            webhook.failures += 1
        await self.save(webhook)

    def delete(self, webhook_id: int) -> Webhook:
        """Delete a webhook; what it had queued is not sent.

        Raises:
            Refusal: there is none.
        """
        webhook = self.find(webhook_id)
        del self.by_id[webhook_id]
        return webhook

    def view(self, webhook: Webhook) -> dict[str, Any]:
        """The webhook as the REST API shows it: never the secret, the counter or the owed ping."""
        return {
            "id": webhook.id,
            "name": webhook.name,
            "status": webhook.status,
            "topic": webhook.topic,
            "resource": webhook.resource,
            "event": webhook.event,
            "hooks": HOOKS.get(webhook.topic) or [webhook.event],
            "delivery_url": webhook.delivery_url,
            **self.store.stamps("date_created", webhook.created),
            **self.store.stamps("date_modified", webhook.modified),
            "_links": item_links(self.store, "webhooks", webhook.id),
        }

    def _check(self, body: Mapping[str, Any]) -> None:
        status = body.get("status")
        if status is not None and status not in STATUSES:
            text = "status is not one of active, paused, and disabled."
            raise invalid_parameters([BadParameter("status", "rest_not_in_enum", text)])
        topic = body.get("topic")
        if topic is not None and topic not in HOOKS and not ACTION.match(str(topic)):
            text = "Webhook topic is required and must be valid."
            raise Refusal(400, "woocommerce_rest_shop_webhook_invalid_topic", text)
        url = body.get("delivery_url")
        if url is not None and not re.match(r"^https?://[^\s/]", str(url)):
            text = "Webhook delivery URL must be a valid URL starting with http:// or https://."
            raise Refusal(400, "woocommerce_rest_shop_webhook_invalid_delivery_url", text)
