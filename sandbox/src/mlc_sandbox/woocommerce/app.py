"""Wires one WooCommerce store as an ASGI app: REST API, control API, faults, clock. Nothing else does.

``app.state`` holds ``shop`` (with ``store`` and ``queue``), ``store``, ``faults`` and ``clock``.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from mlc_sandbox.clock import SandboxClock
from mlc_sandbox.control import control_routes
from mlc_sandbox.faults import FaultMiddleware, FaultPlan
from mlc_sandbox.woocommerce.auth import Auth
from mlc_sandbox.woocommerce.catalogue_api import CatalogueApi
from mlc_sandbox.woocommerce.dump import dump
from mlc_sandbox.woocommerce.fixture import fill
from mlc_sandbox.woocommerce.order_api import OrderApi
from mlc_sandbox.woocommerce.rest import Rest
from mlc_sandbox.woocommerce.settings import read_settings
from mlc_sandbox.woocommerce.shop import Shop
from mlc_sandbox.woocommerce.shopper_api import ShopperApi
from mlc_sandbox.woocommerce.store_api import StoreApi

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
NOT_LISTENING = "http://sandbox.test"


def create_app(config: Mapping[str, Any] | None = None) -> Starlette:
    """A store with its own state.

    Args:
        config: Fields of ``StoreSettings``; ``{"scheme": "http"}`` = WordPress sees no HTTPS, so only OAuth works.

    Raises:
        ValueError: a setting is unknown.
    """
    settings = read_settings(config)
    clock = SandboxClock(datetime.fromisoformat(settings.start) if settings.start else None)
    plan = FaultPlan()

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await shop.queue.close()

    def listening_at() -> str:
        return str(getattr(app.state, "url", NOT_LISTENING))

    shop = Shop(settings, clock, listening_at)
    if settings.fixture == "default":
        fill(shop)
    app = Starlette(
        routes=[
            *control_routes(plan, clock, lambda: dump(shop), ShopperApi(shop).routes()),
            Route("/{path:path}", _rest(shop).serve, methods=METHODS),
        ],
        middleware=[Middleware(FaultMiddleware, plan=plan, clock=clock)],
        lifespan=lifespan,
    )
    app.state.shop, app.state.store = shop, shop.store
    app.state.faults, app.state.clock = plan, clock
    return app


def _rest(shop: Shop) -> Rest:
    catalogue = CatalogueApi(
        shop.store,
        products=shop.products,
        customers=shop.customers,
        coupons=shop.coupons,
        tax_rates=shop.tax_rates,
    )
    of_store = StoreApi(shop.store, shop.queue)
    named = {**OrderApi(shop.store, shop.orders).endpoints(), **catalogue.endpoints(), **of_store.endpoints()}
    endpoints = {f"wp-json/wc/v3/{path}": endpoint for path, endpoint in named.items()}
    return Rest(shop.store, Auth(shop.store), endpoints | of_store.roots(), shop.queue.take_events)
