"""What an entry may say about other records: project, account, tax code, bank, vendor, invoice (facts sheet §8, §16).

Each rule refuses with a sentence; none changes anything. Amounts are checked nowhere here but in journals.
"""

from __future__ import annotations

from collections.abc import Callable

from mlc_sandbox.deltek import kinds, projects, refusals, totals
from mlc_sandbox.deltek.tenant import Tenant, TransFile
from mlc_sandbox.deltek.wire import Row

SECTIONS = frozenset("LEFUAICT")
TAX_SECTION = "T"
STATUSES = frozenset("NSAR")
_LAST_BALANCE_SHEET_TYPE = 3  # 1 asset, 2 liability, 3 equity


def check_entries(tenant: Tenant, file: TransFile) -> None:
    """Check every entry and line of a file.

    Raises:
        Refusal: the first rule that is broken.
    """
    for master in file.masters:
        if (master["Status"] or "N") not in STATUSES:
            raise refusals.same_detail(f"Status {master['Status']} does not exist")
    _RULES[file.kind.transtype](tenant, file)


def _check_invoice(tenant: Tenant, file: TransFile) -> None:
    for master in file.masters:
        project = projects.chargeable(tenant, master)
        if project["ChargeType"] != "R":
            raise refusals.same_detail(f"Project {projects.label(master)} is not a regular project.")
    for line in file.details:
        projects.chargeable(tenant, line)
        check_account(tenant, line)
        if line["InvoiceSection"] not in SECTIONS:
            raise refusals.same_detail(f"Invoice Section {line['InvoiceSection']} does not exist")
        if line["InvoiceSection"] == TAX_SECTION and not line["TaxCode"]:
            raise refusals.same_detail(refusals.please_provide("Tax Code", "inDetail"))
        check_tax_code(tenant, line)


def _check_receipt(tenant: Tenant, file: TransFile) -> None:
    default = file.control["DefaultBank"]
    for bank in ([default] if default else []) + [master["BankCode"] for master in file.masters]:
        if tenant.banks.get(bank) is None:
            raise refusals.same_detail(f"Bank Code {bank} does not exist")
    for line in file.details:
        projects.chargeable(tenant, line)
        check_account(tenant, line)
        check_tax_code(tenant, line)
        if line["Invoice"] and not tenant.ledger.knows_invoice(line["WBS1"], line["Invoice"]):
            raise refusals.same_detail(f"Invoice {line['Invoice']} does not exist for project {line['WBS1']}")


def _check_journal(tenant: Tenant, file: TransFile) -> None:
    for line in file.details:
        account = check_account(tenant, line)
        blank = not str(line["WBS1"] or "").strip()
        if not (blank and account["Type"] <= _LAST_BALANCE_SHEET_TYPE):
            projects.chargeable(tenant, line)
    totals.check_balanced(file.masters, file.details)


def _check_voucher(tenant: Tenant, file: TransFile) -> None:
    for master in file.masters:
        vendor_known = bool(tenant.firms.where("Vendor", master["Vendor"]))
        if not vendor_known or tenant.liabilities.get(master["LiabCode"]) is None:
            raise refusals.null_reference()
    for line in file.details:
        projects.chargeable(tenant, line)
        check_account(tenant, line)
    for tax in file.taxes:
        check_tax_code(tenant, tax)


def check_account(tenant: Tenant, line: Row) -> Row:
    """The account of a line.

    Raises:
        Refusal: there is none of this code, or it is not active.
    """
    account = tenant.accounts.get(line["Account"])
    if account is None:
        raise refusals.same_detail(f"Account {line['Account']} does not exist")
    if account["Status"] != "A":
        raise refusals.same_detail(f"Account {line['Account']} is not active.")
    return account


def check_tax_code(tenant: Tenant, line: Row) -> None:
    """Refuse a tax code that is unknown or not active; its stored form counts."""
    if not line["TaxCode"]:
        return
    code = tenant.tax_codes.get(line["TaxCode"])
    if code is None:
        raise refusals.same_detail(f"Tax Code {line['TaxCode']} does not exist")
    if code["Status"] != "A":
        raise refusals.same_detail(f"Tax Code {line['TaxCode']} is not active.")


_RULES: dict[str, Callable[[Tenant, TransFile], None]] = {
    kinds.INVOICE.transtype: _check_invoice,
    kinds.RECEIPT.transtype: _check_receipt,
    kinds.JOURNAL.transtype: _check_journal,
    kinds.VOUCHER.transtype: _check_voucher,
}
