"""`python -m scripts.mutants`: copies the tree, makes mutants, has each tried, says what survived.

Writes below .local/mutants alone. Exit status 1 when fewer than ``--least`` percent of all were noticed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from scripts.mutants import report
from scripts.mutants.report import Tried
from scripts.mutants.table import AREAS, Area

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".local" / "mutants"
SITE = HOME / "site"
LOCK = ROOT / "scripts" / "mutmut.lock"


def main() -> int:
    """Run what was asked for."""
    asked = _arguments()
    _install_mutmut()
    tree = _copy_of_the_tree(asked.place)
    possible: dict[str, int] = {}
    tried: list[Tried] = []
    try:
        for area in AREAS:
            mutants = _sampled(area, tree, asked, possible)
            if mutants:
                tried += _tried(area, mutants, tree)
    finally:
        shutil.rmtree(tree)
    table = report.rows(tried, possible)
    told = {"sample": asked.sample, "seed": asked.seed, "module": asked.module, "commit": _commit()}
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(report.as_json(table, tried, told), indent=1) + "\n", encoding="utf-8")
    print(report.text(table, tried))
    return 0 if table[-1].rate >= asked.least else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description="Do the tests notice when the code is wrong?")
    parser.add_argument("--sample", type=int, default=0, help="mutants per module, drawn by chance; 0 = all")
    parser.add_argument("--seed", type=int, default=1, help="which sample")
    parser.add_argument(
        "--module", action="append", default=[], help="an area (posting, mapper …) or part of a path; may be repeated"
    )
    parser.add_argument("--least", type=float, default=90.0, help="percent that must be noticed (default 90)")
    parser.add_argument("--json", type=Path, default=HOME / "mutants.json", help="where the figures go")
    parser.add_argument("--place", default="tree", help="name of the copy; runs at the same time need different ones")
    return parser.parse_args()


def _install_mutmut() -> None:
    """mutmut alone, held to its hashes: what its screens and its own runner need is not used."""
    stamp = SITE / ".lock"
    if not stamp.exists() or stamp.read_bytes() != LOCK.read_bytes():
        shutil.rmtree(SITE, ignore_errors=True)
        uv = ROOT / ".local" / "bootstrap" / "bin" / "uv"
        install: list[str | Path] = [
            uv,
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--require-hashes",
            "--target",
            SITE,
            "-r",
            LOCK,
        ]
        subprocess.run([*install, "--python", sys.executable], check=True)
        stamp.write_bytes(LOCK.read_bytes())
    sys.path.append(str(SITE))


def _copy_of_the_tree(place: str) -> Path:
    """What git knows of, as it stands now: a run must not see what is edited meanwhile."""
    tree = HOME / place
    shutil.rmtree(tree, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tree / name)
    return tree


def _sampled(area: Area, tree: Path, asked: argparse.Namespace, possible: dict[str, int]) -> list[dict[str, Any]]:
    from scripts.mutants.operators import candidates  # mutmut is installed by now

    mutants = []
    for path in area.files(tree):
        if asked.module and not any(part == area.name or ("/" in part and part in path) for part in asked.module):
            continue
        found = candidates(path, (tree / path).read_text(encoding="utf-8"))
        possible[path] = len(found)
        numbers = list(range(len(found)))
        if asked.sample and asked.sample < len(numbers):
            numbers = sorted(Random(f"{asked.seed} {path}").sample(numbers, asked.sample))
        mutants += [vars(found.mutant(number)) for number in numbers]
    return mutants


def _tried(area: Area, mutants: Sequence[dict[str, Any]], tree: Path) -> Iterator[Tried]:
    order = tree / f"order-{area.name}.json"
    given = {"tests": _present(area.tests, tree), "postgres": area.postgres, "mutants": mutants}
    order.write_text(json.dumps(given), encoding="utf-8")
    command = [sys.executable, "-m", "scripts.mutants.trial", str(order)]
    with subprocess.Popen(command, cwd=tree, env=_environment(tree), stdout=subprocess.PIPE, text=True) as trial:
        assert trial.stdout is not None
        for line in trial.stdout:
            verdict = json.loads(line)
            mutant = {name: value for name, value in mutants[verdict.pop("number")].items() if name != "source"}
            one = replace(Tried(area.name, **mutant, result=""), **verdict)
            _say(one)
            yield one
    if trial.returncode:
        raise SystemExit(f"The trials of {area.name} ended early (exit {trial.returncode}).")


def _present(tests: Sequence[str], tree: Path) -> list[str]:
    missing = [test for test in tests if not (tree / test.partition("::")[0]).exists()]
    if missing:
        raise SystemExit(f"scripts/mutants/table.py names tests that do not exist: {', '.join(missing)}")
    return list(tests)


def _environment(tree: Path) -> dict[str, str]:
    """The copy's packages before those of the checkout."""
    sources = [str(path) for path in sorted(tree.glob("*/src")) + sorted(tree.glob("*/*/src"))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tree), *sources]), "PYTHONHASHSEED": "0"}


def _say(one: Tried) -> None:
    print(f"{one.result:9} {one.seconds:6.1f} s {one.path}:{one.line} {one.function} {one.by}", file=sys.stderr)
    if one.result == "survived":
        print(one.diff, file=sys.stderr)


def _commit() -> str:
    told = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return told.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
