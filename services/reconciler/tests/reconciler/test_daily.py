"""The daily comparison: once a day, by one process, of the last days; what fails is tried again, never skipped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from mlc_common.clock import FixedClock
from mlc_common.errors import Retryable
from mlc_common.events import MappingApplied, Topics
from mlc_common.runtime import Runtime
from mlc_common.settings import CommonSettings
from mlc_common.store import mappings
from mlc_common.store.pool import Pool, connect
from mlc_mapper.examples import text as example
from mlc_reconciler import app
from mlc_reconciler.app import Schedule
from mlc_reconciler.comparing import Asked, Result
from mlc_reconciler.settings import ReconcilerSettings
from mlc_reconciler.tally import Tally

pytestmark = pytest.mark.postgres

NOON = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)
"""Noon in New York, where the example's store is."""

ENVIRONMENT: dict[str, Any] = {
    "tenant": "acme",
    "kafka_bootstrap_servers": "127.0.0.1:1",
    "database_url": "postgresql://localhost/x",
    "vault_key_file": Path("vault.key"),
}


@dataclass
class Comparisons:
    """Stands where the comparison stands: notes what is asked, and fails or waits when told to."""

    asked: list[Asked] = field(default_factory=list)
    failing: int = 0
    error: Exception = field(default_factory=lambda: Retryable("the ERP does not answer"))
    gate: asyncio.Event | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, runtime: Runtime, asked: Asked) -> Result:
        self.asked.append(asked)
        self.begun.set()
        if self.failing:
            self.failing -= 1
            raise self.error
        if self.gate is not None:
            await self.gate.wait()
        assert asked.first
        assert asked.last
        return Result(asked.flow, asked.first, asked.last, runtime.clock.now(), Tally())

    @property
    def spans(self) -> list[tuple[date | None, date | None]]:
        return [(asked.first, asked.last) for asked in self.asked]


@pytest.fixture
def comparisons(monkeypatch: pytest.MonkeyPatch) -> Comparisons:
    stand_in = Comparisons()
    monkeypatch.setattr(app, "compared", stand_in)
    return stand_in


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    pool = await connect(database, application="test")
    async with pool.acquire() as connection:
        applied = MappingApplied(
            flow="web", store="shop", erp="deltek", version="1", text=example(), by="test", at=NOON
        )
        await mappings.apply(connection, applied)
    yield pool
    await pool.close()


Make = Callable[..., Schedule]


@pytest.fixture
async def make(pool: Pool) -> Make:
    (mapping,) = await mappings.current(pool)

    def made(clock: FixedClock, owner: str = "one") -> Schedule:
        runtime = Runtime(
            settings=CommonSettings.model_validate(ENVIRONMENT),
            topics=Topics("acme"),
            clock=clock,
            owner=owner,
            pool=pool,
            vault=cast(Any, None),
            log=cast(Any, None),
        )
        settings = ReconcilerSettings.model_validate(ENVIRONMENT | {"reconciler_retry_seconds": 60.0})
        return Schedule(runtime, settings, mapping)

    return made


async def test_a_new_flow_is_compared_from_the_next_morning_on(make: Make, comparisons: Comparisons) -> None:
    clock = FixedClock(NOON)
    schedule = make(clock)
    assert await schedule.once() == 60.0
    assert comparisons.asked == []
    clock.advance(timedelta(hours=16).total_seconds() - 1)
    await schedule.once()
    assert comparisons.asked == []
    clock.advance(1)
    await schedule.once()
    assert comparisons.spans == [(date(2026, 11, 15), date(2026, 11, 21))]
    assert comparisons.asked[0].by == "schedule"


async def test_a_day_is_compared_once_also_after_a_restart(make: Make, comparisons: Comparisons) -> None:
    clock = FixedClock(NOON)
    await make(clock).once()
    clock.advance(timedelta(days=1).total_seconds())
    for _ in range(3):
        await make(clock).once()
    assert len(comparisons.asked) == 1
    clock.advance(timedelta(days=1).total_seconds())
    await make(clock).once()
    assert [last for _, last in comparisons.spans] == [date(2026, 11, 21), date(2026, 11, 22)]


async def test_a_comparison_that_failed_is_tried_again_and_is_no_result(make: Make, comparisons: Comparisons) -> None:
    clock = FixedClock(NOON)
    schedule = make(clock)
    await schedule.once()
    clock.advance(timedelta(days=1).total_seconds())
    comparisons.failing = 2
    for _ in range(2):
        with pytest.raises(Retryable):
            await schedule.once()
    await schedule.once()
    assert comparisons.spans == [(date(2026, 11, 15), date(2026, 11, 21))] * 3
    await schedule.once()
    assert len(comparisons.asked) == 3


@pytest.mark.parametrize("error", [Retryable("the ERP does not answer"), KeyError("a defect of ours")])
async def test_the_schedule_goes_on_after_failures_and_counts_them(
    make: Make, comparisons: Comparisons, error: Exception
) -> None:
    comparisons.error = error
    clock = FixedClock(NOON)
    schedule = make(clock)
    await schedule.once()
    clock.advance(timedelta(days=1).total_seconds())
    comparisons.failing, comparisons.gate = 3, asyncio.Event()
    running = asyncio.create_task(schedule.run())
    while len(comparisons.asked) < 4:
        comparisons.begun.clear()
        await comparisons.begun.wait()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    rendered = schedule.runtime.metrics.render()[1].decode()
    assert 'mlc_reconciles_total{flow="web",outcome="failed"} 3.0' in rendered


async def test_two_processes_do_not_compare_at_the_same_time(make: Make, comparisons: Comparisons) -> None:
    clock = FixedClock(NOON)
    first, second = make(clock, "one"), make(clock, "two")
    await first.once()
    clock.advance(timedelta(days=1).total_seconds())
    comparisons.gate = asyncio.Event()
    at_work = asyncio.create_task(first.once())
    await comparisons.begun.wait()
    assert await second.once() == 60.0
    comparisons.gate.set()
    await at_work
    await second.once()
    assert len(comparisons.asked) == 1
