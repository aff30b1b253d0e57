"""The endpoints of the store itself: webhooks, settings, system status, the REST root, payment gateways.

What a connector reads when it connects: decimals, currency, tax options, version, time zone. Facts sheet §6, §10, §13.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlc_sandbox.woocommerce.batch import batch
from mlc_sandbox.woocommerce.currencies import symbol_of
from mlc_sandbox.woocommerce.delivery import Queue
from mlc_sandbox.woocommerce.errors import Refusal, no_trash
from mlc_sandbox.woocommerce.links import item_links
from mlc_sandbox.woocommerce.listing import DATES, PAGING, by_ids, in_dates, page_of, sort_dated
from mlc_sandbox.woocommerce.query import one_of
from mlc_sandbox.woocommerce.rest import Call, Endpoint, Reply, item_methods
from mlc_sandbox.woocommerce.store import Store

ALLOW_SETTING = ("GET", "POST", "PUT", "PATCH")
GENERAL = {
    "woocommerce_default_country": ("Country / State", "default_country", "select"),
    "woocommerce_calc_taxes": ("Enable taxes", "calc_taxes", "checkbox"),
    "woocommerce_currency": ("Currency", "currency", "select"),
    "woocommerce_price_num_decimals": ("Number of decimals", "decimals", "number"),
}
TAX = {
    "woocommerce_prices_include_tax": ("Prices entered with tax", "prices_include_tax", "radio"),
    "woocommerce_tax_based_on": ("Calculate tax based on", "tax_based_on", "select"),
    "woocommerce_shipping_tax_class": ("Shipping tax class", "shipping_tax_class", "select"),
    "woocommerce_tax_round_at_subtotal": ("Rounding", "round_at_subtotal", "checkbox"),
}
GROUPS = {"general": GENERAL, "tax": TAX}
DEFAULTS: dict[str, Any] = {
    "default_country": "US:CA",
    "calc_taxes": False,
    "currency": "USD",
    "decimals": 2,
    "prices_include_tax": False,
    "tax_based_on": "shipping",
    "shipping_tax_class": "inherit",
    "round_at_subtotal": False,
}
GATEWAYS = (("bacs", "Direct bank transfer"), ("cheque", "Check payments"), ("cod", "Cash on delivery"))


class StoreApi:
    """Webhooks and settings over HTTP.

    Args:
        store: The tables.
        queue: The webhooks and their queue.
    """

    def __init__(self, store: Store, queue: Queue) -> None:
        self.store = store
        self.hooks = queue.webhooks

    def endpoints(self) -> dict[str, Endpoint]:
        """All endpoints by path under the namespace."""
        settings = Endpoint(
            {"GET": self.setting, **dict.fromkeys(("POST", "PUT", "PATCH"), self.set_setting)}, ", ".join(ALLOW_SETTING)
        )
        item = item_methods(self.get_webhook, self.update_webhook, self.delete_webhook)
        schema = {**PAGING, **DATES, "status": one_of("all", "active", "paused", "disabled")}
        return {
            "webhooks": Endpoint({"GET": self.list_webhooks, "POST": self.create_webhook}, "GET, POST", schema),
            "webhooks/{id}": Endpoint(item, "GET, POST, PUT, PATCH, DELETE"),
            "webhooks/batch": batch(self._create, self._update, self._delete),
            "settings/general": Endpoint({"GET": lambda call: self._settings(call, "general")}, "GET"),
            "settings/tax": Endpoint({"GET": lambda call: self._settings(call, "tax")}, "GET"),
            "settings/general/{name}": settings,
            "settings/tax/{name}": settings,
            "system_status": Endpoint({"GET": self.system_status}, "GET"),
            "payment_gateways": Endpoint({"GET": self.gateways}, "GET"),
            "data/currencies/current": Endpoint({"GET": self.currency}, "GET"),
        }

    def roots(self) -> dict[str, Endpoint]:
        """The endpoints above the namespace: what anybody may read."""
        return {
            "wp-json": Endpoint({"GET": self.root}, "GET"),
            "wp-json/wc/v3": Endpoint({"GET": self.namespace}, "GET"),
        }

    def list_webhooks(self, call: Call) -> Reply:
        """``GET /webhooks``, newest first."""
        call.may("list")
        status = call.query.get("status", "all")
        found = [hook for hook in self.hooks.by_id.values() if status in ("all", hook.status)]
        found = in_dates(by_ids(found, call.query), call.query, self.store.settings.zone)
        page = page_of(sort_dated(found, call.query), call.query, f"{self.store.rest_url}/webhooks")
        return Reply([self.hooks.view(hook) for hook in page.items], headers=page.headers)

    def get_webhook(self, call: Call) -> Reply:
        """``GET /webhooks/{id}``."""
        webhook = self.hooks.find(call.ids[0])
        call.may("view")
        return Reply(self.hooks.view(webhook))

    async def create_webhook(self, call: Call) -> Reply:
        """``POST /webhooks``: pings before it answers."""
        call.may("create")
        shown = await self._create(call, call.body)
        return Reply(shown, 201, {"Location": f"{self.store.rest_url}/webhooks/{shown['id']}"})

    async def update_webhook(self, call: Call) -> Reply:
        """``PUT /webhooks/{id}``."""
        call.may("edit")
        return Reply(await self._update(call, call.ids[0], call.body))

    def delete_webhook(self, call: Call) -> Reply:
        """``DELETE /webhooks/{id}``: only with ``force``."""
        call.may("delete")
        self.hooks.find(call.ids[0])
        if not call.force:
            raise no_trash("Webhooks")
        return Reply(self._delete(call, call.ids[0]))

    def setting(self, call: Call) -> Reply:
        """``GET /settings/{group}/{id}``."""
        call.may("view")
        return Reply(self._setting(*self._find_setting(call.name)))

    def set_setting(self, call: Call) -> Reply:
        """``PUT /settings/{group}/{id}``: what a merchant does in the admin pages."""
        call.may("edit")
        group, name = self._find_setting(call.name)
        attribute = GROUPS[group][name][1]
        old, new = getattr(self.store.settings, attribute), call.body.get("value")
        if isinstance(old, bool):
            new = new in (True, "yes")
        elif isinstance(old, int):
            new = int(str(new))
        self.store.settings.change({attribute: new})
        return Reply(self._setting(group, name))

    def system_status(self, call: Call) -> Reply:
        """``GET /system_status``: versions and the settings that shape orders."""
        call.may("view")
        settings = self.store.settings
        environment = {
            "home_url": self.store.home_url,
            "site_url": self.store.home_url,
            "version": settings.wc_version,
            "log_directory_writable": True,
            "wp_version": settings.wp_version,
            "wp_multisite": False,
            "wp_debug_mode": False,
            "wp_cron": True,
            "language": "en_US",
            "php_version": "8.2.29",
            "default_timezone": "UTC",
        }
        shown = {
            "api_enabled": False,
            "force_ssl": False,
            "currency": settings.currency,
            "currency_symbol": symbol_of(settings.currency),
            "currency_position": "left",
            "thousand_separator": ",",
            "decimal_separator": ".",
            "number_of_decimals": settings.decimals,
            "HPOS_enabled": True,
        }
        return Reply({"environment": environment, "settings": shown})

    def gateways(self, call: Call) -> Reply:
        """``GET /payment_gateways``."""
        call.may("list")
        shown = [
            {"id": name, "title": title, "enabled": True, "method_supports": ["products"]} for name, title in GATEWAYS
        ]
        return Reply(shown, headers={"X-WP-Total": str(len(shown)), "X-WP-TotalPages": "1"})

    def currency(self, call: Call) -> Reply:
        """``GET /data/currencies/current``."""
        call.may("view")
        code = self.store.settings.currency
        return Reply({"code": code, "name": code, "symbol": symbol_of(code)})

    def root(self, call: Call) -> Reply:
        """``GET /wp-json/``: the only place where the site's time zone is told."""
        zone = self.store.settings.zone
        offset = zone.utcoffset(self.store.now().astimezone(zone).replace(tzinfo=None))
        hours = offset.total_seconds() / 3600 if offset is not None else 0
        return Reply(
            {
                "name": "Sandbox Shop",
                "description": "",
                "url": self.store.home_url,
                "home": self.store.home_url,
                "gmt_offset": int(hours) if hours == int(hours) else hours,
                "timezone_string": self.store.settings.timezone,
                "page_for_posts": 0,
                "page_on_front": 0,
                "show_on_front": "posts",
                "namespaces": ["oembed/1.0", "wc/v1", "wc/v2", "wc/v3", "wc/store/v1", "wp/v2"],
                "authentication": {},
                "routes": {},
            }
        )

    def namespace(self, call: Call) -> Reply:
        """``GET /wp-json/wc/v3``."""
        return Reply(
            {"namespace": "wc/v3", "routes": {}, "_links": {"up": [{"href": f"{self.store.home_url}/wp-json/"}]}}
        )

    async def _create(self, call: Call, body: Mapping[str, Any]) -> dict[str, Any]:
        return await self.hooks.create(body, call.key.user_id if call.key else 0)

    async def _update(self, call: Call, webhook_id: int, body: Mapping[str, Any]) -> dict[str, Any]:
        return self.hooks.view(await self.hooks.update(webhook_id, body))

    def _delete(self, call: Call, webhook_id: int) -> dict[str, Any]:
        return self.hooks.view(self.hooks.delete(webhook_id))

    def _settings(self, call: Call, group: str) -> Reply:
        call.may("list")
        return Reply([self._setting(group, name) for name in GROUPS[group]])

    def _find_setting(self, name: str) -> tuple[str, str]:
        for group, known in GROUPS.items():
            if name in known:
                return group, name
        raise Refusal(404, "rest_setting_setting_invalid", "Invalid setting.")

    def _setting(self, group: str, name: str) -> dict[str, Any]:
        label, attribute, kind = GROUPS[group][name]
        return {
            "id": name,
            "label": label,
            "description": "",
            "type": kind,
            "default": _text(DEFAULTS[attribute]),
            "tip": "",
            "value": _text(getattr(self.store.settings, attribute)),
            "group_id": group,
            "_links": item_links(self.store, f"settings/{group}", name, allow=ALLOW_SETTING),
        }


def _text(value: Any) -> str:
    """An option as WordPress stores it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
