"""Periods on the command line: `--from` and `--to` as dates or times, and how far a long command is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mlc_cli.output import trouble
from mlc_common.errors import ConfigurationError

_DAY = timedelta(days=1)


def beginning(text: str) -> datetime | None:
    """The instant at which a period begins; None where nothing is said.

    Raises:
        ConfigurationError: neither a date nor a time.
    """
    return _instant(text, "--from", timedelta())


def end(text: str) -> datetime | None:
    """The first instant after a period: a date stands for the whole of its day.

    Raises:
        ConfigurationError: neither a date nor a time.
    """
    return _instant(text, "--to", _DAY)


def _instant(text: str, option: str, whole_day: timedelta) -> datetime | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return _time(text, option)
    return datetime.combine(day, time.min, UTC) + whole_day


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
