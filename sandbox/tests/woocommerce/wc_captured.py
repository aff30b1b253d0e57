"""Replays captured requests against a sandbox store that is given the captured store's state, time and ids.

Nothing is compared here but differences are listed; what a sandbox cannot know (random keys, ids of meta rows, markup
of prices) is masked on both sides.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from mlc_sandbox.woocommerce.hookshot import Answered
from mlc_sandbox.woocommerce.shop import Shop
from mlc_sandbox.woocommerce.webhooks import Webhook

DATA = Path(__file__).parents[3] / "tests" / "data" / "woocommerce"
LINES = ("line_items", "shipping_lines", "fee_lines", "tax_lines", "coupon_lines")
# What no sandbox can guess: random tokens, markup, relations of a catalogue.
MASKED = ("order_key", "price_html", "related_ids", "average_rating", "slug", "permalink", "generated_slug")
# Counted by what the captures do not show.
COUNTED = ("total_sales", "stock_quantity")
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d|1795\d{6}")
# A real request takes its time between one date and the next; the replay stands still.
SLACK_SECONDS = 3


def load(kind: str, case: str) -> dict[str, Any]:
    """One checked-in capture."""
    found: dict[str, Any] = json.loads((DATA / kind / f"{case}.json").read_text("utf-8"))
    return found


def masked(value: Any, key: str = "", *, counts: bool = True) -> Any:
    """A body without what a sandbox cannot know; without ``counts`` also without stock and sales."""
    hidden = MASKED if counts else (*MASKED, *COUNTED)
    if isinstance(value, dict):
        return {name: "*" if name in hidden else masked(item, name, counts=counts) for name, item in value.items()}
    if isinstance(value, list) and key == "meta_data":
        return [{**masked(item, counts=counts), "id": 0} for item in value]
    if isinstance(value, list):
        return [masked(item, counts=counts) for item in value]
    return re.sub("(?<=&key=)wc_order_.*", "*", value) if isinstance(value, str) else value


def differences(wanted: Any, found: Any, path: str = "") -> Iterator[str]:
    """Where two JSON values differ, the order of keys included."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        if list(wanted) != list(found):
            yield f"{path}: keys {list(wanted)} are {list(found)}"
        for name in wanted.keys() & found.keys():
            yield from differences(wanted[name], found[name], f"{path}.{name}")
    elif isinstance(wanted, list) and isinstance(found, list):
        if len(wanted) != len(found):
            yield f"{path}: {len(wanted)} items are {len(found)}"
        for index, (one, other) in enumerate(zip(wanted, found, strict=False)):
            yield from differences(one, other, f"{path}[{index}]")
    elif (type(wanted) is not type(found) or wanted != found) and not _same_moment(wanted, found):
        yield f"{path}: {wanted!r} is {found!r}"


def _same_moment(wanted: Any, found: Any) -> bool:
    if not (isinstance(wanted, str) and isinstance(found, str) and STAMP.fullmatch(wanted) and STAMP.fullmatch(found)):
        return False
    one, other = (_seconds(text) for text in (wanted, found))
    return abs(one - other) <= SLACK_SECONDS


def _seconds(text: str) -> float:
    return float(text) if text.isdigit() else datetime.fromisoformat(text).timestamp()


@dataclass
class Sent:
    """A delivery that the sandbox would have sent."""

    topic: str
    body: bytes


@dataclass
class Replay:
    """A sandbox store that is led through captured requests.

    Args:
        app: The sandbox.
        origin: The captured store's address.
        answers: How the receiver answers deliveries and pings.
    """

    app: Starlette
    origin: str = "https://127.0.0.1:8443"
    answers: int = 200
    sent: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shop: Shop = self.app.state.shop
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://sandbox")
        self.shop.queue.sender = self  # records instead of sending

    async def deliver(self, webhook: Webhook, headers: list[tuple[str, str]], body: bytes) -> Answered:
        """Take the place of the network."""
        self.sent.append(Sent(webhook.topic, body))
        return Answered(self.answers)

    async def ping(self, webhook: Webhook) -> Answered:
        """Take the place of the network."""
        return Answered(self.answers)

    async def exchange(self, captured: dict[str, Any], store: dict[str, Any]) -> tuple[httpx.Response, Any]:
        """Send one captured request in the state of its time; the answer and the captured body."""
        request, wanted = captured["request"], _body(captured["response"]["body"])
        plain = request["url"].startswith("http://")
        self.shop.settings.home_url = "http://127.0.0.1:8000" if plain else self.origin
        self.shop.settings.assume_https = not plain
        self.shop.settings.prices_include_tax = store.get("woocommerce_prices_include_tax") == "yes"
        self.at(captured["at"])
        self._follow_ids(request, wanted)
        url = re.sub(r"^https?://[^/]+", "", request["url"])
        headers = [
            (name, value) for name, value in request["headers"] if name.lower() not in ("host", "content-length")
        ]
        answer = await self.client.request(request["method"], url, headers=headers, content=request["body"])
        return answer, wanted

    def at(self, second: float) -> None:
        """Stop the clock there."""
        self.shop.clock.freeze(datetime.fromtimestamp(second, UTC))

    def _follow_ids(self, request: dict[str, Any], wanted: Any) -> None:
        """Take the ids and the second that the real store gave."""
        created = _created(wanted)
        path = request["url"].partition("?")[0]
        if created is None or request["method"] != "POST":
            modified = wanted.get("date_modified_gmt") if isinstance(wanted, dict) else None
            if modified and request["method"] != "GET":
                self.shop.clock.freeze(datetime.fromisoformat(f"{modified}+00:00"))
            return
        self.shop.clock.freeze(datetime.fromisoformat(f"{created['date_created_gmt']}+00:00"))
        lines = [line["id"] for name in LINES for line in created.get(name, [])]
        if path.endswith("/notes"):
            self.shop.store.skip_ids(note=created["id"])
        elif path.endswith("/webhooks"):
            self.shop.queue.webhooks.skip_ids(created["id"])
        elif not path.endswith("/customers"):
            self.shop.store.skip_ids(post=created["id"], item=min(lines, default=0))


def compare(captured: dict[str, Any], answer: httpx.Response, wanted: Any) -> list[str]:
    """How the sandbox's answer differs from the captured one: status, headers, body."""
    found = [] if answer.status_code == captured["response"]["status"] else [f"status is {answer.status_code}"]
    for name, value in captured["response"]["headers"]:
        if name != "Date" and answer.headers.get(name) != value:
            found.append(f"{name}: {value!r} is {answer.headers.get(name)!r}")
    if captured["request"]["method"] != "HEAD":
        shown = json.loads(answer.text) if answer.text else None
        found += differences(masked(wanted), masked(shown), "body")
    return found


def deliveries_between(case: str, after: float, before: float) -> list[Sent]:
    """What the captured store sent between two moments, pings left out."""
    sent = []
    for captured in load("deliveries", case)["deliveries"]:
        topic = dict(captured["headers"]).get("X-WC-Webhook-Topic")
        if topic and after < captured["received_at"] < before:
            sent.append(Sent(topic, base64.b64decode(captured["body_base64"])))
    return sent


def _created(wanted: Any) -> dict[str, Any] | None:
    """The object that a captured write made."""
    if isinstance(wanted, dict) and isinstance(wanted.get("create"), list):
        return next((item for item in wanted["create"] if item.get("id")), None)
    if isinstance(wanted, dict) and wanted.get("date_created_gmt") and "id" in wanted:
        return wanted
    return None


def _body(text: str) -> Any:
    return json.loads(text) if text else None
