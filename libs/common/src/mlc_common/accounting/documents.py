"""The canonical documents: what should stand in the books, before any ERP's dialect. Pure values.

A document that breaks an invariant cannot be built (architecture §4): lines + tax = total, debits = credits, one
currency, amounts in whole minor units. Tax is never a line of its own. A credit's amounts are positive for money going
back; its type gives the direction. Amounts are Decimal in major units and strings in JSON.
"""

from __future__ import annotations

from datetime import date as Date  # noqa: N812 - the field is called date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, model_validator

from mlc_common.money import exact, is_currency

Amount = Annotated[Decimal, PlainSerializer(lambda value: format(value, "f"), return_type=str, when_used="json")]
"""Major units of the document's currency; a plain decimal string in JSON, never an exponent, never a number."""


class Value(BaseModel):
    """Base of all values: frozen; readers ignore fields they do not know (architecture §2, schemas)."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class LineKind(StrEnum):
    """What a line is for; posters choose the ERP's section from it."""

    ITEM = "item"
    SHIPPING = "shipping"
    FEE = "fee"
    DISCOUNT = "discount"
    GIFT_CARD = "gift_card"
    REFUND = "refund"
    ROUNDING = "rounding"


class Tax(Value):
    """Tax of one code on one line. ``basis`` is the net amount it was charged on."""

    code: str
    amount: Amount
    basis: Amount
    account: str = ""


class Line(Value):
    """One line of an invoice or credit note, net of tax.

    ``source_line`` is the store's own id of the line (``line:77``, ``shipping:3``); empty for lines that we made.
    """

    kind: LineKind
    source_line: str = ""
    sku: str = ""
    description: str = ""
    quantity: Amount = Decimal(1)
    net: Amount
    taxes: tuple[Tax, ...] = ()
    account: str
    phase: str = ""
    task: str = ""

    @property
    def tax(self) -> Decimal:
        """All taxes of the line."""
        return sum((tax.amount for tax in self.taxes), Decimal(0))


class Address(Value):
    """A postal address as the store holds it; any part may be empty."""

    line1: str = ""
    line2: str = ""
    city: str = ""
    state: str = ""
    postcode: str = ""
    country: str = ""


class Party(Value):
    """The buyer. ``key`` = flow + customer id, or the normalised e-mail of a guest (architecture §5.6).

    ``match`` lists how the ERP's firm may be found, in order; ``firm`` is a firm that the mapping names outright.
    ``external_key`` is our key as the ERP's firm carries it. A name alone never identifies anybody.
    """

    key: UUID
    external_key: str
    name: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    phone: str = ""
    customer_id: str = ""
    guest: bool = False
    billing: Address = Address()
    firm: str = ""
    match: tuple[Literal["external_key", "email"], ...] = ()
    create: bool = False


class Placement(Value):
    """Where in the ERP's project structure a document goes.

    ``rule`` = ``fixed``: ``project`` is named; ``by_firm``: the poster takes the active project billed to the firm,
    resolves it live and freezes it before it creates anything. ``period`` says what to do when the period of the
    document's date is closed: hold it, or post to the next open one.
    """

    rule: Literal["fixed", "by_firm"]
    project: str = ""
    phase: str = ""
    task: str = ""
    period: Literal["park", "next_open"] = "park"

    @model_validator(mode="after")
    def _project_is_named_when_fixed(self) -> Self:
        if (self.rule == "fixed") != bool(self.project):
            raise ValueError("a fixed placement names its project; by_firm names none")
        return self


class Source(Value):
    """What in the store a document stands for."""

    connection: str
    kind: Literal["order", "refund", "settlement"]
    id: str
    number: str = ""
    parent: str = ""


class _Base(Value):
    key: UUID
    flow: str
    number: str
    reference: str
    date: Date
    currency: str
    sources: tuple[Source, ...] = Field(min_length=1)
    memo: str = ""

    @model_validator(mode="after")
    def _currency_is_known(self) -> Self:
        if not is_currency(self.currency):
            raise ValueError(f"{self.currency!r} is no ISO 4217 currency code")
        return self


