"""Each promise of docs/guarantees.md names the tests that show it, and those tests name the promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(r"^\| (R\d+) \| .+ \| (.+) \|$", (ROOT / "docs/guarantees.md").read_text(encoding="utf-8"), re.M)
NAMED = [(promise, path) for promise, shown in ROWS for path in re.findall(r"`([\w./-]+/[\w./-]+)`", shown)]


def test_the_table_is_read() -> None:
    assert len(ROWS) >= 19
    assert len({promise for promise, _ in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("promise", "path"), NAMED)
def test_the_tests_of_a_promise_name_it(promise: str, path: str) -> None:
    where = ROOT / path
    files = [where] if where.is_file() else sorted(where.rglob("*.py"))
    assert files, f"{path} does not exist"
    assert any(re.search(rf"\b{promise}\b", file.read_text(encoding="utf-8")) for file in files)
