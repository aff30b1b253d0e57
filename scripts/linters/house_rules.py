"""The rules of this house that no common linter knows; run by `make lint`, each with its reason in the message.

1. FastStream appears in app.py and mlc_common/log alone, and every subscriber acknowledges by hand: FastStream would
   acknowledge first, and a crash would lose the message.
2. SQL stands in modules named store.py and in mlc_common/store alone.
3. Time is injected: nobody but the clock asks the machine for it.
4. Whoever defines `decide` or `evolve`, and money, accounting and events, does no I/O: replay rests on it.
5. A helper lives where its noun lives: no utils.py, no helpers.py.
6. Every client of Kafka is made with what mlc_common.log.access makes of the address: it knows how to sign in.

Reads source only; imports nothing that it checks.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("libs/*/src/**/*.py", "services/*/src/**/*.py", "sandbox/src/**/*.py", "benchmarks/**/*.py")

SQL = re.compile(
    r"\s*(?:--[^\n]*\n\s*)*"
    r"(?:select\s.+\sfrom\s|select\s+(?:pg_|set_config|nextval)|insert\s+into\s|update\s+[\w.\"]+\s+(?:as\s+\w+\s+)?set\s"
    r"|delete\s+from\s|with\s+(?:recursive\s+)?\w+\s+as\s*(?:materialized\s*)?\(|truncate\s+\w"
    r"|(?:create|alter|drop)\s+(?:unlogged\s+)?(?:table|index|unique\s+index|type|schema|database|sequence|view)\s"
    r"|lock\s+table\s|(?:un)?listen\s+\w+$|notify\s+\w+)",
    re.IGNORECASE | re.DOTALL,
)
SQL_PLACES = ("mlc_common/store/", "mlc_localstack/", "mlc_sandbox/", "benchmarks/")
ASKS_THE_MACHINE = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "time_ns"),
}
IO_MODULES = {"aiokafka", "aiohttp", "asyncio", "asyncpg", "faststream", "httpx", "os", "random", "requests", "socket"}
PURE_PACKAGES = ("mlc_common/money/", "mlc_common/accounting/", "mlc_common/events/")
KAFKA_CLIENTS = {"AIOKafkaProducer", "AIOKafkaConsumer", "AIOKafkaAdminClient", "KafkaBroker"}
PURE_FUNCTIONS = {"decide", "evolve"}


@dataclass(frozen=True, order=True)
class Finding:
    """One line that breaks a rule."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Module:
    """One source file, read and parsed."""

    path: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rpartition("/")[2]

    def within(self, *places: str) -> bool:
        """Whether the file lies in one of these folders, given as parts of its path."""
        return any(place in self.path for place in places)


Rule = Callable[[Module], Iterator[tuple[int, str]]]


def faststream_at_the_edge(module: Module) -> Iterator[tuple[int, str]]:
    """Rule 1, first half."""
    if module.name == "app.py" or module.within("mlc_common/log/"):
        return
    for line, imported in imports(module.tree):
        if imported == "faststream":
            yield line, "FastStream belongs into app.py and mlc_common/log: make this a function over values"


def acknowledged_by_hand(module: Module) -> Iterator[tuple[int, str]]:
    """Rule 1, second half."""
    for call in calls(module.tree):
        if not isinstance(call.func, ast.Attribute) or call.func.attr != "subscriber":
            continue
        policies = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "ack_policy"]
        if policies not in (["AckPolicy.MANUAL"], ["faststream.AckPolicy.MANUAL"]):
            yield call.lineno, "name ack_policy=AckPolicy.MANUAL: FastStream acknowledges before the work is done"


def sql_in_stores(module: Module) -> Iterator[tuple[int, str]]:
    """Rule 2."""
    if module.name == "store.py" or module.within(*SQL_PLACES):
        return
    prose = docstrings(module.tree)
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in prose:
            continue
        if SQL.match(node.value):
            yield node.lineno, "SQL belongs into a module named store.py or into mlc_common/store"


def time_is_injected(module: Module) -> Iterator[tuple[int, str]]:
    """Rule 3."""
    if module.name == "clock.py" or module.within("mlc_sandbox/", "mlc_localstack/", "benchmarks/"):
        return
    bare = names_imported_from_time(module.tree)
    for call in calls(module.tree):
        function = call.func
        if isinstance(function, ast.Attribute):
            owner = ast.unparse(function.value).rpartition(".")[2]
            asked = (owner, function.attr) in ASKS_THE_MACHINE
        else:
            asked = isinstance(function, ast.Name) and function.id in bare
        if asked:
            yield call.lineno, f"{ast.unparse(function)}() asks the machine: take a mlc_common.clock.Clock instead"


def pure_where_replay_rests_on_it(module: Module) -> Iterator[tuple[int, str]]:
    """Rule 4."""
    defined = {node.name for node in module.tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    if not defined & PURE_FUNCTIONS and not module.within(*PURE_PACKAGES):
        return
    for line, imported in imports(module.tree):
        if imported in IO_MODULES:
            yield line, f"{imported} is I/O or chance, and this module is replayed: take what it gives as an argument"
    for node in module.tree.body:
        if isinstance(node, ast.AsyncFunctionDef) and node.name in PURE_FUNCTIONS:
            yield node.lineno, f"{node.name} waits for nothing: make it a plain function"


def helpers_live_with_their_noun(module: Module) -> Iterator[tuple[int, str]]:
    """Rule 5."""
    if module.name in {"utils.py", "util.py", "helpers.py", "helper.py", "misc.py", "common.py"}:
        yield 1, f"{module.name} says nothing: move each function to the module of the noun that it serves"


def kafka_clients_sign_in(module: Module) -> Iterator[tuple[int, str]]:
    """Rule 6."""
    if not module.within("libs/common/src/", "services/") or module.within("/tests/"):
        return
    for call in calls(module.tree):
        made = [call.func, *call.args[:1]]  # itself, or by way of functools.partial
        if not KAFKA_CLIENTS & {ast.unparse(node).rpartition(".")[2] for node in made}:
            continue
        told = {ast.unparse(keyword.value).partition("(")[0].rpartition(".")[2] for keyword in call.keywords}
        if not told & {"client_options", "broker_security"}:
            yield call.lineno, "make Kafka's clients with mlc_common.log.access, or they sign in nowhere"


RULES: tuple[Rule, ...] = (
    faststream_at_the_edge,
    acknowledged_by_hand,
    sql_in_stores,
    time_is_injected,
    pure_where_replay_rests_on_it,
    helpers_live_with_their_noun,
    kafka_clients_sign_in,
)


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Every call in a file."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and top-level package of every absolute import, but those for types alone."""
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.partition(".")[0]


def names_imported_from_time(tree: ast.AST) -> set[str]:
    """The names under which `from time import time` brought the machine's time in."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "time"
        for alias in node.names
        if ("time", alias.name) in ASKS_THE_MACHINE
    }


def docstrings(tree: ast.AST) -> set[int]:
    """The identities of the strings that are prose: they stand alone as a statement."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def check(path: str, source: str) -> list[Finding]:
    """All findings in one file."""
    module = Module(path, ast.parse(source, path))
    return sorted(Finding(path, line, message) for rule in RULES for line, message in rule(module))


def main() -> int:
    """Check the whole workspace; 0 if nothing was found."""
    paths = sorted({path for pattern in SOURCES for path in ROOT.glob(pattern)})
    findings = [found for path in paths for found in check(path.relative_to(ROOT).as_posix(), path.read_text())]
    for finding in findings:
        print(finding)
    print(f"house rules: {len(paths)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
