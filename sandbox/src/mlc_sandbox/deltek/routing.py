"""Paths of the tenant: two roots, names without letter case, keys with their letter case kept.

A path is taken apart before it is percent-decoded, so that a key may hold a slash or the `%7C` between batch and
entry. What exists only under `vision/` gives 404 under `api/`. It must never know what a handler does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from mlc_sandbox.deltek import refusals
from mlc_sandbox.deltek.wire import Answer

if TYPE_CHECKING:
    from mlc_sandbox.deltek.calls import Call

Handler = Callable[["Call"], Answer]
_PARAMETER = "{}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path; `area` is the right that the user's role needs ("" = none but a token)."""

    template: str
    handler: Handler
    area: str
    needs_token: bool


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    methods: dict[str, Endpoint] = field(default_factory=dict)


class Router:
    """Finds the endpoint of a path below the tenant's prefix."""

    def __init__(self) -> None:
        self._top = _Node()

    def add(self, method: str, path: str, handler: Handler, *, area: str = "", needs_token: bool = True) -> None:
        """Register `api/firm/{ClientID}` or the like; parameters are whole segments."""
        node = self._top
        for part in path.split("/"):
            name = _PARAMETER if part.startswith("{") else part.lower()
            node = node.children.setdefault(name, _Node())
        node.methods[method] = Endpoint(path, handler, area, needs_token)

    def find(self, method: str, raw_path: str) -> tuple[Endpoint, list[str]]:
        """The endpoint of a method and a raw (still encoded) path, with the values of its parameters in order.

        Raises:
            Refusal: 404 for no such path under this root, 405 for another method.
        """
        values: list[str] = []
        node = self._walk(raw_path, values)
        if node is None or not node.methods:
            raise refusals.no_resource()
        if method not in node.methods:
            raise refusals.wrong_method(method)
        return node.methods[method], values

    def template_of(self, path: str) -> str:
        """The path with its keys replaced by their names, for counting."""
        node = self._walk(path, [])
        if node is None or not node.methods:
            return "(unknown)"
        return next(iter(node.methods.values())).template

    def _walk(self, raw_path: str, values: list[str]) -> _Node | None:
        parts = raw_path.split("/")
        if parts and parts[-1] == "":
            parts.pop()
        node: _Node | None = self._top
        for part in parts:
            if node is None:
                return None
            name = unquote(part)
            literal = node.children.get(name.lower())
            if literal is None and name:
                values.append(name)
                literal = node.children.get(_PARAMETER)
            node = literal
        return node
