"""What a mutation run says: a table for people, everything for machines, and each survivor as a diff."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Tried:
    """One mutant and how its trial ended."""

    area: str
    path: str
    function: str
    line: int
    diff: str
    result: str
    by: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Row:
    """One module's figures. A mutant that does not end in time is noticed, too."""

    path: str
    possible: int
    killed: int
    timed_out: int
    survived: int
    same: int

    @property
    def rate(self) -> float:
        """Percent noticed, of those that differ."""
        tried = self.killed + self.timed_out + self.survived
        return 100.0 * (self.killed + self.timed_out) / tried if tried else 100.0


def rows(tried: Sequence[Tried], possible: dict[str, int]) -> list[Row]:
    """Figures per module, in the order of ``possible``, and of all."""
    made = [_row(path, number, [one for one in tried if one.path == path]) for path, number in possible.items()]
    return [*(row for row in made if row.possible), _row("all", sum(possible.values()), tried)]


def _row(path: str, possible: int, tried: Iterable[Tried]) -> Row:
    count = Counter(one.result for one in tried)
    return Row(path, possible, count["killed"], count["timed out"], count["survived"], count["same"])


def text(table: Sequence[Row], tried: Sequence[Tried]) -> str:
    """Everything as text: the survivors as diffs, then the table, which is what one looks at."""
    wide = max(len(row.path) for row in table)
    lines = [survivor(one) for one in tried if one.result == "survived"]
    lines.append(f"{'module':{wide}}  possible  tried  killed  timed out  survived  noticed")
    for row in table:
        count = row.killed + row.timed_out + row.survived
        lines.append(
            f"{row.path:{wide}}  {row.possible:8}  {count:5}  {row.killed:6}  {row.timed_out:9}  {row.survived:8}"
            f"  {row.rate:5.1f} %"
        )
    if table[-1].same:
        lines.append(f"{table[-1].same} more are the same to the interpreter and are not counted.")
    return "\n".join(lines)


def survivor(one: Tried) -> str:
    """One mutant that no test noticed."""
    return f"{one.path}:{one.line} {one.function}\n{one.diff}\n"


def as_json(table: Sequence[Row], tried: Sequence[Tried], asked: dict[str, Any]) -> dict[str, Any]:
    """Everything for machines."""
    return {
        "asked": asked,
        "modules": [{**asdict(row), "noticed_percent": round(row.rate, 1)} for row in table],
        "mutants": [asdict(one) for one in tried],
    }
