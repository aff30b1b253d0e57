"""How every command speaks: a table or sentence for people, JSON with ``--json``, an error that says what to do.

An error of ours is one sentence and exit status 1. Anything else is a defect: its kind and place are told, never its
text or its variables, which may hold secrets.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mlc_common import exactjson
from mlc_common.errors import ConnectorError

Json = Annotated[bool, typer.Option("--json", help="Print JSON, also for errors.")]

people = Console(highlight=False)
trouble = Console(stderr=True, highlight=False)

TRACEBACK = "MLC_TRACEBACK"
"""Set to 1, a defect prints where the program was, without values."""

_SERVERS = {"asyncpg": "PostgreSQL", "aiokafka": "Kafka"}

_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but the line's end and the tabulator, and those that turn the direction of what follows."""

_TAMPERED = frozenset({"UndefinedTableError", "UndefinedColumnError", "InsufficientPrivilegeError"})
"""What PostgreSQL says where a table, a column or a right of ours is gone; it names those, and never a value."""


def print_json(value: Any) -> None:
    """One JSON document on stdout; amounts are strings."""
    sys.stdout.write(exactjson.dumps(value).decode("utf-8", "replace") + "\n")
    sys.stdout.flush()


def harmless(text: str) -> str:
    """Text without what would steer the terminal of whoever reads it: some of it was written by strangers."""
    return _STEERING.sub("\ufffd", text)


def say(*parts: str | tuple[str, str], indent: int = 0, console: Console | None = None) -> None:
    """A sentence; a part is text, or text and its style. Folded at the terminal's width, one line elsewhere."""
    on = console or people
    text = Text.assemble(*(harmless(part) if isinstance(part, str) else (harmless(part[0]), part[1]) for part in parts))
    margin = " " * indent
    lines = text.wrap(on, max(on.width - indent, 20)) if on.is_terminal else text.split("\n")
    for line in lines:
        line.rstrip()
        on.print(Text(margin) + line, soft_wrap=True)


def print_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool, title: str = "", empty: str = "Nothing.") -> None:
    """Rows as a table, or as a JSON list."""
    if as_json:
        print_json([dict(row) for row in rows])
        return
    if not rows:
        say(empty)
        return
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    people.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else harmless(str(value))


@contextmanager
def telling_errors(*, as_json: bool = False) -> Iterator[None]:
    """Turn whatever goes wrong into one sentence on stderr and exit status 1."""
    try:
        yield
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except ConnectorError as error:
        fail(str(error), code=error.code, as_json=as_json)
    except Exception as error:
        message, code = _explained(error)
        fail(message, code=code, as_json=as_json)


def fail(message: str, *, code: str = "error", as_json: bool = False) -> NoReturn:
    """Say what is wrong and what to do, and end with status 1."""
    if as_json:
        print_json({"error": {"code": code, "message": message}})
    say(("error", "red"), f" ({code}): {message}", console=trouble)
    raise typer.Exit(1)


def first_of(error: BaseException) -> BaseException:
    """What went wrong first, if possible an error of ours, where several things did."""
    while isinstance(error, BaseExceptionGroup):
        error = (error.subgroup(ConnectorError) or error).exceptions[0]
    return error


def counted(number: int, what: str) -> str:
    """How many of something, in words."""
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def when(iso: str) -> str:
    """A time for people."""
    return iso.replace("T", " ").replace("+00:00", " UTC")


def _explained(error: BaseException) -> tuple[str, str]:
    """Message and code."""
    first = first_of(error)
    if isinstance(first, ConnectorError):
        return str(first), first.code
    server = _SERVERS.get(type(first).__module__.partition(".")[0])
    if server and _is_lost(first):
        return f"{server} was lost on the way ({type(first).__name__}); see that it runs, and try again", "unreachable"
    if type(first).__name__ in _TAMPERED:
        return (
            f"PostgreSQL refuses: {first}. Its tables are not as they were made: find out who changed them, then `mlc "
            "rebuild` makes them anew from the log; where that is refused, too, see docs/rebuild.md on a lost database",
            "database",
        )
    if isinstance(first, OSError) and first.filename is not None:
        return f"{first.filename}: {first.strerror}", "file"
    return _defect(first), "defect"


def _is_lost(error: BaseException) -> bool:
    """Whether a server is away; what PostgreSQL refuses to do is a defect of ours, and refused again."""
    from mlc_common.store.pool import UNAVAILABLE  # only here: offline commands need no database driver

    return isinstance(error, UNAVAILABLE) or not type(error).__module__.startswith("asyncpg")


def _defect(error: BaseException) -> str:
    """Kind and place alone: the text of an error that nobody foresaw may quote anything."""
    frames = traceback.extract_tb(error.__traceback__)
    if os.environ.get(TRACEBACK):
        sys.stderr.writelines(traceback.StackSummary.from_list(frames).format())
    ours = [frame for frame in frames if "mlc_" in frame.filename] or list(frames)
    place = f" in {Path(ours[-1].filename).name}, line {ours[-1].lineno}" if ours else ""
    return (
        f"this is a defect of ours: {type(error).__name__}{place}; please report it, with what the same command prints "
        f"after {TRACEBACK}=1"
    )
