"""What may be wrong: mutmut's mutations of a module's functions, and ours of its SQL.

mutmut's own visitor decides what is worth mutating. Two differences: properties are mutated too (their code is replaced
in place here, so that a decorator does no harm), and calls that only tell operators something (log lines) or that stand
for a crash are left alone, because no promise rests on them.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import Mutation, MutationVisitor, deep_replace
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode
from scripts.mutants.sql import operator_sql

_UNPROMISED = {"_log", "crash"}


@dataclass(frozen=True)
class Mutant:
    """One wrong version of a module."""

    path: str
    function: str
    line: int
    diff: str
    source: str


@dataclass(frozen=True)
class Candidates:
    """All mutations of a module; the text of one is made when it is asked for, which takes a moment."""

    path: str
    text: str
    module: cst.Module
    mutations: Sequence[tuple[Mutation, int]]

    def __len__(self) -> int:
        return len(self.mutations)

    def mutant(self, number: int) -> Mutant:
        """The mutant of this number."""
        mutation, line = self.mutations[number]
        changed = deep_replace(self.module, mutation.original_node, mutation.mutated_node)
        assert isinstance(changed, cst.Module)
        inside = mutation.contained_by_top_level_function
        name = inside.name.value if isinstance(inside, cst.FunctionDef) else ""
        diff = difflib.unified_diff(self.text.splitlines(), changed.code.splitlines(), lineterm="", n=0)
        told = [part for part in diff if part[:1] in "+-" and part[:3] not in ("+++", "---")]
        return Mutant(self.path, name, line, "\n".join(told), changed.code)


class _Visitor(MutationVisitor):  # type: ignore[misc] # mutmut is not installed where mypy looks
    def __init__(self) -> None:
        super().__init__([*mutation_operators, (cst.BaseString, operator_sql)], IgnoredCode(set(), set(), set()))
        self.lines: list[int] = []

    def _create_mutations(self, node: cst.CSTNode) -> None:
        super()._create_mutations(node)
        position = self.get_metadata(PositionProvider, node, None)
        line = position.start.line if position is not None else 0
        self.lines += [line] * (len(self.mutations) - len(self.lines))

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
            on = node.func.value
            if isinstance(on, cst.Name) and on.value in _UNPROMISED:
                return True
        if isinstance(node, cst.FunctionDef) and [_name(one) for one in node.decorators] == ["property"]:
            return False
        return bool(super()._skip_node_and_children(node))


def _name(decorator: cst.Decorator) -> str:
    return decorator.decorator.value if isinstance(decorator.decorator, cst.Name) else ""


def candidates(path: str, text: str) -> Candidates:
    """All mutations of a module's functions and of its SQL."""
    visitor = _Visitor()
    module = MetadataWrapper(cst.parse_module(text)).visit(visitor)
    mutations = [
        (mutation, line)
        for mutation, line in zip(visitor.mutations, visitor.lines, strict=True)
        if isinstance(mutation.contained_by_top_level_function, cst.FunctionDef) or _is_sql(mutation)
    ]
    return Candidates(path, text, module, mutations)


def _is_sql(mutation: Mutation) -> bool:
    """SQL stands in constants of the module as well; nothing else outside of functions is mutated."""
    node = mutation.original_node
    return isinstance(node, cst.SimpleString) and any(True for _ in operator_sql(node))
