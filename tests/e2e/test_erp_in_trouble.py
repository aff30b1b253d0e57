"""R5: The ERP fails, answers late or not at all, forgets who we are: every document is posted, and once.

The patience of this tenant's contract is cut to seconds, or proving that something is absent would take minutes.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from mlc_localstack.planted import planted

from .tenants import DONATION, Tenant, opened
from .waiting import until

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("erp-in-trouble"),
    pytest.mark.kafka,
    pytest.mark.postgres,
]

IMPATIENT = {
    "http": {
        "max_rps": None,
        "absence_gap_s": 0.5,
        "read_timeout_s": 2,
        "post_timeout_s": 2,
        "queue_timeout_s": 1,
        "breaker_open_s": 1,
    }
}
CREATE = {"method": "POST", "path": "/DataEntry/inControl"}
POST = {"method": "PUT", "path": "/PostTransFile"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tenant(
    tmp_path_factory: pytest.TempPathFactory, kafka_bootstrap: str, postgres_dsn: str
) -> AsyncIterator[Tenant]:
    """A tenant that does not wait long for its ERP."""
    folder = tmp_path_factory.mktemp("erp-in-trouble")
    impatient: dict[str, Any] = {"contract": IMPATIENT, "erp_settings": {"margin_s": "0.5"}}
    async with opened(folder, kafka=kafka_bootstrap, server_dsn=postgres_dsn, **impatient) as opened_tenant:
        yield opened_tenant


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def healed(tenant: Tenant) -> AsyncIterator[None]:
    """No test leaves a fault behind."""
    yield
    await tenant.heal("erp")


async def hit(tenant: Tenant, fault: int) -> None:
    """Wait until a fault has hit."""

    async def look() -> bool:
        return await tenant.hits("erp", fault) > 0

    await until(look, "the fault has hit")


@asynccontextmanager
async def erp_with(tenant: Tenant, **settings: Any) -> AsyncIterator[None]:
    """The ERP works by these settings meanwhile."""
    usual = {"token_calls": None, "rate_limit": None, "default_rows": 20, "page_size_cap": 50}
    await tenant.rig.tell_erp("settings", **settings)
    try:
        yield
    finally:
        await tenant.rig.tell_erp("settings", **usual)


async def test_a_create_that_fails_and_then_gets_no_answer_makes_one_invoice(tenant: Tenant) -> None:
    failed = await tenant.fault("erp", kind="status", status=500, **CREATE)
    unanswered = await tenant.fault("erp", kind="cut_after", **CREATE)
    order = await tenant.sell()
    await hit(tenant, failed)
    await tenant.booked(order["id"], {"IN": "3.33"})
    assert await tenant.hits("erp", unanswered) == 1
    await tenant.at_rest()
    await tenant.booked(order["id"], {"IN": "3.33"})
    assert await tenant.held(order["id"]) == {}


@pytest.mark.parametrize("kind", ["cut_after", "cut_before", "cut_during", "hang_after"])
@pytest.mark.parametrize("call", [CREATE, POST], ids=["create", "post"])
async def test_a_call_whose_answer_is_lost_is_looked_up_and_not_repeated_blindly(
    tenant: Tenant, call: dict[str, str], kind: str
) -> None:
    fault = await tenant.fault("erp", kind=kind, **call)
    order = await tenant.sell()
    await tenant.booked(order["id"], {"IN": "3.33"})
    assert await tenant.hits("erp", fault) == 1
    await tenant.at_rest()
    await tenant.booked(order["id"], {"IN": "3.33"})
    assert await tenant.held(order["id"]) == {}


@pytest.mark.parametrize("call", [CREATE, POST], ids=["create", "post"])
async def test_an_effect_that_comes_late_is_waited_for_and_not_made_twice(tenant: Tenant, call: dict[str, str]) -> None:
    fault = await tenant.fault("erp", kind="late_commit", seconds=2.5, **call)
    order = await tenant.sell()
    await tenant.booked(order["id"], {"IN": "3.33"})
    assert await tenant.hits("erp", fault) == 1
    await tenant.at_rest()
    await tenant.booked(order["id"], {"IN": "3.33"})


async def test_tokens_that_expire_in_the_middle_of_a_document_are_renewed(tenant: Tenant) -> None:
    async with erp_with(tenant, token_calls=3):
        await tenant.rig.tell_erp("tokens/revoke")  # those in use were given for longer
        before = await sign_ins(tenant)
        orders = [await tenant.sell() for _ in range(3)]
        refund = await tenant.on_order(orders[0]["id"], "refunds", amount="1.00")
        await tenant.booked(orders[0]["id"], {"IN": "3.33", f"R{refund['id']}": "-1.00"})
        for order in orders[1:]:
            await tenant.booked(order["id"], {"IN": "3.33"})
        assert await sign_ins(tenant) - before > 4, "several while one document was on its way"
    await tenant.rig.tell_erp("tokens/revoke")


async def sign_ins(tenant: Tenant) -> int:
    """How often a token was asked for."""
    return int((await tenant.rig.erp_truth())["calls"]["POST api/token"])


async def test_tokens_revoked_altogether_lead_to_a_new_sign_in(tenant: Tenant) -> None:
    first = await tenant.sell()
    await tenant.booked(first["id"], {"IN": "3.33"})
    await tenant.rig.tell_erp("tokens/revoke")
    second = await tenant.sell()
    await tenant.booked(second["id"], {"IN": "3.33"})


async def test_what_is_on_the_second_page_is_found(tenant: Tenant) -> None:
    async with erp_with(tenant, default_rows=1, page_size_cap=1):
        order = await tenant.sell(items=[{"sku": "MUG-BLUE", "quantity": 2}, DONATION], shipping="7.95")
        await tenant.booked(order["id"], {"IN": "58.75"})
        refund = await tenant.on_order(order["id"], "refunds", everything=True)
        await tenant.booked(order["id"], {"IN": "58.75", f"R{refund['id']}": "-58.75"})
        assert await tenant.held(order["id"]) == {}


async def test_a_limit_of_calls_slows_down_and_holds_nothing(tenant: Tenant) -> None:
    async with erp_with(tenant, rate_limit=10):
        orders = [await tenant.sell() for _ in range(3)]
        for order in orders:
            await tenant.booked(order["id"], {"IN": "3.33"})
            assert await tenant.held(order["id"]) == {}


async def test_an_erp_that_is_down_costs_time_and_nothing_else(tenant: Tenant) -> None:
    down = await tenant.fault("erp", kind="cut_before", times=-1)
    orders = [await tenant.sell() for _ in range(6)]
    refund = await tenant.on_order(orders[0]["id"], "refunds", amount="1.00")
    await hit(tenant, down)
    await tenant.commands(orders[0]["id"], 2)
    assert await tenant.books(orders[0]["id"]) == {}
    await tenant.heal("erp")
    await tenant.booked(orders[0]["id"], {"IN": "3.33", f"R{refund['id']}": "-1.00"})
    for order in orders[1:]:
        await tenant.booked(order["id"], {"IN": "3.33"})
        assert await tenant.held(order["id"]) == {}


async def test_a_new_password_is_used_as_soon_as_it_was_rotated(tenant: Tenant) -> None:
    another = planted(what="the new password of the ERP")
    await tenant.rig.tell_erp("users", name="ML_CONNECTOR", password=another)
    await tenant.rig.tell_erp("tokens/revoke")
    secrets = tenant.rig.folder / "new.json"
    secrets.write_text(json.dumps({"password": another}))
    await tenant.rig.mlc("connection", "rotate", "deltek", "--secret", "password", "--secrets", str(secrets))
    order = await tenant.sell()
    await tenant.booked(order["id"], {"IN": "3.33"})
    assert await tenant.held(order["id"]) == {}
