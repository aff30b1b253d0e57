"""The poller's rows: cursors, backfills and how far they have come, a projection of ``PollCompleted``; and the
snapshots to be fetched, which the mapper asked for or a walk put off.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from mlc_common.events import FetchRequested, PollCompleted, order_subject
from mlc_common.store import outbox
from mlc_common.store.outbox import Outgoing
from mlc_common.store.pool import Connection, Pool
from mlc_poller.snapshots import Said

PRODUCER = "poller"
_BACKFILL = "orders-backfill:"
_REACHED = "-reached:"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""The modification time that the mapper gives an order that states none."""


@dataclass(frozen=True)
class Backfill:
    """A store was read for a flow from its cut-over on; ``at`` orders the backfills of a flow, and means no more."""

    flow: str
    connection: str
    since: date
    at: datetime

    @property
    def what(self) -> str:
        """What the log and the cursors call it."""
        return f"{_BACKFILL}{self.since.isoformat()}:{self.flow}"


def name_of_reached(what: str, since: datetime, flows: Mapping[str, date]) -> str:
    """What the log and the cursors call how far an unfinished walk for these flows has come."""
    named = ",".join(f"{flow}={start.isoformat()}" for flow, start in sorted(flows.items()))
    return f"{what}{_REACHED}{since.isoformat()}:{named}"


@dataclass(frozen=True)
class Fetch:
    """A snapshot that was asked for."""

    fetch_id: UUID
    connection: str
    order_id: str
    attempts: int


async def cursor(pool: Pool, connection: str, what: str) -> datetime | None:
    """Up to when ``what`` has been read; None before the first poll."""
    query = "select read_until from poll_cursors where connection = $1 and what = $2"
    found: datetime | None = await pool.fetchval(query, connection, what)
    return found


async def last_backfills(pool: Pool) -> dict[str, Backfill]:
    """Which store was read for each flow last, and from which cut-over."""
    rows = await pool.fetch(
        "select connection, what, read_until from poll_cursors where starts_with(what, $1) order by read_until",
        _BACKFILL,
    )
    found: dict[str, Backfill] = {}
    for row in rows:
        since, _, flow = row["what"].removeprefix(_BACKFILL).partition(":")
        found[flow] = Backfill(flow, row["connection"], date.fromisoformat(since), row["read_until"])
    return found


async def complete(pool: Pool, done: Sequence[tuple[PollCompleted, Outgoing]]) -> None:
    """Fold each ``PollCompleted`` and write it to the outbox, all in one transaction."""
    async with pool.acquire() as connection, connection.transaction():
        for event, _ in done:
            await fold_poll(connection, event)
        await outbox.add(connection, PRODUCER, [outgoing for _, outgoing in done])


async def fold_poll(connection: Connection, event: PollCompleted) -> None:
    """Move the cursor, which never steps back, and queue what was put off, within the caller's transaction.

    A walk that is through leaves none of its kind unfinished: one that was given up for other flows, or for another
    cut-over, is begun anew if it comes back.
    """
    await connection.execute(
        "delete from poll_cursors where connection = $1 and starts_with(what, $2)", event.connection,
        f"{event.what}{_REACHED}",
    )  # fmt: skip
    await connection.execute(
        """
        insert into poll_cursors as c (connection, what, read_until) values ($1, $2, $3)
        on conflict (connection, what) do update set read_until = greatest(c.read_until, excluded.read_until)
        """,
        event.connection, event.what, event.until,
    )  # fmt: skip
    await _queue(connection, [(fetch_id, event.connection, order_id) for order_id, fetch_id in event.put_off.items()])


async def ask(connection: Connection, requests: Sequence[FetchRequested]) -> None:
    """Queue what was asked for, within the caller's transaction; asked twice is fetched once."""
    await _queue(connection, [(request.fetch_id, request.connection, request.order_id) for request in requests])


