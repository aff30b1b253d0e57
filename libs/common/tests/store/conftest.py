"""Fixtures of the database tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mlc_common.store.pool import Pool, connect


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """A pool on a migrated database of this test's own."""
    pool = await connect(database, application="test", most=8)
    yield pool
    await pool.close()
