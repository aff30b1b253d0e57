"""Consumer positions: where to go on reading, moved by compare-and-set in the transaction of the effects.

A worker that was frozen while another took over fails here, and its effects with it (architecture §2).
"""

from __future__ import annotations

from mlc_common.errors import ConnectorError
from mlc_common.store.pool import Connection, Pool


class Overtaken(ConnectorError):  # noqa: N818 - names what happened
    """Another worker moved this position; drop what you did and read from where it stands now."""

    code = "overtaken"


async def load(pool: Pool, consumer: str, topic: str, part: int) -> int:
    """The next offset to read; 0 for a partition never read."""
    found = await pool.fetchval(
        "select next_offset from consumer_positions where consumer = $1 and topic = $2 and part = $3",
        consumer,
        topic,
        part,
    )
    return int(found or 0)


async def advance(
    connection: Connection, consumer: str, topic: str, part: int, *, expected: int, next_offset: int
) -> None:
    """Move the position from ``expected`` to ``next_offset``, within the caller's transaction.

    Raises:
        Overtaken: the position is not at ``expected``.
    """
    moved = await connection.fetchval(
        """
        insert into consumer_positions as p (consumer, topic, part, next_offset)
        select $1, $2, $3, $5 where $4 = 0 or exists (
            select 1 from consumer_positions where consumer = $1 and topic = $2 and part = $3)
        on conflict (consumer, topic, part) do update set next_offset = excluded.next_offset
            where p.next_offset = $4
        returning 1
        """,
        consumer,
        topic,
        part,
        expected,
        next_offset,
    )
    if moved is None:
        raise Overtaken(f"{consumer} at {topic}/{part} is no longer at {expected}")
