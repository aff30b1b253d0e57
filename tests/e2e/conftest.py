"""The tenant that most end-to-end tests share: everything in one process, and no polling after the start.

So what is posted came by webhook, and a test that loses one sees it lost. Each test places orders of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from .tenants import Tenant, opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tenant_by_webhook(
    tmp_path_factory: pytest.TempPathFactory, kafka_bootstrap: str, postgres_dsn: str
) -> AsyncIterator[Tenant]:
    """A tenant whose orders arrive by webhook alone."""
    folder = tmp_path_factory.mktemp("by-webhook")
    async with opened(folder, kafka=kafka_bootstrap, server_dsn=postgres_dsn) as tenant:
        yield tenant
