"""Ends what a process that stands still leaves open in PostgreSQL, so that it keeps no locks.

The server itself ends a transaction in which nothing happens (``pool.connect``), but not one whose client stands still
in the middle of a statement: between asyncpg's Parse and its Bind, or while rows are sent that nobody takes. To the
server that statement is at work, for as long as the client says nothing. Every process looks after all the others.
"""

from __future__ import annotations

import structlog

from mlc_common.clock import Clock
from mlc_common.store.pool import UNAVAILABLE, Pool

APPLICATION = "mlc "
"""How the names of our connections begin (``application_name``); nobody else's are touched."""

_log = structlog.get_logger(__name__)

_LOOKS = 2
"""How often is looked within the time that a statement may wait for its client."""


async def end_stalled(pool: Pool, after_s: float) -> int:
    """End connections of ours that have waited for their client in the middle of a statement; how many.

    Args:
        pool: Of the database whose connections are meant.
        after_s: For how long they must have waited, seconds.
    """
    rows = await pool.fetch(
        """
        select application_name, wait_event, pg_terminate_backend(pid) as ended from pg_stat_activity
        where datname = current_database() and usename = current_user and pid <> pg_backend_pid()
            and starts_with(application_name, $2) and state = 'active' and wait_event_type = 'Client'
            and state_change < clock_timestamp() - make_interval(secs => $1)
        """,
        after_s,
        APPLICATION,
    )
    ended = [row for row in rows if row["ended"]]
    for row in ended:
        _log.warning("database.stalled_connection_ended", of=row["application_name"], waited_for=row["wait_event"])
    return len(ended)


async def watch(pool: Pool, clock: Clock, after_s: float) -> None:
    """Do so again and again until cancelled; a lost database is waited out."""
    while True:
        await clock.sleep(after_s / _LOOKS)
        try:
            await end_stalled(pool, after_s)
        except UNAVAILABLE as error:
            _log.info("database.not_looked", error=type(error).__name__)
