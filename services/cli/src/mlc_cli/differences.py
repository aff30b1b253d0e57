"""Shows what would change: documents that differ, each difference by name, and the sums. Shared by diff and dry run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from rich.progress import Progress

from mlc_cli.mappings import reader
from mlc_cli.output import print_json, say
from mlc_common.runtime import Runtime

_PHASES = {"read": "reading the log", "decided": "deciding"}


@dataclass
class Look:
    """A look at what would be: at most ``limit`` documents are kept to be shown (0: all)."""

    limit: int
    shown: list[dict[str, Any]]
    left_off: int = 0
    sums: dict[str, Any] | None = None

    async def take(self, changes: AsyncIterator[dict[str, Any]]) -> None:
        """Take what differs, as it comes."""
        async for one in changes:
            if self.limit and len(self.shown) >= self.limit:
                self.left_off += 1
            else:
                self.shown.append(one)

    def print(self, *, as_json: bool) -> None:
        """Show what was found."""
        if as_json:
            print_json({"changes": self.shown, "left_off": self.left_off, **(self.sums or {})})
            return
        for one in self.shown:
            _show(one)
        if self.left_off:
            say(f"… and {self.left_off} more documents (--limit 0 shows all).")
        _show_sums(self.sums or {})


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
