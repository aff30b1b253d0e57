"""What we send: documents and firms as values, and their bodies as Vantagepoint wants them (§7, §8).

Lengths and amounts are checked before anything is sent: the tenant would pad, cut or fail in its database (§1.10, §6).
Texts for people are cut, keys never are. With ``models.py`` the only place that spells columns.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from mlc_vendors.deltek.contract import LineKind, TenantContract
from mlc_vendors.deltek.errors import ValidationRefused
from mlc_vendors.deltek.values import wire_amount, wire_date, wire_flag

Body = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class InvoiceLine:
    """One line of an invoice or credit.

    Attributes:
        kind: Decides the invoice section, by the contract.
        account: General-ledger account, every digit as it is.
        amount: Positive raises accounts receivable, a credit's is negative; at most two decimals.
        tax_code: For tax lines: the tax code, as the tenant stores it.
        tax_basis: For tax lines: the amount that was taxed, signed like the amount.
    """

    kind: LineKind
    account: str
    amount: Decimal
    tax_code: str = ""
    tax_basis: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class InvoiceFile:
    """One transaction file with one invoice or credit.

    Attributes:
        batch: Name of the file: our idempotency key.
        invoice: Invoice number; a credit carries the number of the invoice it credits.
        credit_memo_ref: A credit's own number; empty for an invoice.
        description: For the accountant, cut to the limit.
        comment: For the accountant, cut to the limit: the order's id first.
        period: Fiscal period ``yyyypp`` that it is to be posted in.
        company: Company, empty where the tenant has one only.
        trans_date: Date of the document.
        wbs1: Project; ``wbs2`` phase and ``wbs3`` task, empty where there is none.
        lines: At least one.
        external_key: Sent where the contract enables the column.
    """

    batch: str
    invoice: str
    description: str
    comment: str
    period: int
    trans_date: date
    wbs1: str
    lines: tuple[InvoiceLine, ...]
    wbs2: str = ""
    wbs3: str = ""
    company: str = ""
    credit_memo_ref: str = ""
    external_key: str = ""

    @property
    def total(self) -> Decimal:
        """Sum of the lines: the file's control total."""
        return sum((line.amount for line in self.lines), Decimal(0))


@dataclass(frozen=True, kw_only=True)
class NewFirm:
    """A client firm to create; its number is the tenant's to give."""

    name: str
    external_key: str


@dataclass(frozen=True, kw_only=True)
class NewAddress:
    """An address of a firm; ``label`` is what it is found by. Countries are spelled as the tenant's list does."""

    label: str
    address1: str = ""
    address2: str = ""
    city: str = ""
    state: str = ""
    postcode: str = ""
    country: str = ""
    billing: bool = True
    primary: bool = True


@dataclass(frozen=True, kw_only=True)
class NewContact:
    """A contact of a firm; the last name is mandatory."""

    last_name: str
    first_name: str = ""
    email: str = ""
    phone: str = ""


def invoice_file_body(file: InvoiceFile, contract: TenantContract) -> Body:
    """Header, entry and lines in one body: files mode.

    Raises:
        ValidationRefused: a key is too long or too short, an amount cannot be posted, or there is nothing to post.
    """
    check_invoice_file(file, contract)
    rules, prefix = contract.transactions, contract.transactions.types["invoice"].prefix
    total = _amount(file.total * rules.signs.invoice_line_raises_ar)
    header: Body = {
        "Batch": file.batch,
        "Description": file.description[: contract.limits.description],
        "Recurring": "N",
        "EndDate": wire_date(file.trans_date),
        "Total": total,
        "RetTotal": 0,
        "Selected": "N",
        "Posted": "N",
        "Creator": rules.creator,
        "Period": file.period,
    }
    if file.company:
        header["Company"] = file.company
    header[f"{prefix}Master"] = [_entry(file, contract)]
    header[f"{prefix}Detail"] = _details(file, contract)
    return header


def invoice_entry_body(file: InvoiceFile, contract: TenantContract) -> Body:
    """One entry with its lines nested: no-files mode. Period and company are the login's.

    Raises:
        ValidationRefused: as ``invoice_file_body``.
    """
    check_invoice_file(file, contract)
    prefix = contract.transactions.types["invoice"].prefix
    return {**_entry(file, contract), f"{prefix}Detail": _details(file, contract)}


def check_invoice_file(file: InvoiceFile, contract: TenantContract) -> None:
    """Refuse what the tenant would cut, pad or fail on.

    Raises:
        ValidationRefused: names the value and the limit.
    """
    limits = contract.limits
    _fits("batch", file.batch, limits.batch)
    _fits("invoice number", file.invoice, limits.invoice, least=limits.invoice_min)
    _fits("credit number", file.credit_memo_ref, limits.ref_no, least=0)
    if not file.wbs1:
        raise ValidationRefused(f"{file.batch} names no project; nothing can be posted without one")
    if not file.lines:
        raise ValidationRefused(f"{file.batch} has no lines; nothing can be posted")
    for line in file.lines:
        _fits("account", line.account, limits.account)
        _fits("tax code", line.tax_code, limits.tax_code, least=1 if line.kind == "tax" else 0)
        if line.tax_code != line.tax_code.upper():
            raise ValidationRefused(f"tax code {line.tax_code} must be upper case, the tenant stores it so")