class _Billing(_Base):
    """Shared by invoice and credit note: a party, a place, lines that add up."""

    party: Party
    placement: Placement
    lines: tuple[Line, ...] = Field(min_length=1)
    net: Amount
    tax: Amount
    total: Amount

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        for line in self.lines:
            for amount in (line.net, *(tax.amount for tax in line.taxes), *(tax.basis for tax in line.taxes)):
                exact(amount, self.currency)
        net = sum((line.net for line in self.lines), Decimal(0))
        tax = sum((line.tax for line in self.lines), Decimal(0))
        if net != self.net or tax != self.tax or net + tax != self.total:
            raise ValueError(
                f"does not add up: lines {net} + tax {tax} = {net + tax} {self.currency}, "
                f"stated net {self.net}, tax {self.tax}, total {self.total}"
            )
        return self


class Invoice(_Billing):
    """What the buyer owes for one order (or all orders of a day): positive raises the receivable."""

    type: Literal["invoice"] = "invoice"

    @model_validator(mode="after")
    def _not_negative(self) -> Self:
        if self.total < 0:
            raise ValueError("an invoice's total is not negative; money going back is a credit note")
        return self


class CreditNote(_Billing):
    """Money going back on an invoice; amounts positive. ``invoice`` is the key of what it credits."""

    type: Literal["credit_note"] = "credit_note"
    invoice: UUID
    invoice_number: str
    reason: str = ""

    @model_validator(mode="after")
    def _not_negative(self) -> Self:
        if self.total < 0:
            raise ValueError("a credit's total is not negative; its type gives the direction")
        return self


class CashReceipt(_Base):
    """Money that arrived: gross per invoice, fees as negative lines, total = the bank's amount."""

    type: Literal["cash_receipt"] = "cash_receipt"
    bank: str
    lines: tuple[Line, ...] = Field(min_length=1)
    total: Amount

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = sum((exact(line.net, self.currency) + line.tax for line in self.lines), Decimal(0))
        if total != self.total:
            raise ValueError(f"does not add up: lines {total}, stated total {self.total}")
        return self


class JournalLine(Value):
    """One side of a journal entry: exactly one of debit and credit is above zero."""

    account: str
    description: str = ""
    debit: Amount = Decimal(0)
    credit: Amount = Decimal(0)
    project: str = ""
    phase: str = ""
    task: str = ""

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if self.debit < 0 or self.credit < 0 or (self.debit > 0) == (self.credit > 0):
            raise ValueError("a journal line has either a debit or a credit, above zero")
        return self


class JournalEntry(_Base):
    """Balanced debits and credits."""

    type: Literal["journal_entry"] = "journal_entry"
    lines: tuple[JournalLine, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _balances(self) -> Self:
        debit = sum((exact(line.debit, self.currency) for line in self.lines), Decimal(0))
        credit = sum((exact(line.credit, self.currency) for line in self.lines), Decimal(0))
        if debit != credit:
            raise ValueError(f"does not balance: debits {debit}, credits {credit} {self.currency}")
        return self


Document = Annotated[Invoice | CreditNote | CashReceipt | JournalEntry, Field(discriminator="type")]
"""Any canonical document, told apart by ``type``."""


class InvoiceStatusChange(Value):
    """The store moved an order that is invoiced; the ERP may want to know (flow F5)."""

    type: Literal["invoice_status_change"] = "invoice_status_change"
    invoice: UUID
    status: str
    at: Date


class CatalogueUpdate(Value):
    """What the ERP says of one SKU, for the store (flows F4, F5)."""

    type: Literal["catalogue_update"] = "catalogue_update"
    sku: str
    name: str | None = None
    price: Amount | None = None
    currency: str | None = None
    stock: Amount | None = None
