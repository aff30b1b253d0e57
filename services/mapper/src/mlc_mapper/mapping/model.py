"""The mapping of one flow as a frozen value: what the file says, checked as a whole. No I/O.

``Mapping`` is made by ``loading.load`` from the YAML text; its ``version`` is made from that text, so that every
command can name the rules it was decided by. What each field means is in docs/mapping.md.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from itertools import pairwise
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, PrivateAttr, StringConstraints, model_validator

from mlc_mapper.mapping.rules import (
    Currency,
    Discounts,
    Fees,
    Firms,
    Guests,
    Memo,
    Numbering,
    Project,
    Refunds,
    Revenue,
    Rounding,
    Rule,
    Shipping,
    Taxes,
)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no IANA time zone; write one like America/New_York") from None
    return name


def _no_rule_of_its_own(name: str) -> str:
    if name in _SPECIAL:
        raise ValueError(f"{name} has a rule of its own ({_SPECIAL[name]}); leave it out")
    return name


_SPECIAL = {
    "trash": "an order in the trash counts as deleted",
    "refunded": "it counts as paid if the order has a payment date",
}
ZoneName = Annotated[str, AfterValidator(_zone)]
StatusName = Annotated[str, StringConstraints(pattern="^[a-z0-9_-]+$"), AfterValidator(_no_rule_of_its_own)]
Identifier = Annotated[str, StringConstraints(pattern="^[a-z0-9][a-z0-9_-]{0,39}$")]


class ZonePeriod(Rule):
    """The store's time zone from a date on."""

    from_: date = Field(alias="from", description="First local day in this zone.")
    zone: ZoneName


class Statuses(Rule):
    """What the store's order statuses mean for the books. A status in no list holds the order."""

    paid: tuple[StatusName, ...] = Field(default=("processing", "completed"), description="Sold: makes an invoice.")
    open: tuple[StatusName, ...] = Field(
        default=("pending", "on-hold", "checkout-draft", "auto-draft"), description="Not sold yet: makes nothing."
    )
    cancelled: tuple[StatusName, ...] = Field(
        default=("cancelled", "failed"), description="Not sold any more: an invoice that was posted is credited."
    )

    @model_validator(mode="after")
    def _lists_each_once(self) -> Self:
        names = [*self.paid, *self.open, *self.cancelled]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} stands in more than one list; keep one")
        if not self.paid:
            raise ValueError("`paid` is empty, so nothing would ever be posted; list at least one status")
        return self


class Mapping(Rule):
    """Everything that decides how the orders of one store become documents of one ERP."""

    flow: Identifier = Field(description="Name of this flow; never changed once documents were posted.")
    store: Identifier = Field(description="Connection id of the store.")
    erp: Identifier = Field(description="Connection id of the ERP.")
    store_kind: Literal["woocommerce"] = Field(description="What the store runs on.")
    erp_kind: Literal["deltek"] = Field(description="Which ERP it is.")
    time_zone: ZoneName | tuple[ZonePeriod, ...] = Field(
        description="The store's time zone, or a list of {from, zone} where it changed. Decides document dates."
    )
    cut_over: date = Field(description="First invoice date (in the store's zone) that this flow posts.")
    statuses: Statuses = Statuses()
    require_payment_date: bool = Field(
        default=False, description="true: a paid status counts only with a payment date (cash on delivery waits)."
    )
    currencies: tuple[Currency, ...] = Field(min_length=1, description="Currencies that this flow posts.")
    numbering: Numbering
    project: Project
    firms: Firms = Firms()
    guests: Guests = Guests()
    revenue: Revenue
    shipping: Shipping = Shipping()
    fees: Fees = Fees()
    discounts: Discounts = Discounts()
    taxes: Taxes = Taxes()
    rounding: Rounding
    refunds: Refunds = Refunds()
    period: Literal["park", "next_open"] = Field(
        default="park",
        description="When the accounting period is closed: park = hold the document; next_open = post it there.",
    )
    after_posting: Literal["adjust", "hold"] = Field(
        default="adjust",
        description="When an order changes after its document was posted: adjust = post the difference as a document "
        "of its own; hold = a person decides. A cancelled order is credited either way.",
    )
    memo: Memo = Memo()
    _version: str = PrivateAttr(default="")

    @property
    def version(self) -> str:
        """Twelve hex digits made from the file's text; empty for a mapping that was not loaded from text."""
        return self._version

    @property
    def needs_products(self) -> bool:
        """Whether an item's account may depend on the categories of its product."""
        return bool(self.revenue.by_category)

    @property
    def needs_customer(self) -> bool:
        """Whether a registered buyer is identified by the e-mail of the account, which orders do not carry."""
        return self.firms.email == "account"

    def local_date(self, instant: datetime) -> date:
        """The date in the store at an instant.

        Args:
            instant: Timezone-aware.
        """
        return instant.astimezone(self._zone_at(instant)).date()

    def _zone_at(self, instant: datetime) -> ZoneInfo:
        if isinstance(self.time_zone, str):
            return ZoneInfo(self.time_zone)
        zone = ZoneInfo(self.time_zone[0].zone)
        for period in self.time_zone[1:]:
            candidate = ZoneInfo(period.zone)
            if instant < datetime.combine(period.from_, time(), candidate).astimezone(UTC):
                break
            zone = candidate
        return zone

    @model_validator(mode="after")
    def _zones_are_in_order(self) -> Self:
        if isinstance(self.time_zone, tuple):
            dates = [period.from_ for period in self.time_zone]
            if not dates or any(later <= earlier for earlier, later in pairwise(dates)):
                raise ValueError("time_zone: list at least one {from, zone}, each `from` later than the one before")
        return self

    @model_validator(mode="after")
    def _guests_have_a_place(self) -> Self:
        if self.guests.policy == "generic" and self.project.rule != "generic":
            raise ValueError("guests: policy generic needs project rule generic; use policy firm or hold with by_firm")
        return self