def firm_body(firm: NewFirm, contract: TenantContract) -> Body:
    """A client firm; ``SortName`` is mandatory, the number is left to the tenant."""
    body: Body = {
        "Name": firm.name,
        "SortName": firm.name,
        "Status": contract.fields.firm_active,
        "ClientInd": wire_flag(True),
        "VendorInd": wire_flag(False),
    }
    if contract.fields.firm_external_key.enabled:
        body[contract.fields.firm_external_key.name] = firm.external_key
    return body


def address_body(address: NewAddress) -> Body:
    """An address; two of its flags are seen as ``true``/``false``, one as ``Y``/``N`` (§1.9)."""
    return {
        "Address": address.label,
        "PrimaryInd": "true" if address.primary else "false",
        "Payment": "true" if address.primary else "false",
        "Billing": wire_flag(address.billing),
        "Address1": address.address1,
        "Address2": address.address2,
        "City": address.city,
        "State": address.state,
        "Zip": address.postcode,
        "Country": address.country,
    }


def contact_body(client_id: str, contact: NewContact) -> Body:
    """A contact of the firm."""
    return {
        "ClientID": client_id,
        "ContactStatus": "A",
        "FirstName": contact.first_name,
        "LastName": contact.last_name,
        "Email": contact.email,
        "Phone": contact.phone,
        "CellPhone": "",
    }


def post_body(contract: TenantContract, *, batch: str, period: int, company: str, description: str, kind: str) -> Body:
    """One file to post; both published forms are known, the contract chooses."""
    parms: Body = {
        "batch": batch,
        "clientcompany": company,
        "description": description[: contract.limits.description],
        "period": str(period),
        "transtype": kind,
    }
    if not company:
        del parms["clientcompany"]
    return {"parms": [parms] if contract.transactions.post_body_form == "array" else parms}


def line_key(batch: str, number: int) -> str:
    """``PKey`` of a line: the same for the same line of the same file, whoever sends it."""
    return hashlib.md5(f"{batch}#{number}".encode(), usedforsecurity=False).hexdigest()


def _entry(file: InvoiceFile, contract: TenantContract) -> Body:
    rules, fields = contract.transactions, contract.fields
    entry: Body = {
        **_place(file, contract),
        "TransDate": wire_date(file.trans_date),
        "DueDate": "",
        fields.entry_comment.name: file.comment[: contract.limits.entry_comment],
        "Posted": "N",
        "Seq": 1,
        "CurrencyExchangeOverrideMethod": "N",
        "CurrencyExchangeOverrideDate": "",
        "CurrencyExchangeOverrideRate": 0,
        "Status": rules.entry_status_on_create,
        "AuthorizedBy": "",
        "RejectReason": "",
        "Diary": "",
        "DiaryNo": 0,
    }
    if fields.entry_external_key.enabled and file.external_key:
        entry[fields.entry_external_key.name] = file.external_key
    return entry


def _details(file: InvoiceFile, contract: TenantContract) -> list[Body]:
    return [_detail(file, number, line, contract) for number, line in enumerate(file.lines, start=1)]


def _detail(file: InvoiceFile, number: int, line: InvoiceLine, contract: TenantContract) -> Body:
    rules = contract.transactions
    return {
        **_place(file, contract),
        "PKey": line_key(file.batch, number)[: contract.limits.pkey],
        "Seq": number,
        "InvoiceSection": getattr(rules.sections, line.kind),
        "TaxCode": line.tax_code,
        "Account": line.account,
        "Amount": _amount(line.amount * rules.signs.invoice_line_raises_ar),
        "RetAmount": 0,
        "TaxBasis": _amount(line.tax_basis * rules.signs.invoice_line_raises_ar),
        "Retainer": "N",
        "LinkWBS1": "",
        "LinkWBS2": "",
        "LinkWBS3": "",
        rules.credit_memo.ref_field: file.credit_memo_ref,
    }


def _place(file: InvoiceFile, contract: TenantContract) -> Body:
    blank = contract.transactions.blank_wbs
    return {
        "Batch": file.batch,
        "Invoice": file.invoice,
        "WBS1": file.wbs1,
        "WBS2": file.wbs2 or blank,
        "WBS3": file.wbs3 or blank,
    }


def _amount(amount: Decimal) -> Decimal:
    try:
        return wire_amount(amount)
    except ValueError as error:
        raise ValidationRefused(str(error)) from None


def _fits(what: str, text: str, longest: int, *, least: int = 1) -> None:
    if not least <= len(text) <= longest:
        raise ValidationRefused(f"{what} {text!r} must have {least} to {longest} characters")
