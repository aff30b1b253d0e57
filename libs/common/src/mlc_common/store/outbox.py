"""The outbox: events that are written in the transaction of the record they speak of, and appended to the log after.

Rows of one lane are appended in order by one process at a time; a row is deleted once the broker acknowledged it.
There is no cursor over ids, so a transaction that commits late is never skipped (reliability R15).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from mlc_common import crash
from mlc_common.events.envelope import Envelope, from_record
from mlc_common.log.producer import LogProducer
from mlc_common.store.pool import Connection, Pool

BATCH = 500


@dataclass(frozen=True)
class Outgoing:
    """One event on its way: to which topic, in which lane."""

    topic: str
    envelope: Envelope
    lane: int = 0

    def columns(self) -> tuple[int, str, str, bytes, bytes]:
        """lane, topic, headers, value, key: as the table holds them."""
        headers = json.dumps([[name, raw.decode()] for name, raw in self.envelope.headers()])
        return self.lane, self.topic, headers, self.envelope.data, self.envelope.key


async def add(connection: Connection, producer: str, outgoing: Sequence[Outgoing]) -> None:
    """Write events into the outbox, within the caller's transaction, in order."""
    if not outgoing:
        return
    columns = list(zip(*(item.columns() for item in outgoing), strict=True))
    await connection.execute(
        """
        insert into outbox (producer, lane, topic, headers, value, key)
        select $1, u.lane, u.topic, u.headers, u.value, u.key
        from unnest($2::int[], $3::text[], $4::text[], $5::bytea[], $6::bytea[])
            with ordinality as u (lane, topic, headers, value, key, position)
        order by u.position
        """,
        producer,
        *columns,
    )


async def publish_pending(pool: Pool, log: LogProducer, producer: str, lanes: Sequence[int]) -> int:
    """Append what waits in these lanes, oldest first, and delete it once acknowledged; returns how many.

    A lane is locked while it is sent, so that two processes never send it at once, nor one what comes after the
    other's. Lanes that another process is sending are left to it.

    Raises:
        Retryable: the log did not acknowledge; everything stays.
    """
    async with pool.acquire() as connection, connection.transaction():
        # A statement of its own: the next one must see what the last holder of the lock has deleted.
        ours = await connection.fetchval(
            "select array_agg(lane) from unnest($2::int[]) lane where pg_try_advisory_xact_lock(hashtext($1), lane)",
            producer,
            list(lanes),
        )
        rows = await connection.fetch(
            """
            select id, topic, headers, value, key from outbox
            where producer = $1 and lane = any($2::int[]) order by id limit $3
            """,
            producer,
            ours or [],
            BATCH,
        )
        if not rows:
            return 0
        await log.publish_all([(row["topic"], _envelope(row["headers"], row["value"])) for row in rows])
        crash.point("outbox.after_publish")
        await connection.execute("delete from outbox where id = any($1::bigint[])", [row["id"] for row in rows])
        return len(rows)


async def is_empty(connection: Connection | Pool, producer: str, lane: int) -> bool:
    """Whether everything of this lane is acknowledged by the log."""
    query = "select not exists (select 1 from outbox where producer = $1 and lane = $2)"
    return bool(await connection.fetchval(query, producer, lane))


async def waiting(connection: Connection | Pool) -> dict[str, list[int]]:
    """The lanes of each producer in which events wait."""
    rows = await connection.fetch("select producer, array_agg(distinct lane) as lanes from outbox group by producer")
    return {row["producer"]: list(row["lanes"]) for row in rows}


def _envelope(headers: str, value: bytes) -> Envelope:
    return from_record(((name, text.encode()) for name, text in json.loads(headers)), value)
