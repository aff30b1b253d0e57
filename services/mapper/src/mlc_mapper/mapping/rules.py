"""The parts of a mapping file that choose accounts, codes, firms and projects. Frozen values; no I/O.

Every field has a sentence that editors show (it ends up in the JSON Schema). Unknown fields are refused, so that a
typing error never turns a rule off silently. Amounts and account numbers are text: ``401.00`` is not ``401.0``.
"""

from __future__ import annotations

from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from mlc_common.accounting import LineKind
from mlc_common.money import AmountError, is_currency, parse_amount

MatchKind = Literal["external_key", "email"]


def _amount(value: Any) -> Decimal:
    try:
        amount = parse_amount(value)
    except AmountError as error:
        raise ValueError(f"{error}; write it like '0.05'") from None
    if amount < 0:
        raise ValueError("must not be negative")
    return amount


def _currency(value: Any) -> Any:
    if not isinstance(value, str) or not is_currency(value):
        raise ValueError(f"{value!r} is no ISO 4217 currency code; write three capital letters, like USD")
    return value


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
"""Text that says something."""

_NUMBER_LIKE = WithJsonSchema({"type": ["string", "number"]})
"""To an editor ``401.00`` without quotes is a number; here it is the text that stands there."""

Account = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=13), _NUMBER_LIKE]
"""An account number as the ERP writes it (Deltek facts §13: at most 13 characters)."""

TaxCode = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10)]
"""A tax code as the ERP writes it (Deltek facts §13: at most 10 characters)."""

Tolerance = Annotated[
    Decimal,
    BeforeValidator(_amount),
    WithJsonSchema({"type": ["string", "number"], "pattern": r"^[0-9]+(\.[0-9]+)?$", "minimum": 0}),
]
"""A difference in major units of the currency, zero or more."""

CustomerId = Annotated[str, StringConstraints(pattern="^[1-9][0-9]*$"), _NUMBER_LIKE]
"""The store's own id of a customer."""

