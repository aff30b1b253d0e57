"""Real traffic of a WooCommerce store that was recorded for the project (tests/data/woocommerce)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlc_common import exactjson
from mlc_mapper.inputs import WebhookSeen

from .making import NOW

DATA = Path(__file__).parents[3] / "tests" / "data" / "woocommerce"


def record(name: str) -> dict[str, Any]:
    """An order with its refunds, as the REST API answered."""
    found: dict[str, Any] = exactjson.loads((DATA / "orders" / f"{name}.json").read_bytes())
    return found


def deliveries(case: str) -> Iterator[WebhookSeen]:
    """The webhooks of a recorded case, in order of arrival, with their raw bytes."""
    said = exactjson.loads((DATA / "deliveries" / f"{case}.json").read_bytes())
    for offset, delivery in enumerate(said["deliveries"]):
        headers = {name.lower(): value for name, value in delivery["headers"]}
        yield WebhookSeen(
            position=(0, offset),
            event_id=f"{case}-{offset}",
            topic=headers.get("x-wc-webhook-topic", ""),
            body=base64.b64decode(delivery["body_base64"]),
            received_at=NOW,
        )
