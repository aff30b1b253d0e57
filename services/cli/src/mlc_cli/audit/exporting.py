"""`mlc audit export`."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from mlc_cli import environment
from mlc_cli.audit.period import bar, period
from mlc_cli.output import Json, print_json, say, telling_errors, when
from mlc_common.audit.export import Form
from mlc_common.audit.export import export as write_period
from mlc_common.errors import ConfigurationError
from mlc_common.store import audit_index

_FIRST, _LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)


def export(
    *,
    out: Annotated[Path, typer.Option(help="The file to write; replaced when it is whole.")],
    since: Annotated[str, typer.Option("--from", help="What happened from this date or time on (UTC).")] = "",
    until: Annotated[str, typer.Option("--to", help="Up to this date, whole, or this time (UTC).")] = "",
    form: Annotated[str, typer.Option("--format", help="csv or jsonl.")] = "csv",
    as_json: Json = False,
) -> None:
    """Write the audit index of a period to a file, oldest first.

    One line for each record of the log: when, what, about which order, the facts
    and the proof. The columns are described in docs/audit.md. No customer's data
    is in it.

    \b
    Example:
      mlc audit export --from 2026-11-01 --to 2026-11-30 --out november.csv
    """
    with telling_errors(as_json=as_json):
        begins, ends = period(since, until)
        if not out.name or out.is_dir() or not out.parent.is_dir():
            raise ConfigurationError(f"--out {out} is no file in a folder that exists; name one, as november.csv")
        rows, newest = asyncio.run(_export(out, _form(form), begins, ends, show=not as_json))
        said = newest.isoformat(timespec="seconds") if newest else ""
        if as_json:
            print_json({"file": str(out), "rows": rows, "newest": said or None})
        else:
            # An auditor that stands still would else make a period look whole that is not.
            reaches = f"The newest thing in the index is of {when(said)}." if said else "The index is empty."
            say(f"{rows:,} {'row is' if rows == 1 else 'rows are'} in {out}. {reaches}")


def _form(said: str) -> Form:
    if said == "csv":
        return "csv"
    if said == "jsonl":
        return "jsonl"
    raise ConfigurationError(f"there is no format {said!r}; --format is csv or jsonl")


async def _export(
    out: Path, form: Form, since: datetime | None, until: datetime | None, *, show: bool
) -> tuple[int, datetime | None]:
    unfinished = out.with_name(f".{out.name}.unfinished")
    async with environment.records("audit") as records:
        try:
            # Line ends as the format has them: CSV's are its own.
            with unfinished.open("w", encoding="utf-8", newline="") as file, bar("exporting", show=show) as progress:
                count = await write_period(
                    records.pool, file.write, form, since=since or _FIRST, until=until or _LAST, progress=progress
                )
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(out)
            return count, await audit_index.newest(records.pool)
        finally:
            unfinished.unlink(missing_ok=True)
