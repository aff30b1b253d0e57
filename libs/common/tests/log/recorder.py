"""A handler for the tests of reading: what it was given, and positions that it moves or does not."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence

from mlc_common.log import Record
from mlc_common.store.positions import Overtaken

WITHIN_S = 60


class Recorder:
    """A handler that keeps positions and names in memory, and fails as scripted."""

    def __init__(self) -> None:
        self.positions: dict[tuple[str, int], int] = defaultdict(int)
        self.handled: list[str] = []
        self.batches: list[Sequence[Record]] = []
        self.owned: list[tuple[str, int]] = []
        self.failures: list[BaseException | Callable[[str, int], None]] = []
        self.refuses_assignment: list[Exception] = []
        self.changed = asyncio.Condition()

    async def position(self, topic: str, partition: int) -> int:
        return self.positions[topic, partition]

    async def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        if self.refuses_assignment:
            raise self.refuses_assignment.pop(0)
        self.owned = list(partitions)

    async def handle(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        self.batches.append(records)
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, BaseException):
                raise failure
            failure(topic, partition)
        if self.positions[topic, partition] != records[0].offset:
            raise Overtaken(f"{topic}/{partition}")
        self.positions[topic, partition] = records[-1].offset + 1
        self.handled += [record.envelope().extensions["name"] for record in records]
        async with self.changed:
            self.changed.notify_all()

    async def until(self, *names: str) -> None:
        """Wait until exactly these have been handled."""
        async with asyncio.timeout(WITHIN_S), self.changed:
            await self.changed.wait_for(lambda: self.handled == list(names))

    async def until_as_many_as(self, total: int) -> None:
        """Wait until at least so many have been handled."""
        async with asyncio.timeout(WITHIN_S), self.changed:
            await self.changed.wait_for(lambda: len(self.handled) >= total)
