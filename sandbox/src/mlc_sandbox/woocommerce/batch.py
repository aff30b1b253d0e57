"""``POST /{resource}/batch``: create, update and delete in one request, each item with its own outcome.

HTTP 200 even if items fail; more than 100 items is 413 and nothing is done; deletes are for good. Facts sheet §12;
captures orders-batch and product-batch-mixed-results.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mlc_sandbox.woocommerce.errors import Refusal
from mlc_sandbox.woocommerce.rest import Call, Endpoint, Handler, Reply

LIMIT = 100
Shown = dict[str, Any] | Awaitable[dict[str, Any]]


def batch(
    create: Callable[[Call, Mapping[str, Any]], Shown],
    update: Callable[[Call, int, Mapping[str, Any]], Shown],
    delete: Callable[[Call, int], Shown],
) -> Endpoint:
    """The batch endpoint of a resource from what it does with one item."""

    async def handle(call: Call) -> Reply:
        call.may("batch")
        asked = {name: call.body.get(name) or [] for name in ("create", "update", "delete") if name in call.body}
        if sum(len(items) for items in asked.values()) > LIMIT:
            text = f"Unable to accept more than {LIMIT} items for this request."
            raise Refusal(413, "woocommerce_rest_request_entity_too_large", text)
        acts: dict[str, Callable[[Any], Shown]] = {
            "create": lambda item: create(call, item),
            "update": lambda item: update(call, _id_of(item), item),
            "delete": lambda item: delete(call, _id_of(item)),
        }
        return Reply({name: [await _one(acts[name], item) for item in items] for name, items in asked.items()})

    handler: Handler = handle
    return Endpoint(dict.fromkeys(("POST", "PUT", "PATCH"), handler), "POST, PUT, PATCH")


async def _one(act: Callable[[Any], Shown], item: Any) -> dict[str, Any]:
    try:
        shown = act(item)
        return await shown if inspect.isawaitable(shown) else shown
    except Refusal as refusal:
        return {"id": _id_of(item), "error": refusal.body()}


def _id_of(item: Any) -> int:
    given = item.get("id", 0) if isinstance(item, dict) else item
    return int(given) if str(given).isdigit() else 0
