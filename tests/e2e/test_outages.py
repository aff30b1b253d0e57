"""R6: An ERP that is down for long, slow or over its limit: nothing is lost, nobody is thrown out, others go on.

The tenant has two flows, each to an ERP of its own, in one process of ours. The time after which Kafka throws out a
reader that stands still is cut to seconds; the ERP's trouble lasts longer than that.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psutil
import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient

from mlc_cli.mappings import reader
from mlc_cli.rehearsal import Process
from mlc_localstack.planted import planted

from . import books
from .tenants import Tenant, opened
from .test_erp_in_trouble import IMPATIENT
from .waiting import settled

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("outages"),
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.slow,
]

MAX_POLL_S = 6.0
OUTAGE_S = 2 * MAX_POLL_S
_STATE, _MEMBERS = 2, 5
"""Places in what the protocol answers of a group."""

_PAUSE_S = 0.2
"""Between two orders during an outage."""

_GROWTH = 1.25
"""The resident memory after an outage, as a share of that before it: queued orders are rows, not objects."""


@dataclass
class Stand:
    """A tenant with two flows; ``other`` is the second one's ERP."""

    tenant: Tenant
    other: Process
    admin: AIOKafkaAdminClient

    async def posted_in_other(self, order_id: int) -> dict[str, Decimal]:
        """What the second ERP's own tables hold of an order."""
        dump = (await self.tenant.rig.http.get(f"{self.other.told['url']}/_sandbox/dump")).json()
        return books.posted(dump, order_id)

    async def booked_in_other(self, order_id: int) -> None:
        """Wait until the second ERP holds exactly the order's invoice."""

        async def look() -> dict[str, Decimal]:
            return await self.posted_in_other(order_id)

        await settled(look, {f"IN-WC01-{order_id}": Decimal("3.33")}, f"order {order_id} in the other ERP")

    async def groups(self) -> dict[str, tuple[str, set[str]]]:
        """The state of each of our consumer groups and its members, as Kafka itself knows them.

        Who is thrown out, or leaves and comes back, is a member of another name.
        """
        prefix = f"{self.tenant.topics.tenant}."
        names = sorted({name for name, *_ in await self.admin.list_consumer_groups() if name.startswith(prefix)})
        # One by one: aiokafka 0.14 reads an answer about several groups wrongly.
        answers = [answer for name in names for answer in await self.admin.describe_consumer_groups([name])]
        described = [group for answer in answers for group in answer.groups]
        return {group[1]: (group[_STATE], {member[0] for member in group[_MEMBERS]}) for group in described}

    async def lag(self, erp: str) -> int:
        """How many commands for an ERP are not yet rows of its queue."""
        topic = self.tenant.topics.commands(erp)
        query = "select coalesce(sum(next_offset), 0) from consumer_positions where consumer = $1 and topic = $2"
        read = await self.tenant.pool.fetchval(query, f"poster-{erp}", topic)
        return len(await self.tenant.log(topic)) - int(read)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stand(
    tmp_path_factory: pytest.TempPathFactory, kafka_bootstrap: str, postgres_dsn: str
) -> AsyncIterator[Stand]:
    """The tenant and its second ERP."""
    folder = tmp_path_factory.mktemp("outages")
    async with (
        opened(
            folder / "tenant",
            kafka=kafka_bootstrap,
            server_dsn=postgres_dsn,
            contract=IMPATIENT,
            erp_settings={"margin_s": "0.5"},
            MLC_KAFKA_MAX_POLL_SECONDS=str(MAX_POLL_S),
            MLC_KAFKA_SESSION_SECONDS=str(MAX_POLL_S),
        ) as tenant,
        _second_erp(tenant) as other,
    ):
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
        await admin.start()
        try:
            ready = Stand(tenant, other, admin)
            await ready.booked_in_other((await tenant.sell())["id"])
            yield ready
        finally:
            await admin.close()


