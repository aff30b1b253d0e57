"""What every fold is given, and where folds are found: each part folds its own tables (group ``mlc.folds``).

A fold reads the log up to where it ended when the rebuild began, and nothing beyond; whatever it writes lies in the
fresh generation. It says which of its columns are recorded, so that the generations can be compared.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points

from mlc_common.clock import Clock
from mlc_common.errors import ConfigurationError
from mlc_common.events import Topics
from mlc_common.log import Record, ends_of, in_batches, read_topic
from mlc_common.store.pool import Pool
from mlc_common.store.rebuild.comparison import Compared

GROUP = "mlc.folds"
BATCH = 500

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is (0 = not known)."""


def untold(_stage: str, _done: int, _total: int) -> None:
    """Tell nobody how far it is."""


@dataclass(frozen=True)
class Folding:
    """One rebuild at work.

    Attributes:
        pool: Sees the fresh generation and nothing else.
        ends: Where each topic ended when it was first asked for.
        notes: What a person should know of this rebuild, in words.
    """

    pool: Pool
    topics: Topics
    brokers: str
    clock: Clock
    told: Progress = untold
    ends: dict[str, Mapping[int, int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    async def ends_of(self, topic: str) -> Mapping[int, int]:
        """Where the topic ends for this rebuild, per partition."""
        if topic not in self.ends:
            self.ends[topic] = await ends_of(self.brokers, topic)
        return self.ends[topic]

    async def batches(self, stage: str, topic: str) -> AsyncIterator[Sequence[Record]]:
        """Everything on a topic, in batches of one partition, from its first record on.

        Raises:
            ConfigurationError: the beginning of the topic is gone, so that nothing can be folded from it.
        """
        ends = await self.ends_of(topic)
        total, done, begun = sum(ends.values()), 0, set[int]()
        self.told(stage, 0, total)
        async for batch in in_batches(read_topic(self.brokers, topic, until=ends), BATCH):
            first = batch[0]
            if first.partition not in begun:
                _check_beginning(first.topic, first.partition, first.offset)
                begun.add(first.partition)
            yield batch
            done += len(batch)
            self.told(stage, done, total)
        for partition in {partition for partition, end in ends.items() if end} - begun:
            _check_beginning(topic, partition, ends[partition])
        self.told(stage, total, total)

    async def read_until(self, consumer: str, topic: str, offsets: Mapping[int, int] | None = None) -> None:
        """Let a consumer go on from these offsets: from where the topic ended, unless said otherwise."""
        ends = offsets if offsets is not None else await self.ends_of(topic)
        await self.pool.executemany(
            """
            insert into consumer_positions (consumer, topic, part, next_offset) values ($1, $2, $3, $4)
            on conflict (consumer, topic, part) do update set next_offset = excluded.next_offset
            """,
            [(consumer, topic, part, offset) for part, offset in ends.items() if offset],
        )


@dataclass(frozen=True)
class Fold:
    """One part's fold: ``run`` fills its tables, ``compared`` says what of them is recorded."""

    run: Callable[[Folding], Awaitable[None]]
    compared: Sequence[Compared]


def folds() -> list[Fold]:
    """The folds of every installed service, by name."""
    return [point.load() for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)]


def _check_beginning(topic: str, partition: int, offset: int) -> None:
    if offset:
        raise ConfigurationError(
            f"{topic}/{partition} begins at offset {offset}: its beginning is gone, and nothing can be rebuilt without "
            "it. Restore the topic with all its records, and set its retention to unlimited."
        )
