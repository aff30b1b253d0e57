"""The trials of one area: everything is imported once, then each mutant gets a process of its own and the tests.

Run as `python -m scripts.mutants.trial ORDER` in the copy of the tree; ORDER is a file with the mutants, and each
verdict is a line of JSON on stdout. Test modules are imported before any mutant is: what they make when imported is
made by sound code, as the keys in a real ledger are.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from scripts.mutants.transplant import transplant

PRELOADED = ("hypothesis", "pytest_asyncio.plugin", "xdist.plugin", "mlc_localstack.pytest_plugin", "structlog.testing")
QUIET = (
    "-x", "-q", "-n0", "-p", "no:cacheprovider", "-p", "no:schemathesis", "-m", "not kafka and not crash",
    "-W", "ignore::pytest.PytestAssertRewriteWarning",
)  # fmt: skip
EXAMPLES = 15
"""How many examples a property gets here, always the same ones."""

_UNCHANGED = 90


class Watcher:
    """A pytest plugin: fewer examples for properties, and which test failed first."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def pytest_collection_modifyitems(self, items: Sequence[pytest.Item]) -> None:
        """The same few examples in each trial: a verdict must not depend on luck."""
        for item in items:
            function: Any = getattr(item, "obj", None)
            own: settings | None = getattr(function, "_hypothesis_internal_use_settings", None)
            if own is not None:
                target = getattr(function, "__func__", function)
                target._hypothesis_internal_use_settings = settings(
                    own,
                    max_examples=min(own.max_examples, EXAMPLES),
                    derandomize=True,
                    database=None,
                    phases=(Phase.explicit, Phase.generate),  # that a test fails is enough; nobody reads the example
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                )

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tell which test noticed."""
        if report.failed:
            self._tell(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Tell which file could not even be read."""
        if report.failed:
            self._tell(report.nodeid)


@dataclass(frozen=True)
class Verdict:
    """How a trial ended: survived, killed, timed out, or same (the interpreter sees no difference)."""

    result: str
    by: str = ""
    seconds: float = 0.0


def in_a_process(act: Callable[[Callable[[str], None]], int], *, wall_s: float, cpu_s: float) -> tuple[int | None, str]:
    """Run something in a fork of this process, silently.

    Returns:
        Its exit code (None when it took too long), and what it told first.
    """
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        _be_a_child(act, writable, cpu_s)
    os.close(writable)
    ended = os.pidfd_open(child)
    try:
        in_time = bool(select.select([ended], [], [], wall_s)[0])
        _end_group(child)
        _, status = os.waitpid(child, 0)
        with os.fdopen(readable, "r", errors="replace") as told:
            first = told.readline().strip()
    finally:
        os.close(ended)
    code = os.waitstatus_to_exitcode(status)
    return (None if not in_time or code == -signal.SIGXCPU else code), first


def _be_a_child(act: Callable[[Callable[[str], None]], int], writable: int, cpu_s: float) -> None:
    code = 1
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        resource.setrlimit(resource.RLIMIT_CPU, (int(cpu_s) + 1, int(cpu_s) + 5))
        code = act(lambda text: (os.write(writable, f"{text}\n".encode()), None)[1])
    except BaseException:
        os.write(writable, traceback.format_exc().replace("\n", " | ").encode() + b"\n")
    finally:
        os._exit(code)


def _end_group(child: int) -> None:
    """Whatever the tests left running belongs to the child's own process group."""
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)


@dataclass(frozen=True)
class Court:
    """Tries mutants against the tests of one area."""

    tests: Sequence[str]
    wall_s: float = 1800.0
    cpu_s: float = 600.0

    def measured(self) -> Court:
        """Try sound code first: it must pass, and says how long is too long.

        Raises:
            SystemExit: the tests fail without any mutant.
        """
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        code, told = in_a_process(self._test, wall_s=self.wall_s, cpu_s=self.cpu_s)
        if code != 0:
            raise SystemExit(f"The tests fail without any mutant (exit {code}): {told}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return replace(self, wall_s=30 + 3 * (time.monotonic() - started), cpu_s=10 + 3 * cpu_s)

    def judge(self, module: str, source: str) -> Verdict:
        """Try one mutant."""

        def act(tell: Callable[[str], None]) -> int:
            try:
                if not transplant(importlib.import_module(module), source):
                    return _UNCHANGED
            except Exception as error:
                tell(f"import: {error!r}")
                return 1
            return self._test(tell)

        started = time.monotonic()
        code, told = in_a_process(act, wall_s=self.wall_s, cpu_s=self.cpu_s)
        names = {None: "timed out", 0: "survived", _UNCHANGED: "same"}
        return Verdict(names.get(code, "killed"), told, time.monotonic() - started)

    def collect(self) -> None:
        """Import the test modules here, once; without a word, for stdout belongs to the verdicts."""
        kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        try:
            code = pytest.main([*QUIET, "--collect-only", *self.tests])
        finally:
            os.dup2(kept, 1)
            os.close(kept)
            os.close(nowhere)
        if code != 0:
            raise SystemExit(f"The tests cannot be collected (exit {code}).")

    def _test(self, tell: Callable[[str], None]) -> int:
        return int(pytest.main([*QUIET, *self.tests], plugins=[Watcher(tell)]))


def module_name(path: str) -> str:
    """What Python calls the module of a path below some ``src``."""
    return path.partition("/src/")[2].removesuffix(".py").replace("/", ".")


@contextmanager
def _postgres(wanted: bool) -> Iterator[None]:
    """One server for all trials, each of which makes databases of its own in it."""
    if not wanted:
        yield
        return
    from mlc_localstack import LocalStack
    from mlc_localstack.stack import POSTGRES_VARIABLE

    stack = LocalStack(Path("stack"), durable=False, environment={})
    stack.postgres.start()
    os.environ[POSTGRES_VARIABLE] = stack.dsn
    try:
        yield
    finally:
        stack.destroy()


def main(order: Path) -> None:
    """Try every mutant of the order and print each verdict as a line of JSON."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server ends with us
    asked = json.loads(order.read_text(encoding="utf-8"))
    for name in (*PRELOADED, *{module_name(mutant["path"]) for mutant in asked["mutants"]}):
        importlib.import_module(name)
    with _postgres(asked["postgres"]):
        court = Court(tuple(asked["tests"]))
        court.collect()
        gc.collect()
        gc.freeze()
        court = court.measured()
        for number, mutant in enumerate(asked["mutants"]):
            verdict = court.judge(module_name(mutant["path"]), mutant["source"])
            told = {"number": number, "result": verdict.result, "by": verdict.by, "seconds": round(verdict.seconds, 2)}
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
