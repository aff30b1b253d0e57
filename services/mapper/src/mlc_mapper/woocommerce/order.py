"""What accounting needs of a WooCommerce order or refund, as frozen values. No I/O, no rules.

Amounts are Decimals in major units, as the store said them: lines are net of tax and after coupons, ``subtotal`` before
coupons, refund lines negative (WooCommerce facts §6, §7, §9). ``price`` and rates are never read: the amounts charged
are the truth.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import Field

from mlc_common.accounting import Address, Amount, Value

StoreLineKind = Literal["item", "shipping", "fee"]
SOURCE_PREFIX: dict[StoreLineKind, str] = {"item": "line", "shipping": "shipping", "fee": "fee"}


class StoreTax(Value):
    """The tax of one rate on one line; older stores say it unrounded (WooCommerce facts §18)."""

    rate_id: str
    total: Amount


class StoreRate(Value):
    """A tax rate that the order names; the rate itself may since be deleted."""

    rate_id: str
    code: str


class StoreLine(Value):
    """An item, shipping or fee line. ``refers_to`` is the order's line that a refund's line returns."""

    kind: StoreLineKind
    id: int
    name: str = ""
    product_id: int = 0
    variation_id: int = 0
    sku: str = ""
    method: str = ""
    quantity: Amount = Decimal(1)
    subtotal: Amount
    total: Amount
    total_tax: Amount
    taxes: tuple[StoreTax, ...] = ()
    refers_to: int = 0

    @property
    def source(self) -> str:
        """The line's id in documents: ``line:77``, ``shipping:3``, ``fee:4``."""
        return f"{SOURCE_PREFIX[self.kind]}:{self.id}"

    @property
    def label(self) -> str:
        """What a person calls the line."""
        return f'{self.source} "{self.name}"' if self.name else self.source


class RefundStub(Value):
    """All that an order says of a refund; ``total`` is what was paid back, positive."""

    id: int
    total: Amount


class Buyer(Value):
    """Who bought, as the order says it."""

    customer_id: int = 0
    first_name: str = ""
    last_name: str = ""
    company: str = ""
    email: str = ""
    phone: str = ""
    billing: Address = Field(default_factory=Address)


class StoreOrder(Value):
    """A readable order."""

    id: int
    number: str
    currency: str
    total: Amount
    total_tax: Amount
    buyer: Buyer
    lines: tuple[StoreLine, ...]
    rates: tuple[StoreRate, ...]
    stubs: tuple[RefundStub, ...]


class StoreRefund(Value):
    """A refund with its lines. ``defect`` says what could not be read; the amounts then mean nothing."""

    id: int
    amount: Amount = Decimal(0)
    created: datetime | None = None
    reason: str = ""
    lines: tuple[StoreLine, ...] = ()
    rates: tuple[StoreRate, ...] = ()
    defect: str = ""


class Picture(Value):
    """One state of an order as the store showed it.

    ``modified`` is the store's own clock and orders pictures; ``digest`` tells whether two show the same. ``order`` is
    None where something could not be read, and ``defect`` then says what.
    """

    order_id: int
    modified: datetime
    digest: str
    status: str
    paid_at: datetime | None = None
    order: StoreOrder | None = None
    defect: str = ""
