"""What was appended is not appended again, unless the mapper stands at another picture although it has read it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast
from uuid import UUID

import pytest

from mlc_common.clock import FixedClock
from mlc_common.events import Topics, order_subject
from mlc_common.store.pool import Pool, connect
from mlc_common.telemetry import MetricsRegistry
from mlc_poller import snapshots as module
from mlc_poller import store
from mlc_poller.snapshots import Snapshots

from .shelves import NOON, STORE, Json, Log, Shelf, order_of

pytestmark = pytest.mark.postgres

OURS, ANOTHER = "2026-11-20T12:00:00Z", "2026-11-20T12:00:01Z"
"""The modification time of what the store shows, as the mapper writes it, and another one."""


@dataclass
class Reader:
    """A poller that reads order 17, and the mapper's states of it."""

    pool: Pool
    flows: Collection[str] = ("web",)
    log: Log = field(default_factory=Log)

    def __post_init__(self) -> None:
        self.starts()

    def starts(self) -> None:
        shelf = Shelf(FixedClock(NOON))
        self.snapshots = Snapshots(
            cast(Any, shelf),
            cast(Any, self.log),
            Topics("acme"),
            STORE,
            shelf.clock,
            metrics=MetricsRegistry(),
            stands=partial(store.stands_at, self.pool, self.flows, STORE),
        )

    async def reads(self, order: Json | None = None, *, anew: bool = False) -> bool:
        """Whether what was read was appended."""
        read = await self.snapshots.of_listed(order or order_of(17), NOON)
        return await self.snapshots.append(read, anew=anew)

    async def has_read(self, upto: int, modified: str | None, *, event: str = "", flow: str = "web") -> None:
        """The mapper has."""
        state = json.dumps({"picture": modified and {"modified": modified}})
        await self.pool.execute(
            """
            insert into order_states (flow, order_key, evolve_version, state, newest_offset, newest_event)
            values ($1, $2, 1, $3, $4, $5) on conflict (flow, order_key) do update
            set state = excluded.state, newest_offset = excluded.newest_offset, newest_event = excluded.newest_event
            """,
            flow, order_subject(STORE, 17), state, upto, event,
        )  # fmt: skip

    async def was_asked_for(self) -> None:
        """The mapper asks for a snapshot."""
        await self.pool.execute(
            "insert into fetch_queue (fetch_id, connection, order_id) values ($1, $2, '17')", UUID(int=1), STORE
        )

    @property
    def newest(self) -> str:
        """The id of the last snapshot."""
        return self.log.ids[-1]


@pytest.fixture
async def reader(database: str) -> AsyncIterator[Reader]:
    pool = await connect(database, application="test", most=2)
    made = Reader(pool)
    assert await made.reads()
    yield made
    await pool.close()


@pytest.mark.parametrize(
    ("upto", "modified", "appended"),
    [
        (0, OURS, False),
        (5, OURS, False),
        (0, ANOTHER, True),
        (5, ANOTHER, True),
        (-1, ANOTHER, False),
        (5, "1970-01-01T00:00:00Z", False),
        (5, None, False),
    ],
    ids=[
        "taken",
        "confirmed by a webhook",
        "taken for an older one",
        "a late webhook counts as newer",
        "not read yet",
        "without a time",
        "without a picture",
    ],
)
async def test_a_picture_at_which_the_mapper_does_not_stand_is_appended_again(
    reader: Reader, upto: int, modified: str | None, appended: bool
) -> None:
    """R11: where the store's clock was set back, its times say that what it shows is old."""
    await reader.has_read(upto, modified)
    assert await reader.reads() is appended


async def test_it_is_not_appended_once_more_before_the_mapper_has_read_it(reader: Reader) -> None:
    await reader.has_read(0, ANOTHER)
    assert [await reader.reads() for _ in range(3)] == [True, False, False]
    await reader.has_read(1, OURS)
    assert not await reader.reads()


async def test_nor_while_a_fetch_waits_which_will_tell(reader: Reader) -> None:
    await reader.has_read(0, ANOTHER)
    await reader.was_asked_for()
    assert not await reader.reads()


async def test_an_order_without_its_time_is_appended_once(reader: Reader) -> None:
    timeless = order_of(17) | {"date_modified_gmt": None}
    assert await reader.reads(timeless)
    await reader.has_read(1, ANOTHER)
    assert not await reader.reads(timeless)


async def test_a_restart_appends_nothing_that_is_the_last_that_the_mapper_has_read(reader: Reader) -> None:
    await reader.has_read(0, OURS, event=reader.newest)
    reader.starts()
    assert not await reader.reads()
    await reader.has_read(1, OURS, event="of a webhook")
    assert await reader.reads()


async def test_what_is_too_long_ago_to_be_remembered_is_not_appended_with_every_look(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store with more orders in the days of a sweep than are remembered; the log would grow by all of them hourly."""
    monkeypatch.setattr(module, "_REMEMBERED", 1)
    await reader.has_read(0, OURS, event=reader.newest)
    for _ in range(3):
        await reader.reads(order_of(18))
        assert not await reader.reads()


async def test_for_a_flow_that_has_read_nothing_of_it_it_is_appended(reader: Reader) -> None:
    await reader.has_read(0, OURS, event=reader.newest)
    reader.flows = ("web", "second")
    reader.starts()
    assert await reader.reads()


async def test_and_once_for_a_flow_that_left_it_out_then(reader: Reader) -> None:
    await reader.has_read(0, OURS, event=reader.newest)
    reader.starts()
    assert [await reader.reads(anew=True), await reader.reads(anew=True)] == [True, False]
