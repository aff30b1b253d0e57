"""The vault's keys are rotated while orders flow: nothing fails, nothing is held, and the audit tells who did it.

Every part is a process of its own, with the keys as it read them at its start. (Issue 4, credentials.)
"""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path
from typing import Any

import pytest

from mlc_common.events import VaultKeysRotated, decode
from mlc_common.vault import KeyRing

from . import books
from .tenants import Tenant

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("in-parts"),
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.slow,
]

ROUNDS = 2
AT_ONCE = 3
"""Orders that are placed while one command runs."""


async def test_keys_are_rotated_under_load_and_nobody_notices(tenant_in_parts: Tenant) -> None:
    tenant = tenant_in_parts
    await asyncio.gather(*(part.start() for part in tenant.rig.parts.values() if not part.running))
    pids = {name: part.pid for name, part in tenant.rig.parts.items()}
    key_file = Path(tenant.rig.environment["MLC_VAULT_KEY_FILE"])
    (first,) = KeyRing.load(key_file).ids
    rotated: list[dict[str, Any]] = []
    orders: list[dict[str, Any]] = []
    for arguments in [("vault", "rotate"), ("vault", "rotate", "--retire")] * ROUNDS:
        rotating = asyncio.create_task(tenant.rig.mlc(*arguments))
        orders += [await tenant.sell(settle=False) for _ in range(AT_ONCE)]
        await tenant.rig.tell_erp("tokens/revoke")  # so that the poster signs in again, with what is in the vault now
        rotated.append(await rotating)
    await tenant.rig.act("queue/settle")
    await only_the_newest_key(tenant, first)
    for order in orders:
        await tenant.booked(order["id"], {"IN": "3.33"})
        assert await tenant.held(order["id"]) == {}
        assert {answer for _, answer in books.deliveries(await tenant.rig.shop_truth(), order["id"])} == {200}
    assert {name: part.pid for name, part in tenant.rig.parts.items()} == pids
    await told_in_the_audit(tenant, rotated)
    for part in ("ingest", "poster-deltek"):  # who starts now has the last key alone
        await tenant.restart(part)
    last = await tenant.sell()
    await tenant.booked(last["id"], {"IN": "3.33"})


async def only_the_newest_key(tenant: Tenant, first: str) -> None:
    status = await tenant.rig.mlc("vault", "status")
    (key,) = status["keys"]
    assert key["current"]
    assert key["key"] != first
    assert key["secrets"] >= 6, "two of the shop, its webhook secret, three of the ERP"
    assert status["unfinished"] is False


async def told_in_the_audit(tenant: Tenant, rotated: list[dict[str, Any]]) -> None:
    """Who, when and which key ids; in the order in which it was done."""
    events = await tenant.log(tenant.topics.audit)
    told = [decode(event, VaultKeysRotated) for event in events if event.type == VaultKeysRotated.event_type]
    assert [event.model_dump(mode="json") for event in told] == rotated
    assert {event.by for event in told} == {getpass.getuser()}
    assert [event.added for event in told] == [True, False] * ROUNDS
    assert all(event.retired for event in told[1::2])
