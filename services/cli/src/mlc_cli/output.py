"""How every command speaks: a table or sentence for people, JSON with ``--json``, an error that says what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from mlc_common import exactjson
from mlc_common.errors import ConnectorError

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

people = Console(highlight=False)
trouble = Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """One JSON document on stdout; amounts are strings."""
    sys.stdout.write(exactjson.dumps(value).decode("utf-8", "replace") + "\n")


def print_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool, title: str = "", empty: str = "Nothing.") -> None:
    """Rows as a table, or as a JSON list."""
    if as_json:
        print_json([dict(row) for row in rows])
        return
    if not rows:
        people.print(empty)
        return
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    people.print(table)


@contextmanager
def telling_errors(*, as_json: bool = False) -> Iterator[None]:
    """Turn an error of ours into one sentence on stderr and exit status 1."""
    try:
        yield
    except ConnectorError as error:
        fail(str(error), code=error.code, as_json=as_json)
    except BaseExceptionGroup as group:
        ours = group.subgroup(ConnectorError)
        if ours is None:
            raise
        first = _first(ours)
        fail(str(first), code=getattr(first, "code", "error"), as_json=as_json)


def fail(message: str, *, code: str = "error", as_json: bool = False) -> None:
    """Say what is wrong and what to do, and end with status 1."""
    if as_json:
        print_json({"error": {"code": code, "message": message}})
    trouble.print(f"[red]error[/red] ({code}): ", end="")
    trouble.print(message, markup=False)
    raise typer.Exit(1)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
