"""A worker and a publisher end when they are told to, also in the instant in which they are woken."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlc_common.clock import SystemClock
from mlc_common.log.producer import LogProducer
from mlc_common.posting.engine import Engine, EngineSettings
from mlc_common.posting.ledger import OrderLease
from mlc_common.posting.worker import Worker, WorkerSettings
from mlc_common.store import outbox
from mlc_common.store.pool import Pool
from mlc_common.store.publisher import Publisher


class NothingToDo:
    """A ledger and a gateway without any order."""

    def open_for(self) -> float:
        return 0.0

    async def lease_orders(self, *_: object) -> Sequence[OrderLease]:
        return []


async def ends(work: Coroutine[Any, Any, None], wake: Any, turns: int) -> bool:
    """Whether a task ends that is woken, and cancelled some turns of the loop later."""
    task = asyncio.create_task(work)
    for _ in range(10):
        await asyncio.sleep(0)
    wake()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, waiting = await asyncio.wait([task], timeout=0.5)
    for left in waiting:
        left.cancel()
        await asyncio.wait(waiting)
    return bool(done)


@pytest.mark.parametrize("turns", range(6))
async def test_a_worker_that_is_woken_and_cancelled_at_once_ends(turns: int) -> None:
    idle = NothingToDo()
    engine = SimpleNamespace(ledger=idle, gateway=idle, owner="test", settings=EngineSettings())
    worker = Worker(cast(Engine, engine), "deltek", SystemClock(), WorkerSettings(idle_s=60))
    assert await ends(worker.run(), worker.wake, turns)


@pytest.mark.parametrize("turns", range(6))
async def test_a_publisher_that_is_woken_and_cancelled_at_once_ends(
    monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    async def nothing(*_: object) -> int:
        return 0

    monkeypatch.setattr(outbox, "publish_pending", nothing)
    publisher = Publisher(cast(Pool, None), cast(LogProducer, None), "test", SystemClock(), idle_s=60)
    assert await ends(publisher.run(), publisher.wake, turns)
