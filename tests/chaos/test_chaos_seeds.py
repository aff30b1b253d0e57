"""Ten short chaos runs on servers of their own: kills, freezes, cuts, storms, tampered webhooks (R1 to R5, R16).

`make chaos` runs as many, and as long ones, as one likes. A failure here names its schedule; `make chaos SCHEDULE=…`
runs it again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from chaos.run import run
from chaos.schedule import plan
from chaos.stand import Stand, standing

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("chaos"),
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.crash,
    pytest.mark.slow,
]

ORDERS = 6


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stand(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    """Servers that may be killed."""
    async with standing(tmp_path_factory.mktemp("chaos")) as servers:
        yield servers


@pytest.mark.parametrize("seed", range(1, 11))
async def test_whatever_breaks_every_sale_is_in_the_books_once_and_to_the_cent(
    stand: Stand, tmp_path: Path, seed: int
) -> None:
    """R1, R2, R3, R4, R5, R7, R16: a random schedule over real processes, judged by the sandboxes' own tables."""
    result = await run(stand, plan(seed, ORDERS), tmp_path / "run")

    assert result.wrong == (), f"seed {seed}; make chaos SCHEDULE={result.folder / 'schedule.json'}"
    assert result.orders == ORDERS
