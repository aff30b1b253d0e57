"""What the store sells and to whom, as it is kept: products, variations, customers, coupons, tax rates.

How they are shown is in ``product_view``, ``customers`` and ``coupons``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from mlc_sandbox.woocommerce.model import BILLING, SHIPPING, Meta, blank


@dataclass
class Product:
    """A product or, with a parent, a variation. Prices are kept as typed; empty = no price."""

    id: int
    name: str
    created: datetime
    modified: datetime
    kind: str = "simple"
    status: str = "publish"
    slug: str = ""
    description: str = ""
    short_description: str = ""
    sku: str = ""
    regular_price: str = ""
    sale_price: str = ""
    total_sales: int = 0
    virtual: bool = False
    downloadable: bool = False
    tax_status: str = "taxable"
    tax_class: str = ""
    manage_stock: bool = False
    stock_quantity: int | None = None
    stock_status: str = "instock"
    backorders: str = "no"
    weight: str = ""
    parent_id: int = 0
    global_unique_id: str = ""
    # a parent's attributes: {"name", "options", …}; a variation's: {"name", "option"}
    attributes: list[dict[str, Any]] = field(default_factory=list)
    variations: list[int] = field(default_factory=list)
    categories: list[dict[str, Any]] = field(
        default_factory=lambda: [{"id": 15, "name": "Uncategorized", "slug": "uncategorized"}]
    )
    meta: list[Meta] = field(default_factory=list)

    @property
    def is_variation(self) -> bool:
        """Whether it belongs to a variable product."""
        return self.kind == "variation"

    @property
    def price(self) -> str:
        """What it costs now, as typed."""
        return self.sale_price or self.regular_price


@dataclass
class Customer:
    """A registered user of the shop."""

    id: int
    email: str
    username: str
    created: datetime
    modified: datetime | None
    first_name: str = ""
    last_name: str = ""
    role: str = "customer"
    billing: dict[str, str] = field(default_factory=lambda: blank(BILLING))
    shipping: dict[str, str] = field(default_factory=lambda: blank(SHIPPING))
    is_paying: bool = False
    meta: list[Meta] = field(default_factory=list)


@dataclass
class Coupon:
    """A discount code, kept in lower case."""

    id: int
    code: str
    created: datetime
    modified: datetime
    amount: Decimal
    discount_type: str = "fixed_cart"
    description: str = ""
    free_shipping: bool = False
    status: str = "publish"
    used_by: list[str] = field(default_factory=list)


@dataclass
class TaxRate:
    """One rate; of several that fit and share a priority, one applies."""

    id: int
    country: str
    state: str
    rate: Decimal
    name: str
    priority: int = 1
    compound: bool = False
    shipping: bool = True
    order: int = 0
    tax_class: str = ""
    cities: tuple[str, ...] = ()
    postcodes: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        """As tax lines name it: country-state-NAME-priority."""
        parts = [self.country, self.state, self.name or "TAX", str(self.priority)]
        return "-".join(part for part in parts if part).upper()
