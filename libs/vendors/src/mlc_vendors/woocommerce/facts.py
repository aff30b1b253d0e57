"""What a store says of itself: version, currency, decimals, time zone. Read at connect. Facts §6, §10."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from mlc_common.errors import ConfigurationError
from mlc_vendors.woocommerce.models import JsonObject, StoreFacts
from mlc_vendors.woocommerce.session import StoreSession

_STATUS_FIELDS = "environment,settings"
_ROOT_FIELDS = "home,url,timezone_string,gmt_offset,namespaces"


class Facts(StoreSession):
    """A store's own facts."""

    async def store_facts(self) -> StoreFacts:
        """Read them; also proves that the credentials work.

        Raises:
            ConfigurationError: no WooCommerce there, or the credentials do not do.
        """
        root = await self._rest.root(_ROOT_FIELDS)
        if "wc/v3" not in (root.get("namespaces") or ["wc/v3"]):
            raise ConfigurationError("there is a WordPress at this address, but no active WooCommerce")
        answer = await self._rest.get("/system_status", [("_fields", _STATUS_FIELDS)], template="system_status")
        status = answer.object("GET system_status")
        environment, settings = _part(status, "environment"), _part(status, "settings")
        hpos = settings.get("HPOS_enabled")
        return StoreFacts(
            version=str(environment.get("version") or ""),
            wordpress=str(environment.get("wp_version") or ""),
            home=str(root.get("home") or root.get("url") or ""),
            currency=str(settings.get("currency") or ""),
            decimals=int(settings.get("number_of_decimals", 2)),
            prices_include_tax=await self._setting("tax", "woocommerce_prices_include_tax") == "yes",
            time_zone=str(root.get("timezone_string") or ""),
            gmt_offset=_hours(root.get("gmt_offset")),
            hpos=hpos if isinstance(hpos, bool) else None,
            clock_skew_s=self.clock_skew_s,
        )

    @property
    def clock_skew_s(self) -> float | None:
        """Seconds that the store's clock is ahead of ours, by its last answer; None before the first."""
        return self._rest.store_clock.skew_s

    async def _setting(self, group: str, name: str) -> Any:
        answer = await self._rest.get(f"/settings/{group}/{name}", [("_fields", "id,value")], template="settings.get")
        return answer.object("GET settings.get").get("value")


def _part(status: JsonObject, name: str) -> JsonObject:
    part = status.get(name)
    return part if isinstance(part, dict) else {}


def _hours(value: Any) -> Decimal:
    try:
        return Decimal(str(value or 0))
    except InvalidOperation:
        return Decimal(0)
