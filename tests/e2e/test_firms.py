"""Orders billed on the project of the buyer's own firm, which is found by our key or made; never by its name."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import yaml

from mlc_mapper import examples

from .tenants import Tenant, opened

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("firms"),
    pytest.mark.kafka,
    pytest.mark.postgres,
]

CONTRACT = {
    "http": {"max_rps": None, "absence_gap_s": 0.5},
    "fields": {"firm.external_key": {"name": "custMLKey", "enabled": True}},
}


def mapping_by_firm() -> str:
    """The shipped example with a project for each firm; guests get firms of their own."""
    rules = yaml.load(examples.text(), Loader=yaml.BaseLoader)
    rules["project"] = {"rule": "by_firm"}
    rules["firms"] = {"match": ["external_key"], "create": "true"}
    rules["guests"] = {"policy": "firm"}
    text: str = yaml.safe_dump(rules, allow_unicode=True, sort_keys=False)
    return text


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tenant(
    tmp_path_factory: pytest.TempPathFactory, kafka_bootstrap: str, postgres_dsn: str
) -> AsyncIterator[Tenant]:
    """A tenant whose firms carry our key."""
    async with opened(
        tmp_path_factory.mktemp("firms"),
        kafka=kafka_bootstrap,
        server_dsn=postgres_dsn,
        erp={"firm_external_key": True},
        mapping=mapping_by_firm(),
        contract=CONTRACT,
    ) as opened_tenant:
        yield opened_tenant


async def a_customer(tenant: Tenant, company: str) -> dict[str, Any]:
    """Somebody who has never bought here."""
    email = f"buyer-{secrets.token_hex(3)}@example.test"
    billing = {"company": company, "email": email, "last_name": "Buyer", "country": "US", "state": "NY"}
    made: dict[str, Any] = await tenant.rig.act("customers", email=email, billing=billing)
    return made


async def firms_named(tenant: Tenant, name: str) -> list[dict[str, Any]]:
    """Firms of this name in the ERP's own table."""
    return [firm for firm in (await tenant.rig.erp_truth())["firms"] if firm["Name"] == name]


async def project_of(tenant: Tenant, order_id: int) -> str:
    """The project that an order's invoice is on."""
    files = (await tenant.rig.erp_truth())["posted_files"]
    (file,) = [file for file in files if file["batch"] == f"IN-WC01-{order_id}"]
    return str(file["masters"][0]["WBS1"])


async def test_two_first_orders_of_one_new_buyer_at_once_make_one_firm(tenant: Tenant) -> None:
    buyer = await a_customer(tenant, "Brand New Ltd")
    orders = await asyncio.gather(*(tenant.sell(customer=buyer["id"], settle=False) for _ in range(2)))
    for order in orders:
        await tenant.is_held(order["id"], {"invoice": "project_missing"})
    (firm,) = await firms_named(tenant, "Brand New Ltd")
    assert firm["custMLKey"] == f"WC01:{buyer['id']}"
    await tenant.rig.tell_erp("projects", WBS1="STORE.NEW01", BillingClientID=firm["ClientID"])
    for order in orders:  # nothing is posted before somebody says so: here by a change of the address
        assert await tenant.books(order["id"]) == {}
        await tenant.on_order(order["id"], "edit", billing={"city": "Albany"})
        await tenant.booked(order["id"], {"IN": "3.33"})
        assert await project_of(tenant, order["id"]) == "STORE.NEW01"
    assert len(await firms_named(tenant, "Brand New Ltd")) == 1


async def test_of_two_firms_of_one_name_the_one_with_our_key_is_billed(tenant: Tenant) -> None:
    buyer = await a_customer(tenant, "Twin Brothers Inc")
    await tenant.rig.tell_erp("firms", Name="Twin Brothers Inc")
    ours = await tenant.rig.tell_erp("firms", Name="Twin Brothers Inc", custMLKey=f"WC01:{buyer['id']}")
    for number, firm in enumerate(await firms_named(tenant, "Twin Brothers Inc")):
        await tenant.rig.tell_erp("projects", WBS1=f"STORE.TWIN{number}", BillingClientID=firm["ClientID"])
    order = await tenant.sell(customer=buyer["id"])
    await tenant.booked(order["id"], {"IN": "3.33"})
    projects = (await tenant.rig.erp_truth())["projects"]
    billed = {project["WBS1"]: project["BillingClientID"] for project in projects}
    assert billed[await project_of(tenant, order["id"])] == ours["ClientID"]
    assert len(await firms_named(tenant, "Twin Brothers Inc")) == 2


async def test_a_guest_is_one_firm_however_the_address_is_spelled(tenant: Tenant) -> None:
    guests = [
        {"email": email, "company": "Guest House", "last_name": "Guest", "country": "US", "state": "NY"}
        for email in ("Guest@Example.test", "guest@example.TEST ")
    ]
    orders = [await tenant.sell(billing=guest) for guest in guests]
    for order in orders:
        await tenant.is_held(order["id"], {"invoice": "project_missing"})
    assert len(await firms_named(tenant, "Guest House")) == 1
