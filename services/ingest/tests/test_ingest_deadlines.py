"""One timer for many waits: each ends in time, and nobody else's cancellation is mistaken for it."""

from __future__ import annotations

import asyncio

import pytest

from mlc_ingest.deadlines import Deadlines


async def test_a_wait_that_takes_too_long_is_a_timeout() -> None:
    deadlines = Deadlines(0.05)
    began = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError), deadlines:
        await asyncio.Event().wait()
    assert 0.05 <= asyncio.get_running_loop().time() - began < 5
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_wait_that_ends_in_time_is_left_alone() -> None:
    deadlines = Deadlines(0.05)
    for _ in range(3):
        with deadlines:
            await asyncio.sleep(0)
        await asyncio.sleep(0.06)


async def test_of_many_only_those_that_take_too_long_end() -> None:
    deadlines = Deadlines(0.2)
    go = asyncio.Event()

    async def wait(event: asyncio.Event) -> str:
        try:
            with deadlines:
                await event.wait()
        except TimeoutError:
            return "too long"
        return "in time"

    quick = [asyncio.create_task(wait(go)) for _ in range(50)]
    slow = [asyncio.create_task(wait(asyncio.Event())) for _ in range(50)]
    await asyncio.sleep(0.05)
    go.set()
    assert set(await asyncio.gather(*quick)) == {"in time"}
    assert set(await asyncio.gather(*slow)) == {"too long"}


async def test_a_cancellation_from_outside_stays_one() -> None:
    deadlines = Deadlines(10)

    async def wait() -> None:
        with deadlines:
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_inside_passes_through() -> None:
    with pytest.raises(KeyError), Deadlines(10):
        raise KeyError


async def test_nothing_ticks_while_nobody_waits() -> None:
    deadlines = Deadlines(0.02)
    with deadlines:
        pass
    await asyncio.sleep(0.1)
    assert deadlines._timer is None
