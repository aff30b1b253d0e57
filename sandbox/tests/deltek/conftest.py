"""A desk at a fresh tenant, and the bodies of a small invoice."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from mlc_sandbox.deltek.desk import Desk, new_desk


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with new_desk() as desk:
        yield desk
