"""A mapper that starts behind both its topics: what was in force is known before the first event is decided."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mlc_common.clock import FixedClock, SystemClock
from mlc_common.events import order_subject
from mlc_common.log import Record, ends_of
from mlc_common.log.consumer import LogConsumer
from mlc_common.runtime import Runtime, open_runtime
from mlc_common.settings import CommonSettings, load
from mlc_common.vault.keyring import create_key_file
from mlc_mapper import app
from mlc_mapper.catching_up import catch_up
from mlc_mapper.handler import MapperHandler

from .livelog import STORE, LiveLog
from .making import NOW, item, mapping_text, order

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

MUG = item(2, "20.00", "1.00")


TODAY, BEFORE = mapping_text(cut_over="2026-11-02"), mapping_text(cut_over="2026-11-01")
ORDERS = range(20, 24)


async def applied(live: LiveLog, *texts: str) -> str:
    """Put these in force, one after the other; the version of the last."""
    return [await live.apply(text) for text in texts][-1]


async def at_the_end(live: LiveLog, handler: MapperHandler) -> bool:
    ends = await ends_of(live.brokers, live.topics.control)
    return all([await handler.position(live.topics.control, part) == end for part, end in ends.items()])


class Interrupted(MapperHandler):
    """A handler to which something happens before its first batch."""

    def __init__(self, live: LiveLog, error: Exception | None) -> None:
        vars(self).update(vars(live.handler))
        self._live, self._error, self.interruptions = live, error, 0

    async def handle(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        if not self.interruptions:
            self.interruptions += 1
            if self._error is not None:
                raise self._error
            await self._live.another().handle(topic, partition, records)
        await super().handle(topic, partition, records)


async def in_force(live: LiveLog) -> list[str]:
    return [row["version"] for row in await live.pool.fetch("select version from mappings where current")]


@pytest.mark.parametrize("batch", [1, 2, 3, 500])
async def test_everything_on_the_control_topic_is_folded_in_batches(live: LiveLog, batch: int) -> None:
    version = await applied(live, BEFORE, BEFORE, TODAY)
    await catch_up(live.handler, live.brokers, live.topics.control, SystemClock(), batch=batch)
    assert await at_the_end(live, live.handler)
    assert await in_force(live) == [version]


@pytest.mark.parametrize("error", [None, ConnectionResetError()], ids=["overtaken", "database lost"])
async def test_what_gets_in_the_way_is_waited_out(live: LiveLog, error: Exception | None) -> None:
    version = await applied(live, BEFORE, TODAY)
    handler, clock = Interrupted(live, error), FixedClock(NOW)
    await catch_up(handler, live.brokers, live.topics.control, clock)
    assert handler.interruptions == 1
    assert clock.monotonic() > 0, "it waited before it tried again"
    assert await at_the_end(live, handler)
    assert await in_force(live) == [version]


@asynccontextmanager
async def running(
    live: LiveLog, database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runtime]:
    """The mapper as a part, on the log and the database of a test."""
    create_key_file(folder / "vault.key")
    monkeypatch.setenv("MLC_TENANT", live.topics.tenant)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", live.brokers)
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("MLC_VAULT_KEY_FILE", str(folder / "vault.key"))
    settings = load(CommonSettings)
    async with open_runtime(settings, owner="test") as runtime:
        mapper = asyncio.create_task(app.run(runtime))
        try:
            yield runtime
        finally:
            mapper.cancel()
            await asyncio.wait([mapper])


async def test_the_mapping_is_in_force_before_the_first_event_is_read(
    live: LiveLog, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = await applied(live, BEFORE, TODAY)
    begun_with: list[list[str]] = []

    class Watched(LogConsumer):
        async def run(self, ready: asyncio.Event | None = None) -> None:
            begun_with.append(await in_force(live))
            await super().run(ready)

    monkeypatch.setattr(app, "LogConsumer", Watched)
    for order_id in ORDERS:
        await live.hears(order(MUG, order_id=order_id))
    async with running(live, database, tmp_path, monkeypatch), asyncio.timeout(60):
        while not await everything_is_read(live):
            await asyncio.sleep(0.05)
    await live.publisher.flush()
    assert begun_with == [[version]]
    assert {command.order_key for command in await live.commands()} == {order_subject(STORE, one) for one in ORDERS}


async def everything_is_read(live: LiveLog) -> bool:
    ends = await ends_of(live.brokers, live.topics.raw_orders)
    return all([await live.handler.position(live.topics.raw_orders, part) == end for part, end in ends.items()])