async def _queue(connection: Connection, fetches: Sequence[tuple[UUID, str, str]]) -> None:
    await connection.executemany(
        "insert into fetch_queue (fetch_id, connection, order_id) values ($1, $2, $3) on conflict do nothing", fetches
    )


async def is_asked_for(pool: Pool, connection: str, order_id: str) -> bool:
    """Whether a snapshot of the order waits to be fetched."""
    query = "select exists (select from fetch_queue where connection = $1 and order_id = $2)"
    return bool(await pool.fetchval(query, connection, order_id))


async def stands_at(pool: Pool, flows: Collection[str], connection: str, said: Said) -> bool | None:
    """Whether the mapper has read a snapshot and stands at the picture that it shows, in each of these flows.

    Its states are looked into for that (``order_states``; a test of the mapper's holds them to what is read here). The
    times of two pictures tell whether it stands at another one: of two of one second it asks by itself.

    Returns:
        None where it has not read so far, or the snapshot is one of which nothing is remembered and nothing found; and
        while a fetch waits, which will tell.
    """
    rows = await pool.fetch(
        """
        select newest_event, newest_offset, state::json->'picture'->>'modified' as modified from order_states
        where flow = any($1::text[]) and order_key = $2
            and not exists (select from fetch_queue where connection = $3 and order_id = $4)
        """,
        list(flows), order_subject(connection, said.order_id), connection, said.order_id,
    )  # fmt: skip
    if said.offset is None:
        if len(rows) < len(flows) or any(row["newest_event"] != str(said.event_id) for row in rows):
            return None
    else:
        rows = [row for row in rows if row["newest_offset"] >= said.offset]
    known = [row["modified"] for row in rows]
    return all(_same_time(one, said.modified) for one in known) if known else None


def _same_time(known: str | None, said: str) -> bool:
    """Whether two times are the same; so is one that cannot be read, because no other one can be told from it."""
    try:
        one, other = (datetime.fromisoformat(text or "") for text in (known, said))
    except ValueError:
        return True
    one, other = (each if each.tzinfo else each.replace(tzinfo=UTC) for each in (one, other))
    return one in (other, _NEVER)


async def unread(pool: Pool, connection: str) -> int:
    """How many orders the store could not show when they were asked for; they are tried again."""
    query = "select count(distinct order_id) from fetch_queue where connection = $1 and attempts > 0"
    return int(await pool.fetchval(query, connection))


async def due(pool: Pool, connection: str, most: int) -> list[Fetch]:
    """What may be fetched now, the oldest first."""
    rows = await pool.fetch(
        """
        select fetch_id, connection, order_id, attempts from fetch_queue
        where connection = $1 and not_before <= now() order by not_before limit $2
        """,
        connection, most,
    )  # fmt: skip
    return [Fetch(r["fetch_id"], r["connection"], r["order_id"], r["attempts"]) for r in rows]


async def fetched(pool: Pool, fetch: Fetch) -> None:
    """The snapshot is on the log."""
    await pool.execute("delete from fetch_queue where fetch_id = $1", fetch.fetch_id)


async def asked_of(pool: Pool, subjects: Sequence[str]) -> set[str]:
    """Which of these orders, by the subject of their events, a snapshot was asked for of."""
    rows = await pool.fetch(
        """
        select distinct subject from fetch_queue f
        join unnest($1::text[]) as s (subject) on s.subject = f.connection || ':order:' || f.order_id
        """,
        list(subjects),
    )
    return {row["subject"] for row in rows}


async def answered(pool: Pool, fetch_ids: Sequence[UUID]) -> None:
    """These snapshots are on the log."""
    await pool.execute("delete from fetch_queue where fetch_id = any($1::uuid[])", fetch_ids)


async def postpone(pool: Pool, fetch: Fetch, seconds: float) -> None:
    """Try again later."""
    await pool.execute(
        """
        update fetch_queue set attempts = attempts + 1, not_before = now() + make_interval(secs => $2)
        where fetch_id = $1
        """,
        fetch.fetch_id, seconds,
    )  # fmt: skip
