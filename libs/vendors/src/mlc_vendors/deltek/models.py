"""Rows as Vantagepoint answers them, typed. Their column names are spelled here and nowhere else.

Columns we do not use are dropped; a row without a column that we need is refused rather than filled in.
Source: fact sheet §7, §8, §8.2. Columns whose name is the tenant's own come from the contract (``client.py`` hands
them in under our name).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from mlc_vendors.deltek.values import Amount, Code, Day, Flag, Level, MaybeAmount, MaybeNumber, Text


class Row(BaseModel):
    """One record of an answer."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    @classmethod
    def column(cls, field: str) -> str:
        """How the tenant spells one of our fields."""
        return cls.model_fields[field].alias or field


class Firm(Row):
    """A firm; ``number`` may be blank right after creation (filled by a later workflow)."""

    client_id: Code = Field(alias="ClientID", min_length=1)
    number: Code = Field(alias="Client", default="")
    name: Text = Field(alias="Name", default="")
    status: Code = Field(alias="Status", default="")
    is_client: Flag = Field(alias="ClientInd", default=False)
    org: Code = Field(alias="Org", default="")
    external_key: Code = ""


class FirmAddress(Row):
    """An address of a firm; ``label`` is its only natural key."""

    address_id: Code = Field(alias="CLAddressID", default="")
    label: Text = Field(alias="Address", default="")


class FirmContact(Row):
    """A contact of a firm."""

    contact_id: Code = Field(alias="ContactID", min_length=1)
    client_id: Code = Field(alias="ClientID", default="")
    first_name: Text = Field(alias="FirstName", default="")
    last_name: Text = Field(alias="LastName", default="")
    email: Text = Field(alias="Email", default="")


class Project(Row):
    """A project, phase or task. Only the lowest level takes entries, and only where it is ready for processing."""

    wbs1: Code = Field(alias="WBS1", min_length=1)
    wbs2: Level = Field(alias="WBS2", default="")
    wbs3: Level = Field(alias="WBS3", default="")
    name: Text = Field(alias="Name", default="")
    status: Code = Field(alias="Status", default="")
    charge_type: Code = Field(alias="ChargeType", default="")
    has_sublevel: Flag = Field(alias="SubLevel", default=False)
    ready: Flag = Field(alias="ReadyForProcessing", default=True)
    org: Code = Field(alias="Org", default="")
    client_id: Code = Field(alias="ClientID", default="")
    billing_currency: Code = Field(alias="BillingCurrencyCode", default="")
    billing_client_id: Code = ""


class Account(Row):
    """A general-ledger account; ``type`` 1 asset, 2 liability, 3 equity, 4 revenue, 5 and more costs."""

    account: Code = Field(alias="Account", min_length=1)
    name: Text = Field(alias="Name", default="")
    type: MaybeNumber = Field(alias="Type", default=None)
    status: Code = Field(alias="Status", default="")


class TaxCode(Row):
    """A sales-tax code; ``rate`` in percent."""

    code: Code = Field(alias="Code", min_length=1)
    description: Text = Field(alias="Description", default="")
    rate: MaybeAmount = Field(alias="Rate", default=None)
    status: Code = Field(alias="Status", default="")


class Period(Row):
    """A fiscal period ``yyyypp`` and whether it is closed for the active company."""

    period: int = Field(alias="Period")
    start: Day = Field(alias="AccountPdStart", default=None)
    end: Day = Field(alias="AccountPdEnd", default=None)
    closed: Flag = Field(alias="ActiveCompanyClosed", default=False)
    closed_everywhere: Flag = Field(alias="AllCompaniesClosed", default=False)


class Company(Row):
    """A company of the tenant."""

    company: Code = Field(alias="Company", min_length=1)
    name: Text = Field(alias="FirmName", default="")
    currency: Code = Field(alias="FunctionalCurrencyCode", default="")


class AutoPosting(Row):
    """Accounts that posting uses by itself."""

    company: Code = Field(alias="Company", default="")
    accounts_receivable: Code = Field(alias="AcctsReceivable", min_length=1)


class ControlRow(Row):
    """Header of a transaction file. Without files there is none: then only batch, posted and ``has_header`` speak."""

    batch: Code = Field(alias="Batch", min_length=1)
    description: Text = Field(alias="Description", default="")
    total: MaybeAmount = Field(alias="Total", default=None)
    sum_total: MaybeAmount = Field(alias="SumTotal", default=None)
    diff_total: MaybeAmount = Field(alias="DiffTotal", default=None)
    period: MaybeNumber = Field(alias="Period", default=None)
    company: Code = Field(alias="Company", default="")
    creator: Code = Field(alias="Creator", default="")
    end_date: Day = Field(alias="EndDate", default=None)
    posted: Flag = Field(alias="Posted", default=False)
    has_header: bool = True

    @classmethod
    def of_entry(cls, entry: Entry) -> Self:
        """What can be said of a file that the tenant does not keep: one of its entries stands for it."""
        return cls(batch=entry.batch, posted=entry.posted, has_header=False)


