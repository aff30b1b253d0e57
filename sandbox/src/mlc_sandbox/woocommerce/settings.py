"""What a merchant sets up before the first order: currency, decimals, taxes, time zone, addresses, keys, queue.

Read once from the sandbox's config; ``decimals``, ``timezone`` and the tax options can change while it runs, as a
merchant may do in a real store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class ApiKey:
    """A REST key of one WordPress user.

    Args:
        consumer_key: ``ck_`` and 40 hex digits.
        consumer_secret: ``cs_`` and 40 hex digits.
        permissions: read, write or read_write.
        user_id: Whose it is; webhooks made with it are read as this user.
    """

    consumer_key: str
    consumer_secret: str
    permissions: str = "read_write"
    user_id: int = 1


DEFAULT_KEYS = (
    ApiKey("ck_" + "a1" * 20, "cs_" + "b2" * 20),
    ApiKey("ck_" + "c3" * 20, "cs_" + "d4" * 20, "read"),
    ApiKey("ck_" + "e5" * 20, "cs_" + "f6" * 20, "write"),
)


@dataclass
class StoreSettings:
    """The store's options.

    Args:
        home_url: The configured home address; None = where the sandbox listens. May have a path.
        assume_https: WordPress' own view of the connection: True = "HTTPS", so Basic and keys in the query work;
            False = plain HTTP, so only OAuth 1.0a does.
        timezone: IANA name.
        currency: ISO code of new orders.
        decimals: ``woocommerce_price_num_decimals``, for the whole store whatever the currency.
        prices_include_tax: How prices are typed.
        round_at_subtotal: Round taxes once per order instead of per line.
        calc_taxes: Whether taxes are on at all.
        tax_based_on: shipping, billing or base.
        shipping_tax_class: "inherit" or a class.
        default_country: The store's address, "US:NY".
        base_city: Its city.
        base_postcode: Its postcode.
        sequential_discounts: A later coupon sees what earlier ones left.
        refunding_gateways: Payment methods that can pay a refund back by API.
        checkout_order: Which delivery a storefront order queues first: "updated_first" or "created_first".
        auto_run: Deliver queued webhooks at once in the background; otherwise only when told to.
        delivery_timeout: Seconds until a delivery counts as failed.
        delivery_concurrency: 1 as in a real store; more only for benchmarks, where it must be said.
        refuse_unsafe_urls: Apply WordPress' rules for addresses (ports 80, 443, 8080; no private addresses).
        wc_version: In User-Agent, orders and system_status.
        wp_version: In User-Agent and system_status.
        first_post_id: Where the shared counter of posts starts.
        fixture: "default" = products, customers, coupons and taxes to play with; "empty" = none.
        keys: The REST keys.
        start: The sandbox clock's first instant, ISO; None = the machine's time.
    """

    home_url: str | None = None
    assume_https: bool = True
    timezone: str = "America/New_York"
    currency: str = "USD"
    decimals: int = 2
    prices_include_tax: bool = False
    round_at_subtotal: bool = False
    calc_taxes: bool = True
    tax_based_on: str = "shipping"
    shipping_tax_class: str = "inherit"
    default_country: str = "US:NY"
    base_city: str = ""
    base_postcode: str = ""
    sequential_discounts: bool = False
    refunding_gateways: tuple[str, ...] = ("stripe",)
    checkout_order: str = "updated_first"
    auto_run: bool = False
    delivery_timeout: float = 60.0
    delivery_concurrency: int = 1
    refuse_unsafe_urls: bool = False
    wc_version: str = "11.0.1"
    wp_version: str = "7.1"
    first_post_id: int = 11
    fixture: str = "default"
    keys: tuple[ApiKey, ...] = field(default=DEFAULT_KEYS)
    start: str | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The store's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def tax_precision(self) -> int:
        """To how many decimals taxes are kept."""
        return max(6, self.decimals + 2)

    @property
    def base(self) -> tuple[str, str]:
        """Country and state of the store."""
        country, _, state = self.default_country.partition(":")
        return country, state

    def change(self, changes: Mapping[str, Any]) -> None:
        """Take over new values.

        Raises:
            ValueError: a name is unknown, or the time zone does not exist.
        """
        known = {item.name for item in fields(self)}
        unknown = set(changes) - known
        if unknown:
            raise ValueError(f"unknown settings {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}")
        for name, value in changes.items():
            setattr(self, name, _fitting(getattr(self, name), value))
        _ = self.zone


def _fitting(old: Any, value: Any) -> Any:
    """A value from JSON in the type of the setting it replaces."""
    if isinstance(value, list):
        return tuple(value)
    return float(value) if isinstance(old, float) else value


def read_settings(config: Mapping[str, Any] | None) -> StoreSettings:
    """The settings of a config object; keys may be given as objects.

    Raises:
        ValueError: a name is unknown.
    """
    given = dict(config or {})
    # {"scheme": "http"} is the short way to say that WordPress sees no HTTPS.
    if "scheme" in given:
        given["assume_https"] = given.pop("scheme") != "http"
    if "keys" in given:
        given["keys"] = [ApiKey(**key) for key in given["keys"]]
    settings = StoreSettings()
    settings.change(given)
    return settings
