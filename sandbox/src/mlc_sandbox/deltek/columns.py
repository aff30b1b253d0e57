"""The columns of every entity that can be written, and how a written value becomes a stored one.

From here come: refusal of unknown fields, missing mandatory columns, text that is too long for its column, number and
date forms, and the answers of `metadata`. Lengths follow facts sheet §13. It must never look at other records.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from mlc_sandbox.deltek import dates, refusals
from mlc_sandbox.deltek.config import Config
from mlc_sandbox.deltek.wire import Row, plain

EXTERNAL_KEY = "custMLKey"
_NUMBERS = {"amount": "decimal", "int": "int"}
_FORBIDDEN_BLANK = {"Company"}  # columns that reject the empty string instead of clearing
_LARGEST = Decimal(10) ** 15


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `kind` is text, flag, date, amount or int; `length` counts for text only."""

    name: str
    kind: str
    length: int
    required: bool
    read_only: bool

    def blank(self) -> Any:
        """What is stored when nothing was sent."""
        return 0 if self.kind in _NUMBERS else ""


@dataclass(frozen=True, slots=True)
class Entity:
    """A table of the tenant's database as writers see it."""

    table: str
    columns: dict[str, Column]

    @property
    def names(self) -> tuple[str, ...]:
        """All column names in order."""
        return tuple(self.columns)


def entity(table: str, spec: str) -> Entity:
    """Read a compact column list: `Name:100!` is a required text, `Total:amount`, `X:30*` is read-only."""
    columns = [_column(word) for word in spec.split()]
    return Entity(table, {c.name: c for c in columns})


def _column(word: str) -> Column:
    marks = word[len(word.rstrip("!*")) :]
    name, _, kind = word.rstrip("!*").partition(":")
    length = int(kind) if kind.isdigit() else 1 if kind == "flag" else 0
    return Column(name, "text" if kind.isdigit() else kind, length, "!" in marks, "*" in marks)


_EXCHANGE = "CurrencyExchangeOverrideMethod:1 CurrencyExchangeOverrideDate:date CurrencyExchangeOverrideRate:amount"
_APPROVAL = "Status:1 AuthorizedBy:20 RejectReason:255 Diary:10 DiaryNo:int"
_WBS = "WBS1:30! WBS2:30 WBS3:30"
_CONTROL_HEAD = "Batch:32! Description:40 Recurring:flag EndDate:date"
_CONTROL_TAIL = "Selected:flag Posted:flag Creator:32 Period:int Company:14"

FIRM = entity(
    "CL",
    "ClientID:32* Client:20 Name:100! SortName:100! Status:1! ClientInd:flag! VendorInd:flag! Vendor:20 Category:20 "
    "Org:30 Type:10 WebSite:255 Memo:4000 FedID:30 CustomCurrencyCode:3 ReadyForProcessing:flag AvailableForCRM:flag "
    "PrimaryAddress1:50* PrimaryAddress2:50* PrimaryCity:30* PrimaryState:10* PrimaryZip:10* PrimaryCountry:40* "
    "PrimaryPhone:24* PrimaryEmail:100* CreateUser:32* CreateDate:date* ModUser:32* ModDate:date*",
)
ADDRESS = entity(
    "CLAddress",
    "CLAddressID:32 ClientID:32 Address:20! Addressee:100 Address1:50 Address2:50 Address3:50 Address4:50 City:30 "
    "State:10 Zip:10 Country:40 Phone:24 FAX:24 Email:100 PrimaryInd:5 Billing:5 Payment:5 Accounting:5 "
    "TaxRegistrationNumber:30 TaxCountryCode:3",
)
CONTACT = entity(
    "Contacts",
    "ContactID:32* ClientID:32 LastName:50! FirstName:25 ContactStatus:1 Email:100 Phone:24 CellPhone:24 Title:50 "
    "Salutation:10 Memo:4000",
)
PROJECT = entity(
    "PR",
    "WBS1:30! WBS2:30 WBS3:30 Name:100! ChargeType:1! Status:1! SubLevel:flag ReadyForProcessing:flag Org:30! "
    "ClientID:32 BillingClientID:32 BillingCurrencyCode:3 RevType:5 LongName:255",
)
ACCOUNT = entity(
    "CA",
    "Account:13! Name:40 Type:int Status:1 Detail:1 CashBasisAccount:13! UnrealizedLossAccount:13! "
    "UnrealizedGainAccount:13! CashBasisRevaluation:1! GlobalAccount:1 AccountCurrencyCode:3",
)
TAX_CODE = entity("CFGTaxCode", "Code:10! Description:40! Rate:amount! Status:1! CompoundOnTaxCode:10 Account:13")
EMPLOYEE = entity(
    "EM",
    "Employee:20! EmployeeCompany:14! HomeCompany:14! Org:30! Status:1! FirstName:25! LastName:50! HireDate:date "
    "Type:1 PayType:1 ReadyForProcessing:flag EMail:100",
)
ORGANIZATION = entity("Organization", "Org:30! Name:100! Status:1!")

