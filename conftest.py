"""Fixtures for every test of the workspace: servers, an own database, an own tenant.

`kafka_bootstrap` and `postgres_dsn` come from mlc_localstack.pytest_plugin; what needs the project's own code is here.
Two tests must never see each other's rows or topics, whatever order or worker they run in.
"""

from __future__ import annotations

import hashlib
import importlib.util
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from hypothesis import settings

from mlc_localstack import create_database, drop_database, with_database

pytest_plugins = ["mlc_localstack.pytest_plugin", "mlc_localstack.planted"]

# Properties are judged without a stopwatch: a slow machine is no counter-example.
settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")

# Any number will do: it only has to be the same in all workers of a run.
TEMPLATE_LOCK = 7_310_402_115


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test uses, so that its topics are its own."""
    return f"t{secrets.token_hex(6)}"


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[str]:
    """The address of a database of this test's own, with all migrations applied; dropped afterwards."""
    template = await _migrated_template(postgres_dsn)
    name = f"test_{secrets.token_hex(8)}"
    yield await create_database(postgres_dsn, name, template=template)
    await drop_database(postgres_dsn, name)


async def _migrated_template(dsn: str) -> str:
    """The name of a database that is migrated once and then copied, which takes a tenth of the time."""
    name = f"mlc_template_{_digest_of_migrations()}"
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", TEMPLATE_LOCK)
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await _make_template(connection, dsn, name)
    finally:
        # Closing gives the lock back.
        await connection.close()
    return name


async def _make_template(connection: asyncpg.Connection[asyncpg.Record], dsn: str, name: str) -> None:
    from mlc_common.store import migrations  # here, so that tests without a database do not load it

    # Under another name until it is complete, so that a run that is cut short leaves no half one behind.
    unfinished = f"unfinished_{secrets.token_hex(8)}"
    await create_database(dsn, unfinished)
    try:
        await migrations.apply(with_database(dsn, unfinished))
    except BaseException:
        await drop_database(dsn, unfinished)
        raise
    await connection.execute(f'ALTER DATABASE "{unfinished}" RENAME TO "{name}"')


def _digest_of_migrations() -> str:
    spec = importlib.util.find_spec("mlc_common")
    assert spec is not None
    assert spec.origin is not None
    digest = hashlib.sha256()
    store = Path(spec.origin).parent / "store"
    for file in sorted(path for path in store.rglob("*") if path.suffix in {".sql", ".py"}):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