Currency = Annotated[str, BeforeValidator(_currency), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"})]
"""An ISO 4217 code."""


class Rule(BaseModel):
    """Base of all parts of a mapping file: frozen; unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Numbering(Rule):
    """How documents are numbered in the ERP; never changed once documents were posted."""

    store_code: str = Field(
        pattern="^[A-Z0-9]{1,8}$",
        description="Short name of the store in references: IN-WC01-1001. Unique among the stores of one ERP.",
    )
    invoice_prefix: str = Field(
        pattern="^[A-Z][A-Z0-9]$",  # of one length, so that no store's credits look like another's invoices
        description="Two characters before numbers: WA gives WA01001 and, for credits, WAR00077. Unique among stores.",
    )


class Project(Rule):
    """The project that a document is billed on."""

    rule: Literal["generic", "by_firm"] = Field(
        description="generic: the project named in `code`. by_firm: the active project billed to the buyer's firm."
    )
    code: str = Field(default="", max_length=30, description="The project for rule generic.")
    phase: str = Field(default="", max_length=30, description="Phase of the project; empty if it has none.")
    task: str = Field(default="", max_length=30, description="Task of the phase; empty if it has none.")
    by_currency: dict[Currency, Text] = Field(
        default_factory=dict,
        description="Projects for orders in these currencies (the ERP bills a project in one currency).",
    )

    @model_validator(mode="after")
    def _code_fits_the_rule(self) -> Self:
        if self.rule == "generic" and not self.code:
            raise ValueError("rule generic needs the project in `code`")
        if self.rule == "by_firm" and self.code:
            raise ValueError("rule by_firm takes no `code`; remove it, or use rule generic")
        return self


class FirmRule(Rule):
    """One buyer whose firm in the ERP is named outright."""

    customer: CustomerId | None = Field(default=None, description="The store's customer id.")
    email: str | None = Field(default=None, pattern="^[^@\\s]+@[^@\\s]+$", description="The buyer's e-mail address.")
    firm: Text = Field(description="The firm's id in the ERP (Deltek: ClientID).")

    @model_validator(mode="after")
    def _names_one_buyer(self) -> Self:
        if (self.customer is None) == (self.email is None):
            raise ValueError("name the buyer by either `customer` or `email`")
        return self


class Firms(Rule):
    """How a buyer's firm in the ERP is found; never by name alone."""

    table: tuple[FirmRule, ...] = Field(default=(), description="Buyers whose firm is known; looked at first.")
    match: tuple[MatchKind, ...] = Field(
        default=("external_key",),
        description="How else to find the firm, in this order: external_key (our key on the firm), email.",
    )
    create: bool = Field(default=False, description="Create a firm that is not found (needs the external key column).")
    email: Literal["billing", "account"] = Field(
        default="billing",
        description="Which e-mail identifies a registered customer: the order's billing one or that of the account.",
    )

    @model_validator(mode="after")
    def _names_each_buyer_once(self) -> Self:
        seen: set[str] = set()
        for rule in self.table:
            buyer = rule.customer or (rule.email or "").lower()
            if buyer in seen:
                raise ValueError(f"{buyer} is in the table twice; keep one entry")
            seen.add(buyer)
        if len(set(self.match)) != len(self.match):
            raise ValueError("names one way twice; keep each once")
        return self

    def firm_of(self, customer_id: int, email: str) -> str:
        """The firm that the table names for a buyer, or nothing."""
        for rule in self.table:
            if rule.customer is not None and rule.customer == str(customer_id):
                return rule.firm
            if rule.email is not None and rule.email.lower() == email.lower():
                return rule.firm
        return ""


class Guests(Rule):
    """What becomes of orders without a customer account."""

    policy: Literal["generic", "firm", "hold"] = Field(
        default="generic",
        description="generic: no firm, billed on the generic project. firm: a firm per e-mail. hold: held.",
    )


class Revenue(Rule):
    """The revenue account of an item: by SKU, else by the product's category, else the default, else held."""

    by_sku: dict[Text, Account] = Field(default_factory=dict, description="SKU to account.")
    by_category: dict[Text, Account] = Field(
        default_factory=dict,
        description="Category slug or id to account; the first entry that the product belongs to counts.",
    )
    default: Account | None = Field(default=None, description="Account of every other item.")


class Shipping(Rule):
    """The account of shipping lines."""

    default: Account | None = Field(default=None, description="Account of every method not listed.")
    by_method: dict[Text, Account] = Field(default_factory=dict, description="Shipping method id to account.")


class FeeRule(Rule):
    """Fees whose name matches a pattern."""

    match: Text = Field(description="Pattern on the fee's name, * and ? as in file names; capitals do not matter.")
    account: Account
    kind: Literal["fee", "gift_card", "discount"] = Field(default="fee", description="What the fee really is.")

    @property
    def line_kind(self) -> LineKind:
        """The kind of the document's line."""
        return LineKind(self.kind)


class Fees(Rule):
    """The account of fee lines, positive and negative."""

    rules: tuple[FeeRule, ...] = Field(default=(), description="The first rule that matches counts.")
    default: Account | None = Field(default=None, description="Account of every other fee.")

    def rule_for(self, name: str) -> FeeRule | None:
        """The first rule whose pattern matches the fee's name, or the default, or nothing."""
        for rule in self.rules:
            pattern = rule.match.casefold().replace("[", "[[]")  # * and ? alone are special
            if fnmatchcase(name.casefold(), pattern):
                return rule
        return FeeRule(match="*", account=self.default) if self.default else None


class Discounts(Rule):
    """Coupons as lines of their own."""

    account: Account | None = Field(
        default=None,
        description="Items then show their price before coupons, and a negative line on this account the discount. "
        "Without it, items show what was charged.",
    )


class TaxTarget(Rule):
    """What a tax rate of the store is in the ERP."""

    code: TaxCode = Field(description="The ERP's tax code.")
    account: Account | Literal[""] = Field(default="", description="Liability account; empty = that of the code.")


class Taxes(Rule):
    """Tax codes. Amounts are always those that the store charged; nothing is recomputed from rates."""

    by_rate: dict[Text, TaxTarget] = Field(
        default_factory=dict, description="Rate code (US-NY-NY STATE-1) or rate id of the store to tax code."
    )
    default: TaxTarget | None = Field(default=None, description="Every other rate; without it such orders are held.")

    @model_validator(mode="after")
    def _gives_each_code_one_account(self) -> Self:
        accounts: dict[str, str] = {}
        for target in (*self.by_rate.values(), *([self.default] if self.default else [])):
            if accounts.setdefault(target.code, target.account) != target.account:
                raise ValueError(f"tax code {target.code} has two accounts; a code has one")
        return self

    def target(self, rate_id: str, rate_code: str) -> TaxTarget | None:
        """What a rate is in the ERP: by its code, by its id, else the default."""
        return self.by_rate.get(rate_code) or self.by_rate.get(rate_id) or self.default


class Rounding(Rule):
    """Differences between an order's lines and its total: a visible line up to the tolerance, a hold beyond."""

    account: Account = Field(description="Account of the rounding line.")
    tolerance: Tolerance = Field(default=Decimal("0.05"), description="In major units, for example '0.05'.")
    by_currency: dict[Currency, Tolerance] = Field(
        default_factory=dict, description="Tolerance for these currencies, for example JPY: '2'."
    )

    def limit(self, currency: str) -> Decimal:
        """The tolerance for a currency, in major units."""
        return self.by_currency.get(currency, self.tolerance)


class Refunds(Rule):
    """Refunds that name an amount but no lines."""

    amount_only: Literal["spread", "clearing"] = Field(
        default="spread",
        description="spread: over what remains of the lines and their taxes. clearing: one line on clearing_account.",
    )
    clearing_account: Account | None = Field(default=None, description="Needed for amount_only: clearing.")

    @model_validator(mode="after")
    def _clearing_has_an_account(self) -> Self:
        if self.amount_only == "clearing" and not self.clearing_account:
            raise ValueError("amount_only: clearing needs `clearing_account`")
        return self


class Memo(Rule):
    """The comment on documents, for the bookkeeper who searches by eye."""

    invoice: str = Field(
        default="Order {number} {store}",
        max_length=200,
        description="Text with {number}, {order_id}, {store}.",
    )
    credit: str = Field(
        default="Refund {refund_id}, order {number} {store}",
        max_length=200,
        description="Text with {refund_id}, {number}, {order_id}, {store}.",
    )

    @model_validator(mode="after")
    def _names_known_places(self) -> Self:
        for text, known in ((self.invoice, _INVOICE_PLACES), (self.credit, _CREDIT_PLACES)):
            rest = _fill(text, dict.fromkeys(known, ""))
            if "{" in rest or "}" in rest:
                raise ValueError(f"{text!r}: only {', '.join('{' + name + '}' for name in known)} may stand in braces")
        return self

    def for_invoice(self, *, number: str, order_id: str, store: str) -> str:
        """The comment of an invoice."""
        return _fill(self.invoice, {"number": number, "order_id": order_id, "store": store})

    def for_credit(self, *, refund_id: str, number: str, order_id: str, store: str) -> str:
        """The comment of a credit note."""
        places = {"refund_id": refund_id, "number": number, "order_id": order_id, "store": store}
        return _fill(self.credit, places)


_INVOICE_PLACES = ("number", "order_id", "store")
_CREDIT_PLACES = ("refund_id", *_INVOICE_PLACES)


def _fill(text: str, places: dict[str, str]) -> str:
    """Put values in for ``{name}``; nothing else is interpreted (``str.format`` would follow attributes)."""
    for name, value in places.items():
        text = text.replace("{" + name + "}", value)
    return text
