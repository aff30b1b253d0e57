"""WooCommerce's own list of orders, refunds and payments, as facts for the reconciliation. Facts §3, §4, §7 to §9.

Amounts are read as the store says them and never worked out: ``total`` is not reduced by refunds, stubs of refunds are
negative. An order that cannot be read is a fact with a defect, never left out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from mlc_common.clock import Clock
from mlc_common.http import HttpObserver
from mlc_common.money import AmountError, parse_amount
from mlc_common.reconciling import RefundFact, SaleFact
from mlc_common.vault import Vault
from mlc_common.vault.connections import Connection
from mlc_poller.connection import open_client
from mlc_vendors.woocommerce.client import WooCommerceClient
from mlc_vendors.woocommerce.errors import RouteMissing

SHARE = 0.5
"""Of the requests per second that the store takes: the poller and the mapper's questions go on meanwhile."""

_DRAFTS = frozenset({"auto-draft", "checkout-draft"})
"""What a checkout leaves behind that nobody finished: no order (facts §8)."""

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_FAR_AHEAD = 9000
"""The first and the last years of the calendar have no local date everywhere."""


@asynccontextmanager
async def open_sales(
    connection: Connection, vault: Vault, clock: Clock, observer: HttpObserver
) -> AsyncIterator[WooCommerceSales]:
    """The reader of a store connection (see ``mlc_common.reconciling.OpenSales``)."""
    async with await open_client(connection, vault, clock, observer, share=SHARE) as client:
        yield WooCommerceSales(client)


class WooCommerceSales:
    """One store, as ``mlc_common.reconciling.Sales``."""

    def __init__(self, client: WooCommerceClient) -> None:
        self._client = client

    async def created(self, since: datetime, until: datetime) -> AsyncIterator[SaleFact]:
        """See ``Sales``."""
        async for order in self._client.orders_created(since, until):
            yield fact_of(order)

    async def changed(self, since: datetime, placed_before: datetime) -> AsyncIterator[SaleFact]:
        """See ``Sales``."""
        async for order in self._client.orders_changed(since, placed_before):
            yield fact_of(order)

    async def refunded(self, since: datetime, until: datetime) -> set[str] | None:
        """See ``Sales``."""
        try:
            refunds = self._client.refunds_created(since, until)
            return {str(refund["parent_id"]) async for refund in refunds if refund.get("parent_id")}
        except RouteMissing:
            return None

    async def by_id(self, ids: Sequence[str]) -> dict[str, SaleFact]:
        """See ``Sales``. What is not listed may be in the trash, which only a read of its own tells."""
        numbers = sorted({int(one) for one in ids if one.isascii() and one.isdigit()})
        found = {str(order["id"]): fact_of(order) for order in await self._client.orders_by_id(numbers)}
        for number in numbers:
            if str(number) not in found:
                order = await self._client.get_order(number)
                if order is not None and order.get("status") not in _DRAFTS:
                    found[str(number)] = fact_of(order)
        return found

    async def with_refunds(self, sale: SaleFact) -> SaleFact:
        """See ``Sales``."""
        if not sale.refunds:
            return sale
        refunds = await self._client.refunds_of(int(sale.id))
        dates = {str(refund.get("id")): instant(refund.get("date_created_gmt")) for refund in refunds}
        known = tuple(replace(refund, created=dates.get(refund.id)) for refund in sale.refunds)
        return replace(sale, refunds=known, record={**sale.record, "refunds": refunds})


def fact_of(order: Mapping[str, Any]) -> SaleFact:
    """An order of the REST API as a fact."""
    created = instant(order.get("date_created_gmt")) or _LONG_AGO
    changed = instant(order.get("date_modified_gmt")) or created
    sale = SaleFact(
        id=str(order.get("id") or "unknown"),
        number=str(order.get("number") or ""),
        status=str(order.get("status") or ""),
        currency=str(order.get("currency") or ""),
        created=created,
        changed=changed,
        paid_at=instant(order.get("date_paid_gmt")),
        transaction=str(order.get("transaction_id") or ""),
        record={"order": dict(order), "refunds": []},
    )
    try:
        stubs = tuple(
            RefundFact(id=str(stub["id"]), amount=-parse_amount(stub["total"])) for stub in order.get("refunds") or []
        )
        return replace(sale, total=parse_amount(order.get("total")), refunds=stubs)
    except (AmountError, KeyError, TypeError, AttributeError) as error:
        return replace(sale, defect=f"an amount of it cannot be read ({type(error).__name__})")


def instant(text: Any) -> datetime | None:
    """A ``_gmt`` date of the store; None where there is none, or none that can be a sale's."""
    try:
        found = datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None
    except (TypeError, ValueError):
        return None
    return found if found is not None and _LONG_AGO.year <= found.year < _FAR_AHEAD else None