IN_CONTROL = entity("inControl", f"{_CONTROL_HEAD} Total:amount RetTotal:amount {_CONTROL_TAIL} DefaultTaxCode:10")
IN_MASTER = entity(
    "inMaster",
    f"Batch:32! Invoice:12! {_WBS} TransDate:date! DueDate:date TransComment:80 Posted:flag Seq:int {_EXCHANGE} "
    f"{_APPROVAL}",
)
IN_DETAIL = entity(
    "inDetail",
    f"Batch:32! Invoice:12! {_WBS} PKey:32! Seq:int InvoiceSection:1! TaxCode:10 Account:13! Amount:amount! "
    "RetAmount:amount TaxBasis:amount Retainer:flag LinkWBS1:30 LinkWBS2:30 LinkWBS3:30 CreditMemoRefNo:12",
)
CR_CONTROL = entity("crControl", f"{_CONTROL_HEAD} Total:amount DefaultBank:10 {_CONTROL_TAIL}")
CR_MASTER = entity(
    "crMaster",
    "Batch:32! RefNo:12! TransDate:date! TransComment:80 Posted:flag BankCode:10! Seq:int CurrencyCode:3 "
    f"{_EXCHANGE} {_APPROVAL}",
)
CR_DETAIL = entity(
    "crDetail",
    f"Batch:32! RefNo:12! PKey:32! Seq:int Description:80 {_WBS} Account:13! Amount:amount! Interest:flag TaxCode:10 "
    "TaxBasis:amount Retainer:flag CurrencyExchangeOverrideRate:amount SourceCurrencyCode:3 SourceBalance:20 "
    "SourceAmount:amount SourceExchangeInfo:255 LinkCompany:14 PreInvoice:flag Invoice:12",
)
JE_CONTROL = entity(
    "jeControl",
    f"{_CONTROL_HEAD} DefaultCurrencyCode:3 Total:amount CreditsTotal:amount AllowTaxEntries:flag {_CONTROL_TAIL} "
    "Reverse:flag ReverseDate:date RecurSchedule:flag",
)
JE_MASTER = entity(
    "jeMaster",
    "Batch:32! RefNo:12! TransDate:date! Description:80 Type:1 UpdateBilled:flag Posted:flag Seq:int CurrencyCode:3 "
    f"{_EXCHANGE} {_APPROVAL} AllowAssetEntries:flag",
)
JE_DETAIL = entity(
    "jeDetail",
    f"Batch:32! RefNo:12! PKey:32! Seq:int Description:80 {_WBS} Account:13! DebitAmount:amount! "
    "CreditAmount:amount! CurrencyExchangeOverrideRate:amount SuppressBill:flag LinkCompany:14 "
    "DebitAmountFunctionalCurrency:amount CreditAmountFunctionalCurrency:amount DebitAmountProjectCurrency:amount "
    "CreditAmountProjectCurrency:amount",
)
AP_CONTROL = entity(
    "apControl",
    f"{_CONTROL_HEAD} DefaultCurrencyCode:3 Total:amount DefaultLiab:10 DefaultBank:10 DefaultDate:date "
    f"{_CONTROL_TAIL}",
)
AP_MASTER = entity(
    "apMaster",
    "Batch:32! MasterPKey:32! Vendor:20! InvoiceDate:date Invoice:50 TransDate:date! LiabCode:10! BankCode:10 "
    "PayTerms:10 PayDate:date Address:20 Posted:flag Seq:int Voucher:12 CurrencyCode:3 PaymentCurrencyCode:3 "
    f"{_EXCHANGE} PaymentExchangeOverrideMethod:1 PaymentExchangeOverrideDate:date "
    f"PaymentExchangeOverrideRate:amount {_APPROVAL} AllowAssetEntries:flag",
)
AP_DETAIL = entity(
    "apDetail",
    f"Batch:32! MasterPKey:32! PKey:32! Seq:int Description:80 {_WBS} Account:13! Amount:amount! NetAmount:amount! "
    "PaymentAmount:amount SuppressBill:flag CurrencyExchangeOverrideRate:amount PONumber:20 ExpenseCode:10 "
    "OriginatingVendor:20",
)
AP_DETAIL_TAX = entity(
    "apDetailTax", "Batch:32! MasterPKey:32! PKey:32! TaxCode:10! Seq:int TaxAmount:amount! CompoundOnTaxCode:10"
)
JE_DETAIL_TAX = entity("jeDetailTax", "Batch:32! RefNo:12! PKey:32! TaxCode:10! Seq:int TaxAmount:amount!")

