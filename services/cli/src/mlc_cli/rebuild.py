"""`mlc rebuild`: every table anew from the log, compared with what was there, then put in its place."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mlc_cli import environment
from mlc_cli.output import Json, print_json, print_rows, say, telling_errors, trouble
from mlc_common.store.rebuild.folding import Progress as Told
from mlc_common.store.rebuild.folding import untold
from mlc_common.store.rebuild.rebuilding import Report, Wanted
from mlc_common.store.rebuild.rebuilding import rebuild as rebuild_everything

SHOWN = 50
"""Differences that a person is shown; --json lists up to a thousand."""


def rebuild(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Fold and compare, and change nothing.")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="Take the rebuilt tables although rows differ.")] = False,
    keep_old: Annotated[bool, typer.Option("--keep-old", help="Keep the old tables in a schema of their own.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Rebuild although parts seem to be at work.")] = False,
    as_json: Json = False,
) -> None:
    """Rebuild the database from the log, compare, and swap.

    Stop every part but ingest first. Folds what the log recorded into fresh
    tables beside the old ones and decides nothing anew; where rows differ, they
    are listed, nothing is changed and the exit status is 1. What the log leaves
    unfinished is looked up in the ERP before anything is posted again.

    \b
    Examples:
      mlc rebuild --dry-run
      mlc rebuild --keep-old
    """
    with telling_errors(as_json=as_json):
        wanted = Wanted(dry_run=dry_run, accept=accept, force=force, by=getpass.getuser())
        report, kept = asyncio.run(_rebuild(wanted, keep_old=keep_old, show=not as_json))
        if as_json:
            print_json(_as_json(report, kept))
        else:
            _show(report, kept, dry_run=dry_run)
        if report.differing and not report.swapped:
            raise typer.Exit(1)


async def _rebuild(wanted: Wanted, *, keep_old: bool, show: bool) -> tuple[Report, str]:
    async with environment.runtime("rebuild") as runtime:
        kept = f"before_{runtime.clock.now():%Y%m%dt%H%M%S}" if keep_old else ""
        with _bar(show=show) as told:
            report = await rebuild_everything(runtime, replace(wanted, keep_as=kept), told)
        return report, kept if report.swapped else ""


@contextmanager
def _bar(*, show: bool) -> Iterator[Told]:
    if not show:
        yield untold
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=trouble, transient=True) as bar:
        task = bar.add_task("beginning", total=None)
        yield lambda stage, done, total: bar.update(task, description=stage, completed=done, total=total or None)


def _as_json(report: Report, kept: str) -> dict[str, Any]:
    return {
        "rows": report.rows,
        "compared": report.compared,
        "differing": report.differing,
        "differences": [
            {"table": each.table, "key": list(each.key), "columns": each.columns, "sentence": each.sentence()}
            for each in report.differences
        ],
        "unfinished": report.unfinished,
        "notes": report.notes,
        "swapped": report.swapped,
        "kept_as": kept,
    }


def _show(report: Report, kept: str, *, dry_run: bool) -> None:
    print_rows([{"table": table, "rows": rows} for table, rows in report.rows.items()], as_json=False)
    for each in report.differences[:SHOWN]:
        say(("differs", "yellow"), f" {each.sentence()}")
    if report.differing > SHOWN:
        say(f"And {report.differing - SHOWN} more.")
    for note in report.notes:
        say(note)
    if report.unfinished:
        say(f"Unfinished documents, looked up in the ERP before anything is posted: {report.unfinished}.")
    say(_verdict(report, kept, dry_run=dry_run))


def _verdict(report: Report, kept: str, *, dry_run: bool) -> str:
    compared = "Every recorded row is as it was." if report.compared else "The tables were empty."
    found = f"Rows that differ: {report.differing}." if report.differing else compared
    if report.swapped:
        place = f" The old ones are in the schema {kept}." if kept else ""
        return f"{found} The rebuilt tables are in force.{place} Start the parts again."
    if dry_run:
        return f"{found} Nothing was changed."
    return f"{found} Nothing was changed: find out why, then --accept takes the rebuilt tables."
