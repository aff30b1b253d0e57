"""The store's tables in memory, its counters and its clock; one per running sandbox.

It holds no rules beyond ids and time. Orders, refunds, products and coupons share one counter, as posts do; lines,
customers, webhooks, notes and tax rates have their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any

from mlc_sandbox.clock import SandboxClock
from mlc_sandbox.woocommerce.catalogue import Coupon, Customer, Product, TaxRate
from mlc_sandbox.woocommerce.dates import gmt, local
from mlc_sandbox.woocommerce.model import Meta, Note, Order, Refund
from mlc_sandbox.woocommerce.money import number
from mlc_sandbox.woocommerce.settings import StoreSettings


class Store:
    """All tables of one store.

    Args:
        settings: The merchant's.
        clock: The sandbox's time.
        listening_at: Where the server listens, for a store whose home URL is not configured.
    """

    def __init__(self, settings: StoreSettings, clock: SandboxClock, listening_at: Callable[[], str]) -> None:
        self.settings = settings
        self.clock = clock
        self.orders: dict[int, Order] = {}
        self.deleted_orders: dict[int, Order] = {}
        self.refunds: dict[int, Refund] = {}
        self.deleted_refunds: dict[int, Refund] = {}
        self.products: dict[int, Product] = {}
        self.skus: dict[str, int] = {}
        self.customers: dict[int, Customer] = {}
        self.coupons: dict[str, Coupon] = {}
        self.tax_rates: dict[int, TaxRate] = {}
        self.notes: dict[int, list[Note]] = {}
        # what a user may still do: "ok", "demoted" (403) or "deleted" (401)
        self.users: dict[int, str] = {}
        # what happened in this request, in order: (topic, argument); the webhook queue takes it at the request's end
        self.events: list[tuple[str, int]] = []
        self._listening_at = listening_at
        self._posts = count(settings.first_post_id)
        self._items = count(1)
        self._item_meta = count(1)
        self._meta = count(1)
        self._notes = count(1)

    @property
    def home_url(self) -> str:
        """The home address without a trailing slash."""
        return (self.settings.home_url or self._listening_at()).rstrip("/")

    @property
    def rest_url(self) -> str:
        """Where REST v3 is."""
        return f"{self.home_url}/wp-json/wc/v3"

    def now(self) -> datetime:
        """The web server's time, in whole seconds as everywhere in WordPress."""
        return self.clock.now().replace(microsecond=0)

    def local(self, instant: datetime | None) -> str | None:
        """An instant as the store's wall time."""
        return local(instant, self.settings.zone)

    def stamps(self, name: str, instant: datetime | None) -> dict[str, str | None]:
        """``{name: local, name_gmt: UTC}``."""
        return {name: self.local(instant), f"{name}_gmt": gmt(instant)}

    def fire(self, topic: str, argument: int) -> None:
        """Note that something happened which webhooks may be told."""
        self.events.append((topic, argument))

    def next_post_id(self) -> int:
        """An id of the counter that orders, refunds, products and coupons share."""
        return next(self._posts)

    def skip_ids(self, *, post: int = 0, item: int = 0, note: int = 0) -> None:
        """Go on counting from here: other things take ids in a real store, so gaps are normal."""
        self._posts = count(post) if post else self._posts
        self._items = count(item) if item else self._items
        self._notes = count(note) if note else self._notes

    def next_item_id(self) -> int:
        """An id of a line of any kind, in any order."""
        return next(self._items)

    def next_note_id(self) -> int:
        """An id of a note."""
        return next(self._notes)

    def line_meta(self, key: str, value: Any, label: str = "") -> Meta:
        """A row of meta data of a line."""
        return Meta(next(self._item_meta), key, value, label)

    def meta(self, key: str, value: Any) -> Meta:
        """A row of meta data of an order, product or customer."""
        return Meta(next(self._meta), key, value)

    def secret_token(self, *parts: object) -> str:
        """Hex digits that look random and are the same in every run with the same ids."""
        text = ":".join(str(part) for part in parts)
        return hashlib.sha256(f"mlc-sandbox:{text}".encode()).hexdigest()

    def product_of_line(self, product_id: int, variation_id: int) -> Product | None:
        """The product that a line means, if it still exists."""
        return self.products.get(variation_id or product_id)

    def add_note(self, order_id: int, text: str, *, customer_note: bool = False, author: str = "WooCommerce") -> Note:
        """Write a remark on an order; nothing else changes and nothing fires."""
        note = Note(self.next_note_id(), order_id, author, self.now(), text, customer_note)
        self.notes.setdefault(order_id, []).append(note)
        return note


def write_meta(rows: list[Meta], given: Any, make: Callable[[str, Any], Meta]) -> None:
    """Apply ``meta_data`` of a request: the same id or key overwrites, null deletes, the rest is added."""
    for item in given or []:
        if not isinstance(item, dict):
            continue
        found = next((row for row in rows if row.id == item.get("id") or row.key == item.get("key")), None)
        if item.get("value", "") is None:
            rows[:] = [row for row in rows if row is not found]
        elif found is not None:
            found.key = item.get("key", found.key)
            found.value = json_value(item.get("value", ""))
        else:
            rows.append(make(str(item.get("key", "")), json_value(item.get("value", ""))))


def json_value(value: Any) -> Any:
    """A value of a request as PHP keeps and prints it: fractions become floats."""
    if isinstance(value, Decimal):
        return number(value)
    if isinstance(value, dict):
        return {key: json_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [json_value(item) for item in value]
    return value
