"""The database is rebuilt from the log: compared at rest, and after all of it was lost in mid-flight (R13, R19).

What the ERP holds is read from the sandbox's own tables; what was sold, from the shop's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from mlc_cli.rehearsal import STORE, RehearsalError
from mlc_common.store.pool import connect
from mlc_localstack import create_database, drop_database
from mlc_localstack.processes import free_port

from . import books
from .tenants import Tenant, opened
from .waiting import until

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("rebuild"),
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.slow,
]

WORKERS = ("mapper", "poller", "poster-deltek", "auditor")
CONTRACT = {
    "http": {
        "max_rps": None, "absence_gap_s": 1.0, "post_timeout_s": 10.0, "read_timeout_s": 10.0, "queue_timeout_s": 5.0,
    }
}  # fmt: skip
"""For so long must be waited until the absence of what was never sent is proven: 26 s."""
SELLING = 10
"""Orders that are sold while the database is lost."""
SLOW_S = 0.5
"""What each call of the ERP takes meanwhile, so that the last posting does not race with the end of the parts."""
PROVEN_S = 180.0
"""How long that, and all postings after it, may take on a busy machine."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tenant(
    tmp_path_factory: pytest.TempPathFactory, kafka_bootstrap: str, postgres_dsn: str
) -> AsyncIterator[Tenant]:
    """The gateway as one process, everything else as another; short delays of the ERP, so that looks are soon over."""
    port = free_port()
    async with opened(
        tmp_path_factory.mktemp("rebuild"),
        kafka=kafka_bootstrap,
        server_dsn=postgres_dsn,
        parts=("ingest", *WORKERS),
        erp_settings={"visibility_delay_s": "1"},
        contract=CONTRACT,
        MLC_INGEST_PORT=str(port),
        MLC_PUBLIC_URL=f"http://127.0.0.1:{port}",
        MLC_POLLER_LEASE_SECONDS="1",
        MLC_KAFKA_SESSION_SECONDS="6",
    ) as made:
        yield made


async def stop(tenant: Tenant, *, kill: bool = False) -> None:
    parts = [tenant.rig.parts[name] for name in WORKERS]
    await asyncio.gather(*(part.kill() if kill else part.stop() for part in parts))


async def start(tenant: Tenant) -> None:
    await asyncio.gather(*(tenant.rig.part(name).start() for name in WORKERS))


async def test_a_rebuilt_tenant_is_row_by_row_what_it_was(tenant: Tenant) -> None:
    """R13: posted, credited, edited, cancelled, held: folded from the log, and nothing is decided anew."""
    plain, returned, edited, cancelled = [await tenant.sell() for _ in range(4)]
    for order in (plain, returned, edited, cancelled):
        await tenant.booked(order["id"], {"IN": "3.33"})
    refund = await tenant.on_order(returned["id"], "refunds", amount="1.00")
    await tenant.on_order(edited["id"], "edit", lines=[{"index": 0, "quantity": 2}])
    await tenant.on_order(cancelled["id"], "cancel")
    await tenant.booked(returned["id"], {"IN": "3.33", f"R{refund['id']}": "-1.00"})
    await tenant.booked(edited["id"], {"IN": "3.33", "A1": "3.33"})
    await tenant.booked(cancelled["id"], {"IN": "3.33", "X1": "-3.33"})
    await tenant.at_rest()
    await stop(tenant)
    before = await tenant.rig.erp_truth()
    told = await tenant.rig.mlc("rebuild")

    assert (told["compared"], told["differing"], told["swapped"]) == (True, 0, True)
    assert told["rows"]["posting_documents"] >= 7
    assert told["rows"]["order_states"] >= 4
    assert told["unfinished"] == 0
    assert told["rows"]["audit_index"] >= 30
    await start(tenant)
    await tenant.at_rest()
    assert await tenant.rig.erp_truth() == before


async def test_losing_the_whole_database_in_mid_flight_doubles_nothing_and_loses_nothing(
    tenant: Tenant, postgres_dsn: str, tmp_path: Path
) -> None:
    """R19: all processes killed, the database gone; connections and vault from their backup, the rest from the log."""
    backup = tmp_path / "backup.json"
    assert (await tenant.rig.mlc("backup", str(backup)))["connections"] == 2
    sold = [await tenant.sell(settle=False) for _ in range(SELLING)]
    returned, cancelled, edited = sold[0], sold[1], sold[2]
    for order in (returned, cancelled, edited):
        await tenant.booked(order["id"], {"IN": "3.33"})
    done = await asyncio.gather(
        tenant.on_order(returned["id"], "refunds", amount="1.00", settle=False),
        tenant.on_order(cancelled["id"], "cancel", settle=False),
        tenant.on_order(edited["id"], "edit", lines=[{"index": 0, "quantity": 2}], settle=False),
    )
    refund: dict[str, Any] = done[0]
    await tenant.fault("erp", kind="delay", seconds=SLOW_S, times=-1)
    sold += [await tenant.sell(settle=False) for _ in range(SELLING)]
    await until(lambda: some_are_booked(tenant, sold), "a part of it is in the books, and the rest is asked for")
    await stop(tenant, kill=True)
    await tenant.heal("erp")
    assert not await all_are_booked(tenant, sold)

    await lose_database(tenant, postgres_dsn)
    with pytest.raises(RehearsalError, match="bring them back with `mlc restore FILE` first"):
        await tenant.rig.mlc("rebuild")
    await tenant.rig.mlc("restore", str(backup))
    told = await tenant.rig.mlc("rebuild")
    assert (told["compared"], told["swapped"]) == (False, True)
    assert told["unfinished"] > 0
    await start(tenant)

    wanted = {order["id"]: {"IN": "3.33"} for order in sold}
    wanted[returned["id"]] |= {f"R{refund['id']}": "-1.00"}
    wanted[cancelled["id"]] |= {"X1": "-3.33"}
    wanted[edited["id"]] |= {"A1": "3.33"}
    for order_id, files in wanted.items():
        await tenant.booked(order_id, files, within=PROVEN_S)
    await tenant.at_rest()
    truth = await tenant.rig.erp_truth()
    assert [books.drafts(truth, order["id"]) for order in sold] == [[]] * len(sold)
    assert await tenant.held(returned["id"]) == {}


async def some_are_booked(tenant: Tenant, sold: list[dict[str, Any]]) -> bool:
    truth = await tenant.rig.erp_truth()
    enough = sum(bool(books.posted(truth, order["id"])) for order in sold) > len(sold) // 3
    query = "select count(distinct order_key) from posting_queue where order_key = any($1)"
    asked = await tenant.pool.fetchval(query, [f"{STORE}:order:{order['id']}" for order in sold])
    return enough and asked == len(sold)


async def all_are_booked(tenant: Tenant, sold: list[dict[str, Any]]) -> bool:
    truth = await tenant.rig.erp_truth()
    return all(books.posted(truth, order["id"]) for order in sold)


async def lose_database(tenant: Tenant, server: str) -> None:
    """The database is gone, and an empty one is in its place."""
    dsn = tenant.rig.environment["DATABASE_URL"]
    await tenant.pool.close()
    await drop_database(server, dsn.rpartition("/")[2])
    assert await create_database(server, dsn.rpartition("/")[2]) == dsn
    tenant.pool = await connect(dsn, application="test", most=2)
