"""The poster is away while things happen; when it comes back it posts what is wanted now, once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from .tenants import DONATION, Tenant

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("in-parts"),
    pytest.mark.kafka,
    pytest.mark.postgres,
]


@asynccontextmanager
async def nobody_posts(tenant: Tenant) -> AsyncIterator[None]:
    """The poster is stopped meanwhile."""
    poster = tenant.rig.parts["poster-deltek"]
    await poster.stop()
    try:
        yield
    finally:
        await poster.start()


async def test_a_refund_that_comes_before_its_invoice_is_posted_waits_for_it(tenant_in_parts: Tenant) -> None:
    tenant = tenant_in_parts
    async with nobody_posts(tenant):
        order = await tenant.sell(items=[DONATION])
        refund = await tenant.on_order(order["id"], "refunds", amount="10.00")
        await tenant.commands(order["id"], 2)
        assert await tenant.books(order["id"]) == {}
    await tenant.booked(order["id"], {"IN": "25.00", f"R{refund['id']}": "-10.00"})


async def test_an_order_changed_before_it_is_posted_is_posted_as_it_is_now(tenant_in_parts: Tenant) -> None:
    tenant = tenant_in_parts
    async with nobody_posts(tenant):
        cancelled = await tenant.sell()
        refunded = await tenant.sell(items=[DONATION])
        edited = await tenant.sell()
        await tenant.on_order(cancelled["id"], "cancel")
        refund = await tenant.on_order(refunded["id"], "refunds", everything=True)
        await tenant.on_order(edited["id"], "edit", lines=[{"index": 0, "quantity": 3}])
        for order in (cancelled, refunded, edited):
            await tenant.commands(order["id"], 2)
    await tenant.booked(edited["id"], {"IN": "9.99"})
    await tenant.booked(refunded["id"], {"IN": "25.00", f"R{refund['id']}": "-25.00"})
    await tenant.at_rest()
    await tenant.booked(cancelled["id"], {})
    for order in (cancelled, refunded, edited):
        assert await tenant.held(order["id"]) == {}