@asynccontextmanager
async def _second_erp(tenant: Tenant) -> AsyncIterator[Process]:
    """Another Deltek, connected as ``other``, and a flow to it."""
    folder, rig = tenant.rig.folder, tenant.rig
    login = {name: planted(what=f"the {name} of the other ERP") for name in ("password", "client_secret")}
    users = {"ML_CONNECTOR": {"password": login["password"]}}
    config = {"rate_limit": None, "users": users, "client_secret": login["client_secret"]}
    (folder / "other.json").write_text(json.dumps(config))
    arguments = ["-m", "mlc_sandbox", "deltek", "--config", str(folder / "other.json")]
    other = Process("sandbox other", arguments, rig.shop.environment, folder / "other.log")
    await other.start()
    try:
        (secrets := folder / "login.json").write_text(json.dumps({"client_id": "sandbox-client", **login}))
        settings = {
            "url": f"{other.told['url']}/Acme/",
            "database": "ACMEPROD",
            "username": "ML_CONNECTOR",
            "company": "00",
            "contract": json.dumps(IMPATIENT),
            "visibility_delay_s": "1",
            "margin_s": "0.5",
            "allow_private": "true",
            "allow_http": "true",
        }
        told = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
        await rig.mlc("connection", "add", "other", "--kind", "deltek", *told, "--secrets", str(secrets))
        mapping = reader("example")().replace("flow: web ", "flow: second ").replace("erp: deltek\n", "erp: other\n")
        (folder / "second.yaml").write_text(mapping)
        await rig.mlc("mapping", "apply", str(folder / "second.yaml"))
        yield other
    finally:
        await other.stop()


@pytest_asyncio.fixture(autouse=True, loop_scope="session")
async def healed(stand: Stand) -> AsyncIterator[None]:
    """No test leaves a fault behind."""
    yield
    await stand.tenant.heal("erp")


async def sell_for(stand: Stand, seconds: float) -> list[dict[str, Any]]:
    """Sell while the time passes; at each order, every group of ours must be whole and of the same members."""
    loop, members = asyncio.get_running_loop(), await stand.groups()
    assert {state for state, _ in members.values()} == {"Stable"}
    end, orders = loop.time() + seconds, []
    while loop.time() < end:
        orders.append(await stand.tenant.sell(settle=False))
        assert await stand.groups() == members, "nobody was thrown out of a group or left it"
        await asyncio.sleep(_PAUSE_S)
    await stand.tenant.rig.act("queue/settle")
    return orders


async def all_booked_once(stand: Stand, orders: list[dict[str, Any]]) -> None:
    for order in orders:
        await stand.tenant.booked(order["id"], {"IN": "3.33"})
    await stand.tenant.at_rest()
    for order in orders:
        await stand.tenant.booked(order["id"], {"IN": "3.33"})
        assert await stand.tenant.held(order["id"]) == {}


async def test_an_erp_that_is_down_for_longer_than_a_reader_may_stand_still_throws_nobody_out(stand: Stand) -> None:
    """R6: the breaker opens, orders queue as rows; no rebalance, no loss, no growth, and no restart at its end."""
    tenant, everything = stand.tenant, stand.tenant.rig.parts["all"]
    process = psutil.Process(everything.pid)
    down = await tenant.fault("erp", kind="cut_before", times=-1)
    before = process.memory_info().rss
    orders = await sell_for(stand, OUTAGE_S)
    members = await stand.groups()
    assert len(orders) > OUTAGE_S / 2
    assert await tenant.hits("erp", down) > 0
    for order in orders:
        await stand.booked_in_other(order["id"])
        assert await tenant.books(order["id"]) == {}
    assert await stand.lag("deltek") == 0, "consuming goes on"
    await tenant.heal("erp")
    await all_booked_once(stand, orders)
    assert process.memory_info().rss < before * _GROWTH
    assert everything.running
    assert everything.pid == process.pid
    assert await stand.groups() == members


TROUBLES: Mapping[str, Mapping[str, Any]] = {
    "30 s for each answer": {"kind": "delay", "seconds": 30},
    "429 that names a time": {"kind": "status", "status": 429, "headers": {"Retry-After": "1"}},
    "429 that names none": {"kind": "status", "status": 429},
    "500 for everything": {"kind": "status", "status": 500},
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
async def test_an_erp_in_trouble_does_not_hold_up_the_flow_to_another(stand: Stand, trouble: Mapping[str, Any]) -> None:
    """R6: slow, limited and failing; the other flow's lag is unchanged, and everything is posted once it is over."""
    tenant = stand.tenant
    fault = await tenant.fault("erp", times=-1, **trouble)
    members = await stand.groups()
    orders = [await tenant.sell(settle=False) for _ in range(8)]
    await tenant.rig.act("queue/settle")
    for order in orders:
        await stand.booked_in_other(order["id"])
    assert await tenant.hits("erp", fault) > 0
    assert [await tenant.books(order["id"]) for order in orders] == [{}] * len(orders), (
        "the other one is in trouble yet"
    )
    assert (await stand.lag("deltek"), await stand.lag("other")) == (0, 0)
    assert await stand.groups() == members
    await tenant.heal("erp")
    await all_booked_once(stand, orders)