class Entry(Row):
    """One invoice (master) of a file."""

    batch: Code = Field(alias="Batch", min_length=1)
    invoice: Code = Field(alias="Invoice", default="")
    wbs1: Code = Field(alias="WBS1", default="")
    wbs2: Level = Field(alias="WBS2", default="")
    wbs3: Level = Field(alias="WBS3", default="")
    trans_date: Day = Field(alias="TransDate", default=None)
    status: Code = Field(alias="Status", default="")
    currency: Code = Field(alias="CurrencyCode", default="")
    posted: Flag = Field(alias="Posted", default=False)
    comment: Text = ""
    external_key: Code = ""


class Detail(Row):
    """One line of an invoice; a positive amount raises accounts receivable."""

    batch: Code = Field(alias="Batch", min_length=1)
    invoice: Code = Field(alias="Invoice", default="")
    wbs1: Code = Field(alias="WBS1", default="")
    wbs2: Level = Field(alias="WBS2", default="")
    wbs3: Level = Field(alias="WBS3", default="")
    pkey: Code = Field(alias="PKey", min_length=1)
    seq: MaybeNumber = Field(alias="Seq", default=None)
    section: Code = Field(alias="InvoiceSection", default="")
    account: Code = Field(alias="Account")
    amount: Amount = Field(alias="Amount")
    tax_code: Code = Field(alias="TaxCode", default="")
    tax_basis: Amount = Field(alias="TaxBasis", default=Decimal(0))
    credit_memo_ref: Code = ""


class LandingRow(Row):
    """Posting state of a file."""

    trans_type: Code = Field(alias="TransType")
    batch: Code = Field(alias="Batch", min_length=1)
    company: Code = Field(alias="Company", default="")
    period: MaybeNumber = Field(alias="RawPeriod", default=None)
    creator: Code = Field(alias="Creator", default="")
    total: MaybeAmount = Field(alias="Total", default=None)
    approval_status: Code = Field(alias="ApprovalStatus", default="")
    posted: Flag = Field(alias="Posted", default=False)
    post_seq: MaybeNumber = Field(alias="PostSeq", default=None)


class LedgerRow(Row):
    """A posted row; its key is (period, post_seq, pkey). ``auto`` rows are offsets that posting made by itself.

    ``amount`` is in the company's currency, ``billed`` in the currency of the document.
    """

    batch: Code = Field(alias="Batch", min_length=1)
    period: int = Field(alias="Period")
    post_seq: int = Field(alias="PostSeq")
    pkey: Code = Field(alias="PKey", min_length=1)
    wbs1: Code = Field(alias="WBS1", default="")
    wbs2: Level = Field(alias="WBS2", default="")
    wbs3: Level = Field(alias="WBS3", default="")
    account: Code = Field(alias="Account")
    trans_type: Code = Field(alias="TransType", default="")
    ref_no: Code = Field(alias="RefNo", default="")
    trans_date: Day = Field(alias="TransDate", default=None)
    comment: Text = Field(alias="Desc2", default="")
    amount: Amount = Field(alias="Amount")
    transaction_amount: MaybeAmount = Field(alias="TransactionAmount", default=None)
    currency: Code = Field(alias="TransactionCurrencyCode", default="")
    invoice: Code = Field(alias="Invoice", default="")
    section: Code = Field(alias="InvoiceSection", default="")
    tax_code: Code = Field(alias="TaxCode", default="")
    tax_basis: Amount = Field(alias="TaxBasis", default=Decimal(0))
    auto: Flag = Field(alias="AutoEntry", default=False)
    credit_memo_ref: Code = ""

    @property
    def billed(self) -> Decimal:
        """The amount in the currency of the document; the only one where the tenant keeps one currency."""
        return self.amount if self.transaction_amount is None else self.transaction_amount


class Posting(Row):
    """That a file has a row in the ledger, and under which invoice number; of no invoice where posting made the row."""

    batch: Code = Field(alias="Batch", min_length=1)
    invoice: Code = Field(alias="Invoice", default="")


class ArBalance(Row):
    """What is open on an invoice."""

    wbs1: Code = Field(alias="WBS1", min_length=1)
    invoice: Code = Field(alias="Invoice", min_length=1)
    invoice_date: Day = Field(alias="InvoiceDate", default=None)
    company: Code = Field(alias="Company", default="")
    balance: Amount = Field(alias="Balance")
    original: Amount = Field(alias="OriginalAmt")
    billing_client_id: Code = Field(alias="BillingClientID", default="")
    credit_memo_ref: Code = ""
