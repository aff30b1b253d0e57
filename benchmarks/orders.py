"""Orders as a store sends them, for load: a real body from captured traffic with another id and one paid line."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

SECRET = "benchmark-webhook-secret"
_BODY = Path(__file__).parents[1] / "tests" / "data" / "woocommerce" / "orders" / "guest-paid.json"


def bodies(first: int, count: int) -> list[bytes]:
    """Signed-to-be webhook bodies of ``count`` different paid orders, about 3 kB each."""
    record: dict[str, Any] = json.loads(_BODY.read_text(encoding="utf-8"))
    order = record["order"]
    made = []
    for number in range(first, first + count):
        order["id"], order["number"] = number, str(number)
        made.append(json.dumps(order, separators=(",", ":")).replace("/", "\\/").encode())
    return made


def headers(body: bytes) -> dict[str, str]:
    """What the store sends with a body."""
    signature = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).decode()
    return {
        "Content-Type": "application/json",
        "User-Agent": "WooCommerce/11.0.1 Hookshot (WordPress/7.1)",
        "X-WC-Webhook-Source": "https://shop.example/",
        "X-WC-Webhook-Topic": "order.updated",
        "X-WC-Webhook-Resource": "order",
        "X-WC-Webhook-Event": "updated",
        "X-WC-Webhook-Signature": signature,
        "X-WC-Webhook-ID": "1",
        "X-WC-Webhook-Delivery-ID": hashlib.md5(body, usedforsecurity=False).hexdigest(),
    }
