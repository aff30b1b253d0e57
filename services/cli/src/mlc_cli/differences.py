"""Shows what would change: documents that differ, each difference by name, and the sums. Shared by diff and dry run."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterator
from tempfile import SpooledTemporaryFile
from typing import Any, Self

from rich.progress import Progress

from mlc_cli.mappings import reader
from mlc_cli.output import say
from mlc_common import exactjson
from mlc_common.runtime import Runtime

_IN_MEMORY = 1_000_000
"""Bytes above which what is kept goes to the disk."""

_PHASES = {"read": "reading the log", "decided": "deciding"}


class Look:
    """A look at what would be; what is to be shown is kept in a file, because it may be every document of the log.

    Attributes:
        sums: Over all documents, once they are known.
    """

    def __init__(self, limit: int) -> None:
        """Keep at most ``limit`` documents (0: all); leave it as a context manager to drop them."""
        self.sums: dict[str, Any] = {}
        self._limit = limit
        self._kept = 0
        self._left_off = 0
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed in __exit__

    def __enter__(self) -> Self:
        """Nothing to prepare."""
        return self

    def __exit__(self, *_: object) -> None:
        """Drop what was kept."""
        self._file.close()

    async def take(self, changes: AsyncIterator[dict[str, Any]]) -> None:
        """Take what differs, as it comes."""
        async for one in changes:
            if self._limit and self._kept >= self._limit:
                self._left_off += 1
            else:
                self._file.write(exactjson.dumps(one) + b"\n")
                self._kept += 1

    def print(self, *, as_json: bool) -> None:
        """Show what was found."""
        if as_json:
            self._print_json()
            return
        for line in self._lines():
            _show(json.loads(line))
        if self._left_off:
            say(f"… and {self._left_off} more documents (--limit 0 shows all).")
        _show_sums(self.sums)

    def _print_json(self) -> None:
        """``{"changes": […], "left_off": 0, …}``, written one by one."""
        sys.stdout.write('{"changes":[')
        for index, line in enumerate(self._lines()):
            sys.stdout.write("," * bool(index) + line)
        rest = exactjson.dumps({"left_off": self._left_off, **self.sums}).decode()
        sys.stdout.write(f"],{rest.removeprefix('{')}\n")
        sys.stdout.flush()

    def _lines(self) -> Iterator[str]:
        self._file.seek(0)
        return (line.decode().rstrip("\n") for line in self._file)


def what_if(runtime: Runtime, progress: Progress) -> Any:
    """What tells what would be (see ``mlc_mapper.whatif.WhatIf``), with its progress shown."""
    task = progress.add_task("beginning", total=None)

    def told(phase: str, done: int, of: int) -> None:
        progress.update(task, description=_PHASES[phase], completed=done, total=of or None)

    brokers = runtime.settings.kafka_bootstrap_servers
    return reader("what_if")(runtime.pool, brokers, runtime.topics, told=told)


def _show(one: dict[str, Any]) -> None:
    name = " ".join(filter(None, (f"order {one['order']}", one["document"].replace("_", " "), one["number"])))
    how = "otherwise" if one["was"] == one["becomes"] else f"{one['was']} → {one['becomes']}"
    say((name, "bold"), f" ({one['flow']}): {how}")
    width = max(len(each["what"]) for each in one["differences"])
    for each in one["differences"]:
        say(f"{each['what']:<{width}}  {each['from'] or 'nothing'} → {each['to'] or 'nothing'}", indent=2)


def _show_sums(sums: dict[str, Any]) -> None:
    say(
        (f"{sums['changed']} of {sums['documents']} documents would differ", "bold"),
        f" ({sums['orders']} orders looked at).",
    )
    for kind in sums["kinds"]:
        same = kind["was"] == kind["becomes"]
        say(f"{kind['documents']} {kind['was']} → {'another ' if same else ''}{kind['becomes']}", indent=2)
    for total in sums["totals"]:
        if total["from"] != total["to"]:
            say(f"total {total['currency']}: {total['from']} → {total['to']}", indent=2)
    for account in sums["accounts"]:
        say(f"account {account['account']} {account['currency']}: {account['from']} → {account['to']}", indent=2)
    if number := sums["orders_to_be_read"]:
        say(
            f"{number} {'order' if number == 1 else 'orders'} must be read from the store again before it can be said "
            "how they are booked; that happens when the mapping is applied and they are decided."
        )
