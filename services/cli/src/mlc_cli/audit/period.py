"""Periods on the command line: `--from` and `--to` as dates or times, and how far a long command is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mlc_cli.output import trouble
from mlc_common.errors import ConfigurationError

_DAY = timedelta(days=1)

FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""Between these lies everything that a log can hold, and what its clients can ask for."""


def period(since: str, until: str) -> tuple[datetime | None, datetime | None]:
    """The instant at which a period begins and the first one after it; None where nothing is said.

    A date stands for the whole of its day.

    Raises:
        ConfigurationError: one is neither a date nor a time, or nothing lies between them.
    """
    begins, ends = _instant(since, "--from", timedelta()), _instant(until, "--to", _DAY)
    if begins and ends and begins >= ends:
        raise ConfigurationError(f"--from {since} is not before --to {until}; give the earlier one with --from")
    return _within(begins), _within(ends)


def _within(instant: datetime | None) -> datetime | None:
    return min(max(instant, FIRST), LAST) if instant else None


def _instant(text: str, option: str, whole_day: timedelta) -> datetime | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return _time(text, option)
    begins = datetime.combine(day, time.min, UTC)
    return begins + whole_day if begins < LAST - whole_day else LAST


def _time(text: str, option: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{option} {text} is neither a date nor a time; write 2026-11-21 or 2026-11-21T14:30:00Z"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def behind(count: int) -> str:
    """How far the index is behind the log, in words."""
    return f"Newer records of the log that are not in the index yet: {count:,}. The auditor takes seconds, if it runs."


@contextmanager
def bar(what: str, *, show: bool) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr; hears (done, total)."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=trouble, transient=True, disable=not show) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
