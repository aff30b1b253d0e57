"""The tenants that end-to-end and crash tests share. Each test places orders of its own.

Tests of one tenant run in one worker (`xdist_group`), so that it is started once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from mlc_localstack.processes import free_port

from .e2e.tenants import Tenant, opened


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """See that groups are kept together: what does not understand them starts every tenant in every worker.

    Raises:
        UsageError: a test of a group has lost it.
    """
    if not hasattr(config, "workerinput"):
        return
    for item in items:
        if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
            raise pytest.UsageError(f"{item.nodeid}: pytest-xdist does not keep its group together; run with loadgroup")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tenant_by_webhook(
    tmp_path_factory: pytest.TempPathFactory, kafka_bootstrap: str, postgres_dsn: str
) -> AsyncIterator[Tenant]:
    """Everything in one process, and no polling after the start: what is posted came by webhook."""
    folder = tmp_path_factory.mktemp("by-webhook")
    async with opened(folder, kafka=kafka_bootstrap, server_dsn=postgres_dsn) as tenant:
        yield tenant


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tenant_in_parts(
    tmp_path_factory: pytest.TempPathFactory, kafka_bootstrap: str, postgres_dsn: str
) -> AsyncIterator[Tenant]:
    """Every part a process of its own, to be ended and started again; the gateway keeps its address."""
    port = free_port()
    async with opened(
        tmp_path_factory.mktemp("in-parts"),
        kafka=kafka_bootstrap,
        server_dsn=postgres_dsn,
        parts=("ingest", "mapper", "poller", "poster-deltek"),
        MLC_INGEST_PORT=str(port),
        MLC_PUBLIC_URL=f"http://127.0.0.1:{port}",
        MLC_POLLER_LEASE_SECONDS="1",
    ) as tenant:
        yield tenant
