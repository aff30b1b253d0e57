"""Puts one tenant together: state, vendor paths, faults, limits and the control API, as one ASGI app.

`app.state` holds what tests in the same process may look at: `tenant`, `ledger`, `api`, `faults`, `clock`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from mlc_sandbox.clock import SandboxClock
from mlc_sandbox.control import control_routes
from mlc_sandbox.deltek import entry, firms, ledger_reading, masterdata, posting, projects, settings
from mlc_sandbox.deltek.api import VendorApi
from mlc_sandbox.deltek.config import Config
from mlc_sandbox.deltek.control import extra_routes
from mlc_sandbox.deltek.dump import dump
from mlc_sandbox.deltek.limits import Concurrency
from mlc_sandbox.deltek.routing import Router
from mlc_sandbox.deltek.seed import seed
from mlc_sandbox.deltek.tenant import Tenant
from mlc_sandbox.deltek.wire import Answer
from mlc_sandbox.faults import FaultMiddleware, FaultPlan


def create_app(config: Mapping[str, Any] | None = None) -> Starlette:
    """Build a tenant from the settings of `config.Config`.

    Raises:
        ValueError: a setting is unknown or has an impossible value.
    """
    settings_ = Config.from_dict(config)
    clock = SandboxClock(datetime.fromisoformat(settings_.start) if settings_.start else None)
    tenant = Tenant(settings_, clock)
    seed(tenant)
    api = VendorApi(tenant, _router())
    plan = FaultPlan(template=api.template_of)

    def truth() -> dict[str, Any]:
        calls: Counter[str] = Counter()
        for (method, template), count in plan.calls.items():
            calls[f"{method} {template}"] += count
        return dump(tenant, dict(sorted(calls.items())), api.concurrency)

    app = Starlette(
        routes=[*control_routes(plan, clock, truth, extra_routes(api)), Mount("/", app=api)],
        middleware=[
            Middleware(Concurrency, count=api.concurrency),
            Middleware(FaultMiddleware, plan=plan, clock=clock),
        ],
    )
    app.state.tenant, app.state.ledger, app.state.api = tenant, tenant.ledger, api
    app.state.faults, app.state.clock = plan, clock
    return app


def _router() -> Router:
    router = Router()
    router.add("POST", "api/token", _never, needs_token=False)
    for module in (firms, projects, masterdata, settings, entry, posting, ledger_reading):
        module.add_routes(router)
    return router


def _never(_: object) -> Answer:
    raise AssertionError("the token endpoint is answered before a handler is asked")
