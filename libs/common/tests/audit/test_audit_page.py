"""docs/audit.md names every stage, finding and column that there is."""

from __future__ import annotations

import re
from pathlib import Path

from mlc_common.audit.export import FACTS, PLACE, PROOF
from mlc_common.audit.facts import Stage
from mlc_common.audit.walk import What

PAGE = (Path(__file__).parents[4] / "docs" / "audit.md").read_text(encoding="utf-8")


def first_cells(heading: str) -> list[str]:
    """Every `name` in the first column of the tables below a heading."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([a-z_]+)`", cell)]


def test_every_column_of_an_export_is_described() -> None:
    assert sorted(first_cells("Columns of an export")) == sorted((*PLACE, *FACTS, "facts", *PROOF))


def test_every_finding_is_described() -> None:
    assert sorted(first_cells("What verify proves")) == sorted(What)


def test_every_stage_is_named() -> None:
    (row,) = re.findall(r"^\| `stage` \| (.*) \|$", PAGE, re.MULTILINE)
    assert sorted(re.findall(r"`([a-z_]+)`", row)) == sorted(Stage)
