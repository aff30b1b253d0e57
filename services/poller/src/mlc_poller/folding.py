"""The poller's tables folded from the log: cursors, and the snapshots that were asked for or put off and never came.

Reads the log alone; no store is asked anything (architecture §2, rebuild).
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from mlc_common.errors import Undecodable
from mlc_common.events import Envelope, OrderSnapshot, PollCompleted, decode
from mlc_common.log import Record, whole
from mlc_common.store.rebuild.comparison import Compared
from mlc_common.store.rebuild.folding import Fold, Folding
from mlc_poller import store
from mlc_poller.fetches import FetchIntake


async def fold(folding: Folding) -> None:
    """Fill cursors and fetches; the poller goes on reading where the control topic ends now."""
    intake = FetchIntake(folding.pool, folding.topics, wake=_nobody)
    async for batch in folding.batches("polls and fetches", folding.topics.control):
        await _fold_polls(folding, batch)
        await intake.handle(folding.topics.control, batch[0].partition, batch)
    async for batch in folding.batches("answered fetches", folding.topics.raw_orders):
        await store.answered(folding.pool, await _answers(folding, batch))


async def _fold_polls(folding: Folding, batch: Sequence[Record]) -> None:
    events = [decode(e, PollCompleted) for e in _readable(batch) if e.type == PollCompleted.event_type]
    async with folding.pool.acquire() as connection, connection.transaction():
        for event in events:
            await store.fold_poll(connection, event)


async def _answers(folding: Folding, batch: Sequence[Record]) -> list[UUID]:
    """The fetches that snapshots of this batch answer; only of orders that one was asked for of."""
    snapshots = [(r, e) for r in batch for e in _readable([r]) if e.type == OrderSnapshot.event_type]
    wanted = await store.asked_of(folding.pool, sorted({envelope.subject for _, envelope in snapshots}))
    found = []
    for record, envelope in snapshots:
        if envelope.subject in wanted:
            try:
                event = decode(await whole(folding.brokers, record.topic, record.partition, envelope), OrderSnapshot)
            except Undecodable:  # no snapshot at all: it stays asked for
                continue
            found += [event.fetch_id] if event.fetch_id else []
    return found


def _readable(batch: Sequence[Record]) -> list[Envelope]:
    found = []
    for record in batch:
        try:
            found.append(record.envelope())
        except Undecodable:  # a dead letter of whoever reads it for its effects
            continue
    return found


def _nobody() -> None:
    """Wake nobody: nothing is fetched during a rebuild."""


CURSORS = Compared("poll_cursors", ("connection", "what"), {"read_until": "r.read_until"})
FETCHES = Compared("fetch_queue", ("fetch_id",), {"connection": "r.connection", "order_id": "r.order_id"})

FOLD = Fold(fold, (CURSORS, FETCHES))
