"""A WooCommerce connection as configured: address from its settings, API key from the vault.

Settings (no secrets): ``url``, ``allow_private``, ``rate_per_s``, ``timeout_s``, ``breaker_open_s``.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mlc_common.clock import Clock
from mlc_common.connection_types import ConnectionType, settings_of
from mlc_common.http import HttpObserver, SilentObserver
from mlc_common.vault import Vault
from mlc_common.vault.connections import Connection
from mlc_vendors.woocommerce.auth import WooCommerceCredentials
from mlc_vendors.woocommerce.client import RATE_PER_S, TIMEOUT_S, WooCommerceClient

SECRETS = {
    "consumer_key": "consumer key of a REST API key with Read/Write, ck_...",
    "consumer_secret": "its consumer secret, cs_...",
}


class WooCommerceSettings(BaseModel):
    """What a WooCommerce connection needs besides its secrets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(description="the site's address with its path, for example https://shop.example")
    allow_private: bool = Field(default=False, description="the store is in a private network")
    rate_per_s: float | None = Field(default=RATE_PER_S, gt=0, description="requests per second; null = no limit")
    timeout_s: float = Field(default=TIMEOUT_S, gt=0, description="the longest time of one request, in seconds")
    breaker_open_s: float = Field(
        default=30.0, gt=0, description="seconds without a request after five failures in a row"
    )


async def open_client(
    connection: Connection, vault: Vault, clock: Clock, observer: HttpObserver, *, share: float = 1.0
) -> WooCommerceClient:
    """A client for the connection; close it.

    Args:
        connection: The connection.
        vault: Holds its secrets.
        clock: Where time comes from.
        observer: Hears of every call.
        share: How much of the store's requests per second this client may use.

    Raises:
        ConfigurationError: a setting or secret is missing or wrong.
    """
    settings = settings_of(connection, WooCommerceSettings)
    credentials = WooCommerceCredentials(**{name: await vault.get(connection.id, name) for name in SECRETS})
    return WooCommerceClient.open(
        settings.url,
        credentials,
        clock=clock,
        name=connection.id,
        observer=observer,
        allow_private=settings.allow_private,
        rate_per_s=None if settings.rate_per_s is None else settings.rate_per_s * share,
        timeout_s=settings.timeout_s,
        breaker_open_s=settings.breaker_open_s,
    )


async def ping(connection: Connection, vault: Vault, clock: Clock) -> dict[str, Any]:
    """Read the store's own facts: proves address and key, and shows what matters for the mapping."""
    async with await open_client(connection, vault, clock, SilentObserver()) as client:
        facts = await client.store_facts()
        skew = client.clock_skew_s
        return {
            "WooCommerce": facts.version,
            "currency": facts.currency,
            "decimals": facts.decimals,
            "time zone": facts.time_zone,
            "prices include tax": facts.prices_include_tax,
            "clock ahead of ours, seconds": round(skew, 1) if skew is not None else "unknown",
        }


TYPE = ConnectionType(kind="woocommerce", settings=WooCommerceSettings, secrets=SECRETS, ping=ping)
