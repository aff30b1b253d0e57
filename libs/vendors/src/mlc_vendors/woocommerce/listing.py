"""Orders by creation and by id, for whoever accounts for whole periods. Facts §3, §4.

Bounds of the store are strict and in whole seconds, UTC without a zone; here they are [since, until), as periods are.
Orders in the trash must be asked for by name. Reads only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from mlc_vendors.woocommerce.paging import LARGEST_PAGE, identity, pages_of, read_all
from mlc_vendors.woocommerce.session import StoreSession

JsonObject = dict[str, Any]
Params = list[tuple[str, str]]

LISTED = ("any", "trash")
"""``any`` leaves out the trash and drafts of a checkout; the latter are no orders."""

_SECOND = timedelta(seconds=1)


class Listing(StoreSession):
    """Whole orders, each version of one that is changed meanwhile at least once."""

    async def orders_created(self, since: datetime, until: datetime) -> AsyncIterator[JsonObject]:
        """Orders created in [since, until), those in the trash too, by id."""
        async for order in self._orders([("after", _text(since - _SECOND)), ("before", _text(until))]):
            yield order

    async def orders_changed(self, since: datetime, created_before: datetime) -> AsyncIterator[JsonObject]:
        """Orders created before an instant and changed at or after another, those in the trash too, by id."""
        bounds = [("before", _text(created_before)), ("modified_after", _text(since - _SECOND))]
        async for order in self._orders(bounds):
            yield order

    async def orders_by_id(self, order_ids: Sequence[int]) -> list[JsonObject]:
        """The orders of these ids that are neither in the trash nor drafts; in any order."""
        read = pages_of(self._rest, "/orders", template="orders.list")
        found: dict[int | str, JsonObject] = {}
        for start in range(0, len(order_ids), self._page_size):
            chosen = ",".join(map(str, order_ids[start : start + self._page_size]))
            async for row in read_all(read, [("include", chosen), ("status", "any")], size=self._page_size):
                found[identity(row)] = row
        return list(found.values())

    async def refunds_created(self, since: datetime, until: datetime) -> AsyncIterator[JsonObject]:
        """Refunds of the whole store created in [since, until), each with its order as ``parent_id``.

        Raises:
            RouteMissing: WooCommerce before 9.0.
        """
        bounds = [("after", _text(since - _SECOND)), ("before", _text(until)), ("dates_are_gmt", "true")]
        async for row in read_all(pages_of(self._rest, "/refunds", template="refunds.list"), bounds, size=LARGEST_PAGE):
            yield row

    async def _orders(self, bounds: Params) -> AsyncIterator[JsonObject]:
        read = pages_of(self._rest, "/orders", template="orders.list")
        for status in LISTED:
            params = [("status", status), *bounds, ("dates_are_gmt", "true")]
            async for row in read_all(read, params, size=self._page_size):
                yield row


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
