"""A period of the audit index as CSV or JSON Lines, for spreadsheets and for other programs.

The columns are documented in docs/audit.md and only ever added to. A cell that a spreadsheet would take for a formula
gets an apostrophe before it: some of what is in here was sent by strangers. Holds one batch of rows, however long the
period.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from mlc_common.audit.rows import AuditRow
from mlc_common.store import audit_index
from mlc_common.store.pool import Pool

Form = Literal["csv", "jsonl"]

Progress = Callable[[int, int], None]
"""Called with (done, total), in rows."""

PLACE = ("at", "topic", "partition", "offset", "event_id", "event_type", "subject", "stage")
"""Where a record lies and what it is."""

FACTS = (
    "flow",
    "document",
    "kind",
    "seq",
    "mapping",
    "state",
    "number",
    "total",
    "currency",
    "reason",
    "response",
    "by",
    "why",
)
"""Facts with a column of their own in CSV; the column ``facts`` holds all, as JSON."""

PROOF = ("record_digest", "previous", "chain", "format")
"""What proves the row, digests in hex."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TELL_EVERY = 500


async def export(
    pool: Pool,
    write: Callable[[str], object],
    form: Form,
    *,
    since: datetime,
    until: datetime,
    progress: Progress = lambda done, total: None,
) -> int:
    """Write what happened from ``since`` to before ``until``, oldest first; returns how many rows.

    Args:
        pool: The tenant's database.
        write: Takes text, whole lines at a time.
        form: ``csv`` (with a line of names) or ``jsonl``.
        since: The first instant.
        until: The first instant after.
        progress: Hears how far it is.
    """
    line = csv_line if form == "csv" else json_line
    done = 0
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        total = await audit_index.count_of_period(connection, since, until)
        progress(0, total)
        if form == "csv":
            write(_csv((*PLACE, *FACTS, "facts", *PROOF)))
        async for row in audit_index.of_period(connection, since, until):
            write(line(row))
            done += 1
            if done % _TELL_EVERY == 0 or done == total:
                progress(done, total)
    return done


def csv_line(row: AuditRow) -> str:
    """One row as a line of CSV."""
    facts = row.said()
    return _csv((*_place(row), *(facts.get(name, "") for name in FACTS), row.facts, *_proof(row)))


def json_line(row: AuditRow) -> str:
    """One row as a line of JSON; facts are an object."""
    place, proof = zip(PLACE, _place(row), strict=True), zip(PROOF, _proof(row), strict=True)
    said = {**dict(place), "facts": row.said(), **dict(proof)}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")) + "\n"


def _place(row: AuditRow) -> tuple[str | int, ...]:
    at = row.at.astimezone(UTC).isoformat(timespec="microseconds")
    return at, row.topic, row.part, row.offset, row.event_id, row.event_type, row.subject, row.stage


def _proof(row: AuditRow) -> tuple[str | int, ...]:
    return row.record_digest.hex(), row.previous.hex(), row.chain.hex(), row.format


def _csv(cells: tuple[str | int, ...]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([_harmless(cell) for cell in cells])
    return line.getvalue()


def _harmless(cell: str | int) -> str | int:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
