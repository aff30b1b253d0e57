"""What the store keeps of orders and refunds, unrounded as WooCommerce stores it; how it is shown is ``order_view``.

Amounts of lines keep up to six decimals and more; totals of an order are rounded only when shown. A refund's lines are
the same classes with negative amounts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from mlc_sandbox.woocommerce.money import ZERO

ADDRESS = (
    "first_name",
    "last_name",
    "company",
    "address_1",
    "address_2",
    "city",
    "state",
    "postcode",
    "country",
)
BILLING = (*ADDRESS, "email", "phone")
SHIPPING = (*ADDRESS, "phone")

PAID_STATUSES = ("processing", "completed")
STOCK_TAKEN = ("processing", "completed", "on-hold")
STATUSES = (
    "auto-draft",
    "pending",
    "processing",
    "on-hold",
    "completed",
    "cancelled",
    "refunded",
    "failed",
    "checkout-draft",
)
STATUS_NAMES = {
    "auto-draft": "Auto Draft",
    "pending": "Pending payment",
    "processing": "Processing",
    "on-hold": "On hold",
    "completed": "Completed",
    "cancelled": "Cancelled",
    "refunded": "Refunded",
    "failed": "Failed",
    "checkout-draft": "Draft",
    "trash": "Trash",
}


def blank(keys: tuple[str, ...]) -> dict[str, str]:
    """An address with every key and no text."""
    return dict.fromkeys(keys, "")


@dataclass
class Meta:
    """One row of meta data; ``label`` is what a line shows for the key."""

    id: int
    key: str
    value: Any
    label: str = ""


@dataclass
class ProductLine:
    """A sold (or returned) product."""

    id: int
    name: str = ""
    product_id: int = 0
    variation_id: int = 0
    quantity: int = 1
    tax_class: str = ""
    subtotal: Decimal = ZERO
    subtotal_tax: Decimal = ZERO
    total: Decimal = ZERO
    total_tax: Decimal = ZERO
    # rate id -> tax, of the total and of the subtotal
    taxes: dict[int, Decimal] = field(default_factory=dict)
    subtotal_taxes: dict[int, Decimal] = field(default_factory=dict)
    meta: list[Meta] = field(default_factory=list)
    tax_status: str = "taxable"


@dataclass
class ShippingLine:
    """A shipping charge."""

    id: int
    method_title: str = ""
    method_id: str = ""
    instance_id: str = ""
    total: Decimal = ZERO
    total_tax: Decimal = ZERO
    taxes: dict[int, Decimal] = field(default_factory=dict)
    tax_status: str = "taxable"
    meta: list[Meta] = field(default_factory=list)


@dataclass
class FeeLine:
    """A fee; negative for store credit and the like."""

    id: int
    name: str = ""
    tax_class: str = ""
    tax_status: str = "taxable"
    amount: str = ""
    total: Decimal = ZERO
    total_tax: Decimal = ZERO
    taxes: dict[int, Decimal] = field(default_factory=dict)
    meta: list[Meta] = field(default_factory=list)


@dataclass
class TaxLine:
    """The tax of one rate over a whole order."""

    id: int
    rate_id: int
    rate_code: str
    label: str
    compound: bool
    rate_percent: Decimal
    tax_total: Decimal = ZERO
    shipping_tax_total: Decimal = ZERO


@dataclass
class CouponLine:
    """A coupon used; its effect is already inside the product lines."""

    id: int
    code: str
    coupon_id: int = 0
    discount: Decimal = ZERO
    discount_tax: Decimal = ZERO
    discount_type: str = "percent"
    nominal_amount: Decimal = ZERO
    free_shipping: bool = False
    meta: list[Meta] = field(default_factory=list)


@dataclass
class Lines:
    """The five lists of lines of an order or a refund."""

    products: list[ProductLine] = field(default_factory=list)
    shipping: list[ShippingLine] = field(default_factory=list)
    fees: list[FeeLine] = field(default_factory=list)
    taxes: list[TaxLine] = field(default_factory=list)
    coupons: list[CouponLine] = field(default_factory=list)

    def refundable(self) -> list[ProductLine | FeeLine | ShippingLine]:
        """What a refund's lines may point at."""
        return [*self.products, *self.fees, *self.shipping]


@dataclass
class Order:
    """One order."""

    id: int
    status: str
    currency: str
    version: str
    prices_include_tax: bool
    created: datetime
    modified: datetime
    order_key: str
    customer_id: int = 0
    billing: dict[str, str] = field(default_factory=lambda: blank(BILLING))
    shipping: dict[str, str] = field(default_factory=lambda: blank(SHIPPING))
    payment_method: str = ""
    payment_method_title: str = ""
    transaction_id: str = ""
    ip_address: str = ""
    user_agent: str = ""
    created_via: str = "rest-api"
    customer_note: str = ""
    completed: datetime | None = None
    paid: datetime | None = None
    cart_hash: str = ""
    parent_id: int = 0
    number: str = ""
    meta: list[Meta] = field(default_factory=list)
    lines: Lines = field(default_factory=Lines)
    discount_total: Decimal = ZERO
    discount_tax: Decimal = ZERO
    shipping_total: Decimal = ZERO
    shipping_tax: Decimal = ZERO
    cart_tax: Decimal = ZERO
    total: Decimal = ZERO
    stock_taken: bool = False
    sales_counted: bool = False
    refund_ids: list[int] = field(default_factory=list)

    @property
    def total_tax(self) -> Decimal:
        """Tax of lines, fees and shipping."""
        return self.cart_tax + self.shipping_tax


@dataclass
class Refund:
    """Money given back on one order; ``amount`` is positive, its lines are negative."""

    id: int
    order_id: int
    created: datetime
    amount: Decimal
    reason: str
    refunded_by: int
    refunded_payment: bool
    kind: str
    meta: list[Meta] = field(default_factory=list)
    lines: Lines = field(default_factory=Lines)

    @property
    def total_tax(self) -> Decimal:
        """Tax on its lines, negative; 0 where money was returned without lines."""
        return sum((line.tax_total + line.shipping_tax_total for line in self.lines.taxes), ZERO)


@dataclass
class Note:
    """A remark on an order."""

    id: int
    order_id: int
    author: str
    created: datetime
    text: str
    customer_note: bool = False
