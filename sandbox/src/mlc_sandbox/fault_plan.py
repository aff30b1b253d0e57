"""Faults on demand: what a network, a host or a vendor's server does to one call, chosen by a test.

A fault names which calls it hits (method, path, text of the body), how many, and what happens to them. The middleware
sits around a vendor's whole app; the control paths under ``/_sandbox/`` are never hit. ``cut_*`` closes the TCP
connection itself: the client sees a reset, never a tidy 500.

Kinds and their parameters (all optional):
  delay          seconds: wait first, then go on (several delays add up; other faults still apply)
  status         status, body, headers, content_type: answer this, no effect
  cut_before     close the connection, no effect, no answer
  cut_after      do it, then close the connection without an answer
  cut_during     do it, answer half of the body, then close the connection
  hang_before    no effect, no answer until the client goes away
  hang_after     do it, then no answer until the client goes away
  late_commit    seconds: close the connection now (then: "cut", "hang", or "status" + status), do it that much later
  replace_body   do it, answer body (or body_base64, or prefix + the real body) with status (default 200)
  strip_headers  headers (list of names): do it as if the client had not sent them (a host that eats Authorization)
  stale_get      the first matching GET of each URL is answered and kept, later ones get the kept answer (a page cache)
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

KINDS = frozenset(
    {"delay", "status", "cut_before", "cut_after", "cut_during", "hang_before", "hang_after", "late_commit"}
    | {"replace_body", "strip_headers", "stale_get"}
)
PARAMETERS = frozenset({"seconds", "status", "body", "body_base64", "headers", "content_type", "then", "prefix"})
ALWAYS = -1
NUMBER = re.compile(r"(?<=/)\d+(?=/|$)")


@dataclass(frozen=True)
class Fault:
    """One planned fault.

    Args:
        id: Given by the plan.
        kind: One of ``KINDS``.
        method: The HTTP method it hits; empty = every one.
        path: A regular expression searched in ``path?query``.
        body: Text that the request's body must hold; empty = any.
        times: How many matching calls it hits; -1 = all.
        skip: How many matching calls pass before the first hit.
        parameters: What the kind needs, see the module's docstring.
    """

    id: int
    kind: str
    method: str = ""
    path: re.Pattern[str] = field(default_factory=lambda: re.compile(""))
    body: bytes = b""
    times: int = 1
    skip: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def matches(self, method: str, target: str, body: bytes) -> bool:
        """Whether a call is one that this fault looks at."""
        return (
            (not self.method or self.method == method)
            and self.path.search(target) is not None
            and (not self.body or self.body in body)
        )

    def describe(self) -> dict[str, Any]:
        """The fault as the control API shows it."""
        match = {"method": self.method, "path": self.path.pattern, "body": self.body.decode()}
        return {
            "id": self.id,
            "kind": self.kind,
            "match": match,
            "times": self.times,
            "skip": self.skip,
            **self.parameters,
        }


def template_of(path: str) -> str:
    """The path with numbers replaced, so that calls of one route count together."""
    return NUMBER.sub("{id}", path)


class FaultPlan:
    """The faults in force, how often each was met, and the calls that were counted.

    Args:
        template: How a path is shortened before it is counted.
    """

    def __init__(self, template: Callable[[str], str] = template_of) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.background: set[asyncio.Task[None]] = set()
        self.template = template
        self._faults: dict[int, Fault] = {}
        self._seen: Counter[int] = Counter()
        self._hits: Counter[int] = Counter()
        self._last_id = 0

    def add(self, spec: Mapping[str, Any]) -> int:
        """Plan a fault and return its id.

        Args:
            spec: ``{"match": {"method", "path", "body"}, "kind", "times", "skip", …parameters}``; method and path may
                also stand beside ``kind``.

        Raises:
            ValueError: the kind or a key is unknown, or the path is no regular expression.
        """
        self._last_id += 1
        self._faults[self._last_id] = _parse(self._last_id, dict(spec))
        return self._last_id

    def remove(self, fault_id: int) -> bool:
        """Take one fault out; False when there is none of this id."""
        return self._faults.pop(fault_id, None) is not None

    def clear(self) -> None:
        """Take all faults out."""
        self._faults.clear()

    def list(self) -> list[dict[str, Any]]:
        """All faults with the number of calls they hit, in the order they apply."""
        return [{**fault.describe(), "hits": self._hits[fault.id]} for fault in self._faults.values()]

    @property
    def active(self) -> bool:
        """Whether any fault is planned (the quick way past this module)."""
        return bool(self._faults)

    def due(self, method: str, target: str, body: bytes) -> Sequence[Fault]:
        """The faults that hit this call: all delays, up to and including the first of another kind."""
        hit = []
        for fault in list(self._faults.values()):
            if not fault.matches(method, target, body):
                continue
            self._seen[fault.id] += 1
            if self._seen[fault.id] <= fault.skip or self._hits[fault.id] >= fault.times != ALWAYS:
                continue
            self._hits[fault.id] += 1
            hit.append(fault)
            if fault.kind != "delay":
                break
        return hit

    def run_later(self, work: Coroutine[Any, Any, None]) -> None:
        """Keep a task that outlives its call (a late commit)."""
        task = asyncio.create_task(work)
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    async def settle(self) -> None:
        """Wait until no late effect is outstanding."""
        while self.background:
            await asyncio.wait(set(self.background))

    async def close(self) -> None:
        """Drop late effects that have not happened, at the server's end."""
        for task in list(self.background):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _parse(fault_id: int, spec: dict[str, Any]) -> Fault:
    match = dict(spec.pop("match", {}))
    match.setdefault("method", spec.pop("method", ""))
    match.setdefault("path", spec.pop("path", ""))
    kind = spec.pop("kind", "")
    times, skip = int(spec.pop("times", 1)), int(spec.pop("skip", 0))
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; use one of {', '.join(sorted(KINDS))}")
    unknown = (set(spec) - PARAMETERS) | (set(match) - {"method", "path", "body"})
    if unknown:
        raise ValueError(f"unknown keys {', '.join(sorted(unknown))}; use {', '.join(sorted(PARAMETERS))}")
    try:
        path = re.compile(match["path"])
    except re.error as error:
        raise ValueError(f"the path is no regular expression: {error}") from None
    return Fault(
        fault_id, kind, match["method"].upper(), path, str(match.get("body", "")).encode(), times, skip, _checked(spec)
    )


def _checked(parameters: dict[str, Any]) -> dict[str, Any]:
    if "body_base64" in parameters:
        base64.b64decode(parameters["body_base64"], validate=True)
    if "seconds" in parameters:
        float(parameters["seconds"])
    return parameters
