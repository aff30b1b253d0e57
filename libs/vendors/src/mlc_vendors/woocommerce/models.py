"""What the client gives out besides the store's own JSON: frozen, typed, without secrets. Facts §13, §18."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class OrderAnswer:
    """One order as the store answered it.

    Attributes:
        raw: The bytes, equal to a webhook's about the same state.
        order: The same, decoded; numbers exact.
    """

    raw: bytes = field(repr=False)
    order: JsonObject = field(repr=False)


@dataclass(frozen=True)
class Webhook:
    """A webhook as the store lists it; the secret is never told."""

    id: int
    name: str
    status: str
    topic: str
    delivery_url: str

    @classmethod
    def of(cls, row: JsonObject) -> Webhook:
        """From the store's JSON."""
        name, status, topic, url = (str(row.get(key) or "") for key in ("name", "status", "topic", "delivery_url"))
        return cls(int(row["id"]), name, status, topic, url)

    @property
    def active(self) -> bool:
        """Whether the store delivers to it."""
        return self.status == "active"


@dataclass(frozen=True)
class StoreFacts:
    """What a store says of itself; settings shape every amount and date.

    Attributes:
        version: WooCommerce's version.
        wordpress: WordPress' version.
        home: The store's own address.
        currency: ISO code of new orders.
        decimals: Decimals that amounts are shown (and rounded) with: a setting of the store, not of the currency.
        prices_include_tax: How prices are typed; lines are net either way.
        time_zone: IANA name; empty where the store only has an offset.
        gmt_offset: Hours east of UTC, at this moment.
        hpos: Whether orders are in tables of their own; None where the store does not say.
        clock_skew_s: Seconds that its clock is ahead of ours; None where it does not say the time.
    """

    version: str
    wordpress: str
    home: str
    currency: str
    decimals: int
    prices_include_tax: bool
    time_zone: str
    gmt_offset: Decimal
    hpos: bool | None
    clock_skew_s: float | None
