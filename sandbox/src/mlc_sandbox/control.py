"""The control API every sandbox has under ``/_sandbox/``: health, faults, clock, call counts and the dump for tests.

It is not part of the vendor's system: its calls are never counted and never hit by faults. The dump is the truth that
tests compare with, so it is made from the server's own tables, never from what it answered.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from mlc_sandbox.clock import SandboxClock
from mlc_sandbox.faults import CONTROL_PREFIX, FaultPlan

Handler = Callable[[Request], Awaitable[Response]]


class BadControl(Exception):  # noqa: N818 - an answer to the caller, not a fault of the server
    """A control request that makes no sense; answered 400 with the message."""


def json_answer(value: Any, status: int = 200) -> Response:
    """An answer of the control API; Decimals and instants are written as strings."""
    return Response(json.dumps(value, default=_plain), status, media_type="application/json")


async def json_body(request: Request) -> dict[str, Any]:
    """The object in a control request's body; empty = {}.

    Raises:
        BadControl: not JSON, or not an object.
    """
    raw = await request.body()
    try:
        value = json.loads(raw, parse_float=Decimal) if raw else {}
    except ValueError as error:
        raise BadControl(f"the body must be JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadControl("the body must be a JSON object")
    return value


def guarded(handler: Handler) -> Handler:
    """Answer 400 with the reason where a control request makes no sense."""

    @functools.wraps(handler)
    async def guard(request: Request) -> Response:
        try:
            return await handler(request)
        except (BadControl, ValueError) as error:
            return json_answer({"error": str(error)}, 400)
        except KeyError as error:
            return json_answer({"error": f"no such thing, or missing: {error}"}, 404)

    return guard


def control_routes(
    plan: FaultPlan, clock: SandboxClock, dump: Callable[[], dict[str, Any]], extra: Sequence[Route] = ()
) -> list[BaseRoute]:
    """The routes under ``/_sandbox/``.

    Args:
        plan: The faults of this sandbox.
        clock: Its clock.
        dump: The whole truth of its tables, as JSON-able values.
        extra: Routes of one vendor (acting as the shopper, …), relative to ``/_sandbox``.
    """
    control = _Control(plan, clock, dump)
    routes = [
        Route("/health", control.health),
        Route("/faults", guarded(control.faults), methods=["GET", "POST", "DELETE"]),
        Route("/faults/{fault_id:int}", control.fault, methods=["DELETE"]),
        Route("/clock", guarded(control.time), methods=["GET", "POST"]),
        Route("/dump", control.truth),
        Route("/calls", control.calls, methods=["GET", "DELETE"]),
    ]
    return [Mount(CONTROL_PREFIX, routes=[*routes, *extra])]


class _Control:
    def __init__(self, plan: FaultPlan, clock: SandboxClock, dump: Callable[[], dict[str, Any]]) -> None:
        self.plan = plan
        self.clock = clock
        self.dump = dump

    async def health(self, _: Request) -> Response:
        return json_answer({"status": "ok", "now": self.clock.now().isoformat()})

    async def faults(self, request: Request) -> Response:
        if request.method == "POST":
            return json_answer({"id": self.plan.add(await json_body(request))}, 201)
        if request.method == "DELETE":
            self.plan.clear()
        return json_answer({"faults": self.plan.list(), "late_effects": len(self.plan.background)})

    async def fault(self, request: Request) -> Response:
        removed = self.plan.remove(request.path_params["fault_id"])
        return json_answer({"removed": removed}, 200 if removed else 404)

    async def time(self, request: Request) -> Response:
        if request.method == "POST":
            self._move(await json_body(request))
        return json_answer({"now": self.clock.now().isoformat(), "frozen": self.clock.frozen})

    def _move(self, wish: dict[str, Any]) -> None:
        if set(wish) - {"advance", "set", "freeze"} or not wish:
            raise BadControl('send {"advance": seconds}, {"set": instant} or {"freeze": instant or null}')
        if "set" in wish:
            self.clock.set(datetime.fromisoformat(wish["set"]))
        if "freeze" in wish:
            self.clock.freeze(datetime.fromisoformat(wish["freeze"]) if wish["freeze"] else None)
        if "advance" in wish:
            self.clock.advance(float(wish["advance"]))

    async def truth(self, _: Request) -> Response:
        return json_answer(self.dump())

    async def calls(self, request: Request) -> Response:
        counted = [{"method": m, "path": p, "count": n} for (m, p), n in sorted(self.plan.calls.items())]
        if request.method == "DELETE":
            self.plan.calls.clear()
        return json_answer({"total": sum(call["count"] for call in counted), "calls": counted})


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
