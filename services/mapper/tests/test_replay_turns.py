"""Who works replays off: kept while the work goes on, given back however that ends, lost to a successor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from mlc_common.errors import ConfigurationError
from mlc_common.settings import load
from mlc_mapper.replays import store
from mlc_mapper.replays.store import ReplayLost
from mlc_mapper.settings import MapperSettings

from .livelog import LiveLog
from .test_replays import WITH_CUPS, a_day, completed, new_commands

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


@asynccontextmanager
async def at_work(
    live: LiveLog, monkeypatch: pytest.MonkeyPatch, *, lease_s: float
) -> AsyncIterator[asyncio.Task[int]]:
    """A process that stands in the middle of a replay; nothing holds up those that come after it."""
    await a_day(live)
    await live.apply(WITH_CUPS)
    await live.replay()
    await live._read_on()
    begun, undecided = asyncio.Event(), store.undecided

    async def stands(_pool: Any, _most: int) -> Any:
        begun.set()
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(store, "undecided", stands)
    work = asyncio.create_task(live.replaying("first", lease_s=lease_s).work_off())
    await begun.wait()
    monkeypatch.setattr(store, "undecided", undecided)
    try:
        yield work
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError, ReplayLost):
            await work


async def lease(live: LiveLog) -> dict[str, Any]:
    row = await live.pool.fetchrow("select owner, fencing, lease_until, lease_until > now() as held from leases")
    assert row is not None
    return dict(row)


async def test_who_ends_in_the_middle_is_followed_at_once(live: LiveLog, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(live, monkeypatch, lease_s=3600) as work:
        before = await live.commands()
        second = live.replaying("second")
        assert await second.work_off() == 0, "it is the first one's turn"
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert not (await lease(live))["held"]
        assert await second.work_off() == 1
    await live.publisher.flush()
    assert len(await new_commands(live, before)) == 4
    assert len(await completed(live)) == 1


async def test_a_turn_lasts_as_long_as_the_work(live: LiveLog, monkeypatch: pytest.MonkeyPatch) -> None:
    async with at_work(live, monkeypatch, lease_s=3) as work, asyncio.timeout(60):
        first = await lease(live)
        while (now := await lease(live))["lease_until"] == first["lease_until"]:
            await asyncio.sleep(0.05)
        assert (now["owner"], now["fencing"], now["held"]) == ("first", first["fencing"], True)
        assert not work.done()


async def test_who_lost_its_turn_stops_and_leaves_it_to_the_successor(
    live: LiveLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with at_work(live, monkeypatch, lease_s=1) as work:
        await live.pool.execute(
            "update leases set owner = 'second', fencing = fencing + 1, lease_until = now() + interval '1 hour'"
        )
        with pytest.raises(ReplayLost):
            await work
        assert {"owner": "second", "held": True}.items() <= (await lease(live)).items()


def test_how_long_a_turn_outlives_its_process_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "MLC_TENANT": "acme",
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
        "DATABASE_URL": "postgresql://mlc@db/mlc",
        "MLC_VAULT_KEY_FILE": "vault.key",
    }.items():
        monkeypatch.setenv(name, value)
    assert load(MapperSettings).mapper_lease_seconds == 30
    monkeypatch.setenv("MLC_MAPPER_LEASE_SECONDS", "2.5")
    assert load(MapperSettings).mapper_lease_seconds == 2.5
    monkeypatch.setenv("MLC_MAPPER_LEASE_SECONDS", "0")
    with pytest.raises(ConfigurationError, match="MLC_MAPPER_LEASE_SECONDS is not usable"):
        load(MapperSettings)
