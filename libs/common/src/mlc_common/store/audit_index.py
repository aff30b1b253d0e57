"""The audit index in PostgreSQL: rows are appended and read, never changed (a trigger refuses it).

Whoever reads much reads through a server-side cursor inside a transaction, so that memory stays bounded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from mlc_common.audit.rows import AuditRow
from mlc_common.errors import Retryable
from mlc_common.store.pool import Connection, Pool

_NAMES = (
    "topic",
    "part",
    "record_offset",
    "event_id",
    "event_type",
    "subject",
    "at",
    "stage",
    "facts",
    "record_digest",
    "previous",
    "chain",
    "format",
)
_COLUMNS = ", ".join(_NAMES)
_PREFETCH = 500


@dataclass(frozen=True)
class Head:
    """The last row of a partition."""

    topic: str
    part: int
    offset: int
    chain: bytes


class RowInTheWay(Retryable):
    """Somebody put a row where the auditor's next belongs; a person must look, and everything else goes on."""

    code = "row_in_the_way"


async def append(connection: Connection, rows: Sequence[AuditRow]) -> None:
    """Add rows of one partition, within the caller's transaction.

    Raises:
        RowInTheWay: the index holds one of them already.
    """
    try:
        await _copy(connection, rows)
    except asyncpg.UniqueViolationError:
        raise RowInTheWay(
            f"the audit index holds a row at {rows[0].topic}/{rows[0].part}, from offset {rows[0].offset} on, that the "
            "auditor did not write; see `mlc audit verify`, then make the index anew with `mlc rebuild`"
        ) from None


async def _copy(connection: Connection, rows: Sequence[AuditRow]) -> None:
    await connection.copy_records_to_table(
        "audit_index",
        columns=_NAMES,
        records=[
            (
                row.topic, row.part, row.offset, row.event_id, row.event_type, row.subject, row.at, row.stage,
                row.facts, row.record_digest, row.previous, row.chain, row.format,
            )
            for row in rows
        ],
    )  # fmt: skip


async def chain_before(connection: Connection, topic: str, part: int, offset: int) -> bytes | None:
    """The chain of the last row of a partition below an offset; None where there is none."""
    found: bytes | None = await connection.fetchval(
        """
        select chain from audit_index where topic = $1 and part = $2 and record_offset < $3
        order by record_offset desc limit 1
        """,
        topic,
        part,
        offset,
    )
    return found


async def heads(connection: Connection | Pool) -> list[Head]:
    """The last row of every partition that the index knows, by topic and partition; reads a few rows of each."""
    rows = await connection.fetch(
        """
        with recursive known as (
            (select topic, part from audit_index order by topic, part limit 1)
            union all
            select n.topic, n.part from known k cross join lateral (
                select topic, part from audit_index a where (a.topic, a.part) > (k.topic, k.part)
                order by topic, part limit 1
            ) n
        )
        select k.topic, k.part, h.record_offset, h.chain from known k
        cross join lateral (
            select record_offset, chain from audit_index a where a.topic = k.topic and a.part = k.part
            order by record_offset desc limit 1
        ) h
        order by k.topic, k.part
        """
    )
    return [Head(row["topic"], row["part"], row["record_offset"], row["chain"]) for row in rows]


async def positions(connection: Connection | Pool, consumer: str) -> dict[tuple[str, int], int]:
    """How far this consumer has read each partition: the offset of the next record."""
    rows = await connection.fetch(
        "select topic, part, next_offset from consumer_positions where consumer = $1", consumer
    )
    return {(row["topic"], row["part"]): row["next_offset"] for row in rows}


async def read_to(connection: Connection | Pool) -> dict[tuple[str, int], int]:
    """How far each partition was read by whoever has read furthest."""
    rows = await connection.fetch("select topic, part, max(next_offset) as next from consumer_positions group by 1, 2")
    return {(row["topic"], row["part"]): row["next"] for row in rows}


async def chains_at(
    connection: Connection, topic: str, places: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], bytes]:
    """The chains of the rows at these (partition, offset) of a topic; absent where there is no row."""
    rows = await connection.fetch(
        """
        select a.part, a.record_offset, a.chain from unnest($2::int[], $3::bigint[]) as p (part, record_offset)
        join audit_index a on a.topic = $1 and a.part = p.part and a.record_offset = p.record_offset
        """,
        topic,
        [part for part, _ in places],
        [offset for _, offset in places],
    )
    return {(row["part"], row["record_offset"]): row["chain"] for row in rows}


