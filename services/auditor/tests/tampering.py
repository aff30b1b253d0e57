"""What the tests of the proof have in common: a tenant that sold something, and what `verify` says of it."""

from __future__ import annotations

from collections.abc import Sequence

from mlc_common.audit import AuditRow
from mlc_common.audit.walk import Finding, What

from .conftest import Tenant, webhook

COUNT = 12


async def sell(tenant: Tenant) -> None:
    """Twelve webhooks of one order, indexed and signed; the signatures are indexed, too."""
    await tenant.append(tenant.topics.raw_orders, *(webhook(f"w{i}") for i in range(COUNT)))
    await tenant.index()
    assert await tenant.checkpoints.tell() == 1
    await tenant.index()


async def the_finding(tenant: Tenant) -> Finding:
    found = await tenant.verify()
    assert len(found.findings) == 1, found.findings
    return found.findings[0]


async def rows(tenant: Tenant) -> list[AuditRow]:
    topic = tenant.topics.raw_orders
    return await tenant.rows(topic, await tenant.busy(topic))


async def put(tenant: Tenant, forged: Sequence[AuditRow]) -> None:
    await tenant.replace(forged[0].topic, forged[0].part, forged)


def place(finding: Finding) -> tuple[What, int]:
    return finding.what, finding.offset
