"""The auditor is killed while it works, and its index is whole (R20)."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlc_cli.rehearsal import ERP
from mlc_common.audit.keys import public_keys
from mlc_common.audit.verification import Scope, Verified, verify
from mlc_common.log import read_topic
from mlc_common.vault import Vault

from ..e2e.tenants import Tenant
from ..e2e.waiting import until

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("in-parts"),
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.crash,
    pytest.mark.slow,
]

SOON = {"MLC_AUDITOR_CHECKPOINT_SECONDS": "0.3", "MLC_KAFKA_SESSION_SECONDS": "6"}

Place = tuple[str, int, int]


async def test_r20_an_auditor_killed_in_the_middle_loses_no_row_and_doubles_none(tenant_in_parts: Tenant) -> None:
    """R20: every record has its row, once, and every checkpoint holds."""
    tenant = tenant_in_parts
    for _ in range(2):
        auditor = tenant.rig.part("auditor", **SOON)
        await auditor.launch()
        before = await indexed(tenant)
        await tenant.sell()

        async def works(before: int = before) -> bool:
            return await indexed(tenant) > before

        await until(works, "the auditor has indexed something")
        await auditor.kill()
    await tenant.rig.part("auditor", **SOON).start()
    await tenant.at_rest()
    wanted = await on_the_log(tenant)

    async def caught_up() -> bool:
        return wanted <= await with_a_row(tenant)

    await until(caught_up, "every record has its row")
    await tenant.rig.parts.pop("auditor").stop()
    found = await proof(tenant)
    assert (found.findings, found.rows) == ((), len(await with_a_row(tenant)))
    assert found.checkpoints > 1
    holding_an_address = "select count(*) from audit_index where facts || subject like '%@%'"
    assert await tenant.pool.fetchval(holding_an_address) == 0


async def indexed(tenant: Tenant) -> int:
    """How many records the index has."""
    return len(await with_a_row(tenant))


async def with_a_row(tenant: Tenant) -> set[Place]:
    """The places that the index knows."""
    rows = await tenant.pool.fetch("select topic, part, record_offset from audit_index")
    return {(row["topic"], row["part"], row["record_offset"]) for row in rows}


async def on_the_log(tenant: Tenant) -> set[Place]:
    """The places of every record that there is."""
    brokers = tenant.rig.environment["KAFKA_BOOTSTRAP_SERVERS"]
    topics = tenant.topics.all(ERP)
    records = [record for topic in topics async for record in read_topic(brokers, topic)]
    return {(record.topic, record.partition, record.offset) for record in records}


async def proof(tenant: Tenant) -> Verified:
    """As `mlc audit verify` finds it."""
    environment = tenant.rig.environment
    vault = await Vault.start(tenant.pool, Path(environment["MLC_VAULT_KEY_FILE"]), environment["MLC_TENANT"])
    keys = await public_keys(vault)
    return await verify(tenant.pool, environment["KAFKA_BOOTSTRAP_SERVERS"], tenant.topics, keys, Scope())
