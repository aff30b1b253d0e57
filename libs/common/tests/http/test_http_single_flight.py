"""Token refresh: one at a time, shared."""

from __future__ import annotations

import asyncio

import pytest

from mlc_common.http import SingleFlight


class Refresh:
    def __init__(self) -> None:
        self.calls = 0
        self.go = asyncio.Event()
        self.fail = False
        self.cancelled = False

    async def __call__(self) -> str:
        self.calls += 1
        number = self.calls
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if self.fail:
            raise PermissionError(f"refused {number}")
        return f"token {number}"


async def _settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_all_who_wait_share_one_refresh() -> None:
    flight, refresh = SingleFlight[str](), Refresh()
    waiters = [asyncio.create_task(flight.run(refresh)) for _ in range(10)]
    await _settle()
    refresh.go.set()
    assert await asyncio.gather(*waiters) == ["token 1"] * 10
    assert refresh.calls == 1


async def test_a_later_call_refreshes_anew() -> None:
    flight, refresh = SingleFlight[str](), Refresh()
    refresh.go.set()
    assert [await flight.run(refresh), await flight.run(refresh)] == ["token 1", "token 2"]


async def test_a_failure_reaches_all_waiters_and_the_next_call_tries_anew() -> None:
    flight, refresh = SingleFlight[str](), Refresh()
    refresh.fail = True
    waiters = [asyncio.create_task(flight.run(refresh)) for _ in range(3)]
    await _settle()
    refresh.go.set()
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert [str(result) for result in results] == ["refused 1"] * 3
    refresh.fail = False
    assert await flight.run(refresh) == "token 2"


async def test_a_cancelled_waiter_leaves_the_refresh_to_the_others() -> None:
    flight, refresh = SingleFlight[str](), Refresh()
    first, second = (asyncio.create_task(flight.run(refresh)) for _ in range(2))
    await _settle()
    first.cancel()
    await _settle()
    refresh.go.set()
    assert await second == "token 1"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_the_last_waiter_to_leave_ends_the_refresh() -> None:
    flight, refresh = SingleFlight[str](), Refresh()
    waiter = asyncio.create_task(flight.run(refresh))
    await _settle()
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert refresh.cancelled
    refresh.go.set()
    assert await flight.run(refresh) == "token 2"
