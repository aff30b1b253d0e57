"""`mlc reconcile`: account for every order, refund and document of a period.

Shows what the reconciler finds; every decision is its own (entry-point group ``mlc.reconciling``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from importlib.metadata import entry_points
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from mlc_cli import environment
from mlc_cli.output import Json, people, print_json, say, telling_errors, when
from mlc_common.errors import ConfigurationError
from mlc_common.money import shown

GROUP = "mlc.reconciling"

_WORDS = {
    "posted": "posted",
    "held": "held",
    "waiting": "on its way",
    "excluded": "left out",
    "missing": "missing",
    "differs": "differs",
    "without_sale": "no sale",
}
_UNEXPLAINED = ("missing", "differs", "without_sale")


def reconcile(
    *,
    since: Annotated[str, typer.Option("--from", help="First day, in the store's calendar (2026-11-01).")] = "",
    until: Annotated[str, typer.Option("--to", help="Last day, included; today without it, and at the latest.")] = "",
    flow: Annotated[str, typer.Option(help="Which flow, where there are several.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Say every order and refund, one by one.")] = False,
    as_json: Json = False,
) -> None:
    """Account for every order, refund and document of a period.

    Compares the store's own list with the ERP's own books, both ways, and says of
    each order and refund: posted (equal to the cent), held, on its way, left out
    by a rule, missing, differing, or in the books without a sale. Exit status 1
    if anything cannot be explained. Without --from: the last seven days.

    \b
    Example:
      mlc reconcile --from 2026-11-01 --to 2026-11-30
    """
    with telling_errors(as_json=as_json):
        asked = {"flow": flow, "first": _day("--from", since), "last": _day("--to", until)}
        seen = _Seen(everything=everything, as_json=as_json)
        result = asyncio.run(_compare(asked, seen))
        if as_json:
            items = {"unexplained_items": seen.unexplained, "held_items": seen.held, "by_hand_items": seen.by_hand}
            print_json(result.as_json() | items)
        else:
            _show(result, seen)
        if result.tally.unexplained:
            raise typer.Exit(1)


def _day(option: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise ConfigurationError(f"{option} {text!r} is no day; write it like 2026-11-30") from None


@dataclass
class _Seen:
    """What is said at the end, one by one; with ``everything``, each verdict is said as it comes and not kept."""

    everything: bool
    as_json: bool
    unexplained: list[dict[str, Any]] = field(default_factory=list)
    held: list[dict[str, Any]] = field(default_factory=list)
    by_hand: list[dict[str, Any]] = field(default_factory=list)

    def hear(self, one: Any) -> None:
        """One verdict."""
        item = _item(one)
        if self.everything and self.as_json:
            print_json({"item": item})
        elif self.everything:
            said = f": {item['sentence']}" if item["sentence"] else ""
            amount = f"{item['store']} {item['currency']}"
            say((f"{_short(item['verdict']):<10}", _style(item["verdict"])), f" {_name(item)}, {amount}{said}")
        if one.unexplained:
            self.unexplained.append(item)
        elif item["verdict"] == "held":
            self.held.append(item)
        elif one.by_hand:
            self.by_hand.append(item)


def _item(one: Any) -> dict[str, Any]:
    paid = one.paid
    return {
        "kind": one.kind,
        "id": one.id,
        "order": one.order,
        "verdict": one.verdict.value,
        "currency": one.currency,
        "store": shown(one.store, one.currency),
        "books": shown(one.books, one.currency),
        "sentence": one.sentence,
        "references": list(one.references),
        "paid": {"day": paid.day.isoformat(), "transaction": paid.transaction} if paid else None,
    }


async def _compare(asked: dict[str, Any], seen: _Seen) -> Any:
    found = [point for point in entry_points(group=GROUP) if point.name == "compare"]
    if not found:
        raise ConfigurationError("the reconciler is not installed; install services/reconciler")
    compare = found[0].load()
    async with environment.runtime("reconcile") as runtime:
        with _progress(quiet=seen.as_json or seen.everything) as progress:
            task = progress.add_task("reading", total=None)

            def begins(first: date, last: date) -> None:
                progress.update(task, total=(last - first).days + 1, description=f"{first} to {last}")

            def day(_: date) -> None:
                progress.advance(task)

            return await compare(runtime, **asked, each=seen.hear, begins=begins, day=day)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("day {task.completed}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as progress:
        yield progress


def _show(result: Any, seen: _Seen) -> None:
    say((f"Flow {result.flow}, {result.first} to {result.last}", "bold"), f", {when(result.at.isoformat()[:19])} UTC")
    if result.tally.sums:
        people.print(_sums(result.tally.as_json()))
    for paid in result.tally.as_json()["payments"]:
        count = sum(paid["by_verdict"].values())
        became = ", ".join(f"{number} {_short(verdict)}" for verdict, number in paid["by_verdict"].items())
        amount = shown(Decimal(paid["amount"]), paid["currency"])
        say(f"Payments in {paid['currency']}: {count}, {amount} in all; their orders: {became}.")
    for item in seen.unexplained:
        say((_short(item["verdict"]), "bold red"), f": {item['sentence']}")
    for item in seen.held:
        say(("held", "yellow"), f": {_name(item)}, {item['sentence']}")
    for item in seen.by_hand:
        amounts = f"the store says {item['store']} {item['currency']}, the books {item['books']}"
        say(("by hand", "yellow"), f": {_name(item)}, {amounts}; {item['sentence']}")
    unexplained = result.tally.unexplained
    if unexplained:
        say((f"{unexplained} cannot be explained.", "bold red"))
    elif not result.tally.sums:
        say("Nothing was placed, paid, refunded or booked in these days: there is nothing to account for.")
    else:
        say(("Everything is accounted for.", "bold green"))


def _sums(said: dict[str, Any]) -> Table:
    """Counts and amounts by verdict; an amount is never cut, however narrow the terminal is."""
    rows = [(_short(row["verdict"]), row["verdict"] in _UNEXPLAINED, _cells(row)) for row in said["verdicts"]]
    totals = [("all", False, _cells(row)) for row in said["totals"]]
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for place, name in enumerate(("orders", "refunds", "other", "", "store", "ERP", "difference")):
        widest = max((len(cells[place]) for _, _, cells in (*rows, *totals)), default=0)
        table.add_column(name, justify="right" if name else "left", no_wrap=True, min_width=widest)
    for name, odd, cells in rows:
        table.add_row(name, *cells, style="red" if odd else None)
    table.add_section()
    for name, _, cells in totals:
        table.add_row(name, *cells, style="bold")
    return table


def _cells(row: dict[str, Any]) -> list[str]:
    counts = [str(row[name] or "") for name in ("orders", "refunds", "documents")]
    amounts = [shown(Decimal(row[name]), row["currency"]) for name in ("store", "books", "difference")]
    return [*counts, row["currency"], *amounts]


def _name(item: dict[str, Any]) -> str:
    if item["kind"] == "order":
        return f"order {item['id']}"
    return f"refund {item['id']} of order {item['order']}" if item["kind"] == "refund" else item["id"]


def _short(verdict: str) -> str:
    return _WORDS.get(verdict, verdict)


def _style(verdict: str) -> str:
    return "red" if verdict in _UNEXPLAINED else "yellow" if verdict == "held" else ""