_LABELS = {"CL": "Firm", "Contacts": "Contact", "PR": "Project", "CA": "Account"}  # tables as sentences call them
_CUT_SILENTLY = {"TaxCode", "CompoundOnTaxCode", "DefaultTaxCode"}  # upper-cased and cut, never refused


def extended(base: Entity, enabled: bool) -> Entity:
    """The entity with the user-defined external key column, where the tenant has defined one."""
    if not enabled:
        return base
    key = Column(EXTERNAL_KEY, "text", 50, required=False, read_only=False)
    return Entity(base.table, {**base.columns, EXTERNAL_KEY: key})


def check_fields(given: Row, of: Entity, also: Iterable[str] = ()) -> None:
    """Refuse fields that the entity does not have; `also` names nested grids."""
    allowed = set(also)
    unknown = [name for name in given if name not in of.columns and name not in allowed]
    if len(unknown) == 1:
        raise refusals.same_detail(refusals.unknown_field(unknown[0]))
    if unknown:
        raise refusals.joined(refusals.unknown_field(name) for name in unknown)


def check_mandatory(given: Row, of: Entity) -> None:
    """Refuse a new record that lacks a mandatory key or leaves its value blank."""
    missing = [c.name for c in of.columns.values() if c.required and c.name not in given]
    if missing:
        raise refusals.same_detail(refusals.missing_column(missing[0]))


def check_filled(row: Row, of: Entity, names: Iterable[str]) -> None:
    """Refuse a record whose value is blank where the tenant wants one."""
    label = _LABELS.get(of.table, of.table)
    blank = [refusals.please_provide(name, label) for name in names if not str(row.get(name, "")).strip()]
    if blank:
        raise refusals.joined(blank)


def stored(given: Row, of: Entity, config: Config, *, partial: bool = False) -> Row:
    """Turn sent values into stored ones; `partial` keeps only what was sent.

    Raises:
        Refusal: a text is too long, a number or a date has no valid form.
    """
    row: Row = {}
    for name, column in of.columns.items():
        if name in given and not column.read_only:
            row[name] = _value(given[name], column, of.table, config)
        elif not partial:
            row[name] = column.blank()
    return row


def _value(value: Any, column: Column, table: str, config: Config) -> Any:
    if column.kind in _NUMBERS:
        return _number(value, column, config)
    text = "" if value is None else str(value)
    if column.name in _FORBIDDEN_BLANK and not text.strip():
        raise refusals.same_detail(f"Cannot insert NULL into {column.name}")
    if column.kind == "date":
        return dates.show(dates.parse(text), config.date_style)
    if column.name in _CUT_SILENTLY:
        return tax_key(text)
    if len(text) > column.length:
        raise refusals.truncated(
            database=config.database, table=table, column=column.name, value=text, length=column.length
        )
    return text


def tax_key(code: str) -> str:
    """The stored form of a tax code: upper case, cut at ten."""
    return code.upper()[:10]


def _number(value: Any, column: Column, config: Config) -> Any:
    if value is None or value == "":
        return 0
    try:
        number = Decimal("NaN") if isinstance(value, bool) else Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        number = Decimal("NaN")
    if not _fits(number, column, config):
        raise refusals.same_detail(f"Invalid value for {column.name}: {str(value)[:40]}")
    return int(number) if column.kind == "int" else plain(number)


def _fits(number: Decimal, column: Column, config: Config) -> bool:
    """Plain digits, no exponent, not finer than the column and not larger than the database holds."""
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or exponent > 0 or abs(number) >= _LARGEST:
        return False
    places = 0 if column.kind == "int" else 9 if "Rate" in column.name else config.max_decimals
    return exponent >= -30 and number == round(number, places)


def describe(name: str, of: Entity) -> Row:
    """The answer of `metadata/{table}`."""
    kinds = {"text": "string", "flag": "string", "date": "datetime", **_NUMBERS}
    described = [
        {
            "FieldName": c.name,
            "FieldType": kinds[c.kind],
            "MaxLength": c.length,
            "IsRequired": c.required,
            "IsReadOnly": c.read_only,
        }
        for c in of.columns.values()
    ]
    return {"TableName": name, "Fields": described}
