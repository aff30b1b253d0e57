"""Secrets that tests plant, and the proof that no log shows one: a pytest plugin.

Whoever gives a secret to a process under test plants it. At the end of the run every log file of the run, and whatever
a test printed or logged, is searched for all of them, as they are and as they travel (percent-encoded, in base64); one
hit fails the run. Vault keys are found by themselves. A finding names the place and never shows the secret.
Rule: design `reliability.md`, security points.
"""

from __future__ import annotations

import base64
import mmap
import re
import secrets as randomness
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

PREFIX = "planted-"
_SHORTEST = 8
_KEY_LINE = re.compile(r"^\s*[\w.-]+:([A-Za-z0-9+/]{43}=)\s*$", re.MULTILINE)
_XDIST = "mlc_planted"


@dataclass
class Registry:
    """What was planted in this process, and what was found.

    Attributes:
        known: Secret to what it is.
        findings: One sentence each, without the secret.
    """

    known: dict[str, str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    def plant(self, secret: str, what: str) -> None:
        """Look for this secret at the end, and in what tests print from now on."""
        if len(secret) < _SHORTEST:
            raise ValueError(f"{what} is too short to be told from other text; take {_SHORTEST} characters or more")
        self.known.setdefault(secret, what)

    def search(self, text: bytes | mmap.mmap, where: str) -> None:
        """Note each secret that is in the text."""
        for secret, what in self.known.items():
            if any(text.find(form) >= 0 for form in forms(secret)):
                self.findings.append(f"{what} is in {where}")

    def search_folder(self, folder: Path) -> int:
        """Note each secret that is in a log file of a folder; how many files there were."""
        for path in _files(folder, "*.key*"):
            for key in _KEY_LINE.findall(path.read_text(errors="replace")):
                self.plant(key, f"the vault key of {path.relative_to(folder)}")
        logs = [path for path in _files(folder, "*.log") if path.stat().st_size]
        for path in logs:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
                self.search(text, str(path.relative_to(folder)))
        return len(logs)


_registry = Registry()


def planted(secret: str | None = None, *, what: str = "a secret") -> str:
    """A secret that no log may show.

    Args:
        secret: The secret; a new one, with a prefix that tells it, without.
        what: What it is, for whoever reads the finding.
    """
    secret = PREFIX + randomness.token_hex(16) if secret is None else secret
    _registry.plant(secret, what)
    return secret


def search(text: bytes, where: str) -> None:
    """Fail the run if a secret is in this text, which is in no file: an event, a page of metrics."""
    _registry.search(text, where)


def plant_address(address: str, *, what: str = "the password of an address") -> str:
    """An address whose password no log may show; without one, nothing is planted."""
    if password := urlsplit(address).password:
        planted(password, what=what)
    return address


def forms(secret: str) -> set[bytes]:
    """The secret as it is, percent-encoded, and as a part of something in base64 (three ways, by where it begins)."""
    plain = secret.encode()
    found = {plain, quote(secret, safe="").encode()}
    for offset in range(3):
        # Of the first and the last group of four characters, a part comes from what stands before and behind.
        whole = base64.b64encode(b"\0" * offset + plain)
        inner = whole[4 if offset else 0 : len(whole) // 4 * 4 - 4]
        if len(inner) >= _SHORTEST:
            found.add(inner)
    return found


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    """Files, and no links: pytest links the newest folder of each name."""
    for path in sorted(folder.rglob(pattern)):
        if path.is_file() and not path.is_symlink():
            yield path


@pytest.fixture(name="planted", scope="session")
def _planted() -> Any:
    """The function of that name."""
    return planted


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Any:
    """Search what a test, or its fixtures, printed and logged."""
    report = yield
    for name, text in report.sections:
        _registry.search(text.encode("utf-8", "replace"), f"{name} of {report.nodeid}")
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker of pytest-xdist has planted and found."""
    told = getattr(node, "workeroutput", {}).get(_XDIST, {})
    _registry.known |= told.get("known", {})
    _registry.findings += told.get("findings", [])


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Search the logs of the run; a worker leaves that to the process that a person started."""
    told = getattr(session.config, "workeroutput", None)
    if told is not None:
        told[_XDIST] = {"known": dict(_registry.known), "findings": list(_registry.findings)}
        return
    for folder in _folders(session.config):
        _registry.search_folder(folder)
    if _registry.findings and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _folders(config: pytest.Config) -> Iterable[Path]:
    """Where tests write: that of this process; those of workers are in it."""
    factory: pytest.TempPathFactory | None = getattr(config, "_tmp_path_factory", None)
    return [] if factory is None else [factory.getbasetemp()]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was found."""
    if not _registry.findings:
        return
    terminalreporter.section("secrets in logs", red=True, bold=True)
    for finding in sorted(set(_registry.findings)):
        terminalreporter.line(finding)
    terminalreporter.line("A secret that a test planted must be in no log: redact the line that shows it.")
