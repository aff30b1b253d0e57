"""Each member declares what it imports, by itself or by way of a member of ours that it depends on."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEMBERS = {
    tomllib.loads(path.read_text())["project"]["name"]: path.parent
    for path in sorted([*ROOT.glob("*/*/pyproject.toml"), ROOT / "sandbox" / "pyproject.toml"])
}
ELSEWHERE = {
    ("mlc-cli", "mlc-localstack"): "the rehearsal's servers, imported where they are used: no image has them",
    ("mlc-localstack", "pytest"): "the plugins are loaded by pytest alone",
    ("mlc-localstack", "testcontainers"): "used where a Docker Engine was asked for",
}
COMPANIONS = {
    "pydantic-core": "pydantic",
    "opentelemetry-api": "opentelemetry-sdk",
    "pogo-core": "pogo-migrate",
    "aiohttp": "httpx-aiohttp",
}
"""What comes with a package and is a part of how that is used."""

BY_NAME = {"httptools", "uvloop", "tzdata"}
"""Declared for what they do when they are there; nobody imports them by a statement."""


def declared(member: str) -> set[str]:
    """What a member may import: its dependencies, and those of the members among them."""
    project = tomllib.loads((MEMBERS[member] / "pyproject.toml").read_text())["project"]
    found = set()
    for line in project.get("dependencies", []):
        name = normal(re.split(r"[\s\[<>=;!~]", line, maxsplit=1)[0])
        found |= {name, *(declared(name) if name in MEMBERS else ())}
    return found


def imported(member: str) -> Iterator[str]:
    """The top-level modules that a member's source names, but for its own and Python's."""
    for path in (MEMBERS[member] / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_declares_what_it_imports(member: str) -> None:
    distributions = packages_distributions()
    missing = set()
    for module in {name for name in imported(member) if name not in sys.stdlib_module_names}:
        ways = {normal(name) for name in distributions.get(module, [module])}
        ways |= {COMPANIONS[way] for way in ways & COMPANIONS.keys()}
        if not ways & {member, *declared(member)} and not any((member, way) in ELSEWHERE for way in ways):
            missing.add(module)
    assert missing == set()


def test_the_sandbox_declares_nothing_that_it_does_not_import() -> None:
    distributions = packages_distributions()
    used = {normal(name) for module in imported("mlc-sandbox") for name in distributions.get(module, [])}
    assert declared("mlc-sandbox") - used - BY_NAME == set()
