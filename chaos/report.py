"""The figures of all runs, as a table for people and as JSON."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from chaos.run import Result


@dataclass
class Report:
    """What all runs came to."""

    stamp: str = field(default_factory=lambda: time.strftime("%H%M%S"))
    results: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Take one run in."""
        self.results.append(result)

    @property
    def passed(self) -> bool:
        """Whether every run passed."""
        return all(result.passed for result in self.results)

    @property
    def counts(self) -> Counter[str]:
        """What was done in all runs together."""
        return sum((result.counts for result in self.results), Counter())

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        failed = [result for result in self.results if not result.passed]
        return {
            "runs": len(self.results),
            "failed": len(failed),
            "failed_seeds": {result.seed: list(result.wrong) for result in failed},
            "orders": sum(result.orders for result in self.results),
            "documents": sum(result.documents for result in self.results),
            "holds": dict(sorted(sum((result.holds for result in self.results), Counter()).items())),
            "done": dict(sorted(self.counts.items())),
            "seconds": round(sum(sum(result.seconds.values()) for result in self.results), 1),
        }

    def show(self, console: Console) -> None:
        """For people."""
        figures = self.as_json()
        table = Table("figure", "value", title="chaos", title_justify="left")
        for name in ("runs", "failed", "orders", "documents", "seconds"):
            table.add_row(name.replace("_", " "), str(figures[name]))
        for reason, count in figures["holds"].items():
            table.add_row(f"held, as it must be: {reason}" if self.passed else f"held: {reason}", str(count))
        for name, count in figures["done"].items():
            table.add_row(name, str(count))
        console.print(table)
        for result in self.results:
            if not result.passed:
                console.print(f"[red]seed {result.seed} failed[/red]: {result.wrong[0]}", soft_wrap=True)
