"""R11: the store's clock is minutes or a day off, and steps back: no order is missed and none is posted twice.

Only polls count here: every webhook of these orders is lost. What is shown elsewhere: dates of documents in the
mapper's `test_clocks_of_stores.py`; how far a page may be trusted while the clock moves, in the store client's tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from .tenants import Tenant
from .test_polling import OFTEN

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("in-parts"),
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.slow,
]

MINUTES_6, A_DAY = 6 * 60, 86_400


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def polled(tenant_in_parts: Tenant) -> AsyncIterator[Tenant]:
    """A tenant whose poller looks all the time; it goes back to sleep after."""
    await tenant_in_parts.restart("poller", **OFTEN)
    yield tenant_in_parts
    await tenant_in_parts.restart("poller")


async def move(tenant: Tenant, seconds: int) -> None:
    """Move the store's clock."""
    (await tenant.rig.http.post(f"{tenant.rig.shop_url}/_sandbox/clock", json={"advance": seconds})).raise_for_status()


async def sell_unheard(tenant: Tenant) -> dict[str, Any]:
    """Sell an order of which no webhook arrives."""
    await tenant.rig.act("queue/drop", count=2)
    return await tenant.sell()


@pytest.mark.parametrize("seconds", [MINUTES_6, -MINUTES_6, A_DAY, -A_DAY], ids=str)
async def test_what_is_sold_before_during_and_after_a_jump_of_the_stores_clock_is_posted_once(
    polled: Tenant, seconds: int
) -> None:
    """R11: no double window, no gap.

    What was sold before the clock is set back has been polled by then: what bears a time that the store's own clock has
    not reached is read once it has.
    """
    orders = [await sell_unheard(polled)]
    await polled.booked(orders[0]["id"], {"IN": "3.33"})
    await move(polled, seconds)
    try:
        orders += [await sell_unheard(polled) for _ in range(2)]
        for order in orders:
            await polled.booked(order["id"], {"IN": "3.33"})
        orders.append(await sell_unheard(polled))
    finally:
        await move(polled, -seconds)
    orders.append(await sell_unheard(polled))
    for order in orders:
        await polled.booked(order["id"], {"IN": "3.33"})
    await polled.at_rest()
    for order in orders:
        await polled.booked(order["id"], {"IN": "3.33"})
        assert await polled.held(order["id"]) == {}
        assert len(await polled.commands(order["id"], 1)) == 1
