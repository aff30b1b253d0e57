"""Takes the mapper's requests for fresh snapshots from the control topic, and answers them.

The consumer only queues them, its position in the same transaction; the poller that leases the connection fetches, and
reads also what a walk put off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from mlc_common.errors import Undecodable
from mlc_common.events import FetchRequested, Topics, decode
from mlc_common.log.dead_letters import dead_letter
from mlc_common.log.records import Record
from mlc_common.store import outbox, positions
from mlc_common.store.pool import UNAVAILABLE, Pool
from mlc_poller import store
from mlc_poller.snapshots import TROUBLE, Snapshots

_log = structlog.get_logger(__name__)

_BATCH = 20
_FIRST_S, _LONGEST_S = 1.0, 300.0


class FetchIntake:
    """Handler of the control topic for the poller (see ``mlc_common.log.consumer.Handler``)."""

    def __init__(self, pool: Pool, topics: Topics, *, wake: Callable[[], None]) -> None:
        self._pool = pool
        self._topics = topics
        self._wake = wake

    async def position(self, topic: str, partition: int) -> int:
        """See ``Handler``."""
        return await positions.load(self._pool, store.PRODUCER, topic, partition)

    async def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        """See ``Handler``. Nothing to prepare."""

    async def handle(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        """See ``Handler``."""
        requests, dead = [], []
        for record in records:
            try:
                envelope = record.envelope()
                if envelope.type == FetchRequested.event_type:
                    requests.append(decode(envelope, FetchRequested))
            except Undecodable as error:
                dead.append(dead_letter(self._topics, record, str(error), lane=0))
        async with self._pool.acquire() as connection, connection.transaction():
            await store.ask(connection, requests)
            await outbox.add(connection, store.PRODUCER, dead)
            await positions.advance(
                connection,
                store.PRODUCER,
                topic,
                partition,
                expected=records[0].offset,
                next_offset=records[-1].offset + 1,
            )
        self._wake()


async def answer_due(pool: Pool, snapshots: Snapshots) -> int:
    """Fetch what is due for one connection; returns how many were answered. A store in trouble postpones."""
    answered = 0
    for fetch in await store.due(pool, snapshots.connection, _BATCH):
        try:
            await snapshots.append(await snapshots.of_id(fetch.order_id, fetch.fetch_id))
        except UNAVAILABLE:
            raise
        except Exception as error:  # whatever the store says of an order keeps nobody else's from being fetched
            wait, ours = min(_FIRST_S * 2**fetch.attempts, _LONGEST_S), not isinstance(error, TROUBLE)
            _log.warning(
                "fetch.postponed", order=fetch.order_id, seconds=wait, error=type(error).__name__, exc_info=ours
            )
            await store.postpone(pool, fetch, wait)
        else:
            await store.fetched(pool, fetch)
            answered += 1
    snapshots.metrics.orders_unread.labels(snapshots.connection).set(await store.unread(pool, snapshots.connection))
    return answered