async def of_partition(
    connection: Connection, topic: str, part: int, since: int, until: int
) -> AsyncIterator[AuditRow]:
    """The rows of a partition from ``since`` to before ``until``, in order; within the caller's transaction."""
    query = f"""
        select {_COLUMNS} from audit_index
        where topic = $1 and part = $2 and record_offset >= $3 and record_offset < $4 order by record_offset
        """  # noqa: S608 - the columns are our own
    async for row in connection.cursor(query, topic, part, since, until, prefetch=_PREFETCH):
        yield _row(row)


async def of_period(connection: Connection, since: datetime, until: datetime) -> AsyncIterator[AuditRow]:
    """The rows of what happened from ``since`` to before ``until``, oldest first; within the caller's transaction."""
    query = f"""
        select {_COLUMNS} from audit_index where at >= $1 and at < $2 order by at, topic, part, record_offset
        """  # noqa: S608 - the columns are our own
    async for row in connection.cursor(query, since, until, prefetch=_PREFETCH):
        yield _row(row)


async def count_of_period(connection: Connection, since: datetime, until: datetime) -> int:
    """How many rows ``of_period`` gives."""
    return int(await connection.fetchval("select count(*) from audit_index where at >= $1 and at < $2", since, until))


async def of_subject(connection: Connection | Pool, subject: str) -> list[AuditRow]:
    """The rows about one subject, oldest first."""
    query = f"select {_COLUMNS} from audit_index where subject = $1 order by at, topic, part, record_offset"  # noqa: S608 - our own
    return [_row(row) for row in await connection.fetch(query, subject)]


async def of_events(connection: Connection | Pool, event_ids: Sequence[str]) -> list[AuditRow]:
    """The rows of the events with these ids."""
    query = f"select {_COLUMNS} from audit_index where event_id = any($1::text[]) order by at"  # noqa: S608 - our own
    return [_row(row) for row in await connection.fetch(query, list(event_ids))]


async def newest(connection: Connection | Pool) -> datetime | None:
    """When the newest thing in the index happened; None where it is empty."""
    found: datetime | None = await connection.fetchval("select max(at) from audit_index")
    return found


async def last_facts(connection: Connection | Pool, subject: str, event_type: str) -> str | None:
    """The facts of the newest row of a type about a subject; None where there is none."""
    found: str | None = await connection.fetchval(
        "select facts from audit_index where subject = $1 and event_type = $2 order by at desc limit 1",
        subject,
        event_type,
    )
    return found


async def has_other_since(connection: Connection | Pool, topic: str, part: int, offset: int, event_type: str) -> bool:
    """Whether a partition has rows behind an offset that are not of this type."""
    query = """
        select exists (
            select 1 from audit_index where topic = $1 and part = $2 and record_offset > $3 and event_type <> $4)
        """
    return bool(await connection.fetchval(query, topic, part, offset, event_type))


_MAKING = "pg_advisory_xact_lock(hashtextextended('audit:signing-key', 0))"


@asynccontextmanager
async def making_the_key(pool: Pool) -> AsyncIterator[None]:
    """While one process makes the signing key, no other does."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(f"select {_MAKING}")
        yield


_SIGNING = "hashtextextended('audit:signing', 0)"


@asynccontextmanager
async def signing(pool: Pool) -> AsyncIterator[None]:
    """While somebody signs, the key does not change: what it signed is on the log before it gives way."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(f"select pg_advisory_xact_lock_shared({_SIGNING})")
        yield


@asynccontextmanager
async def changing_the_key(pool: Pool, patience_ms: int) -> AsyncIterator[Connection]:
    """A transaction in which the key changes; nobody signs, and nobody makes a first one, until it has ended.

    Raises:
        Retryable: somebody signs for longer than this.
    """
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("select set_config('lock_timeout', $1, true)", str(patience_ms))
        try:
            await connection.execute(f"select pg_advisory_xact_lock({_SIGNING}), {_MAKING}")
        except asyncpg.LockNotAvailableError:
            raise Retryable(
                "an auditor is signing and comes to no end; see that it and Kafka run, and try again"
            ) from None
        await connection.execute("select set_config('lock_timeout', '0', true)")
        yield connection


def _row(row: asyncpg.Record) -> AuditRow:
    return AuditRow(
        topic=row["topic"],
        part=row["part"],
        offset=row["record_offset"],
        event_id=row["event_id"],
        event_type=row["event_type"],
        subject=row["subject"],
        at=row["at"],
        stage=row["stage"],
        facts=row["facts"],
        record_digest=row["record_digest"],
        previous=row["previous"],
        chain=row["chain"],
        format=row["format"],
    )
