"""What posting an entry does to the books: ledger rows, generated offsets, receivables (facts sheet §8.2, §1.2).

Ledger sign is debit plus, credit minus. Entries with the same project and invoice number join one receivable, which is
why a blind second posting doubles revenue without a word. Rows of one run balance to zero per currency.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from mlc_sandbox.deltek import kinds, totals
from mlc_sandbox.deltek.ledger import add_numbered
from mlc_sandbox.deltek.tenant import Tenant, TransFile
from mlc_sandbox.deltek.wire import Row, plain


@dataclass(frozen=True, slots=True)
class Run:
    """One posting run of a file, or of some of its entries."""

    file: TransFile
    masters: list[Row]
    period: int
    post_seq: int


def apply_run(tenant: Tenant, run: Run) -> None:
    """Put a run into the ledger and move receivables."""
    _EFFECTS[run.file.kind.transtype](tenant, run)


def _post_invoices(tenant: Tenant, run: Run) -> None:
    offsets: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    receivable = _receivable_account(tenant, run)
    for master in run.masters:
        lines = run.file.lines_of(master)
        for line in lines:
            currency, org = tenant.currency_of(line["WBS1"]), _org(tenant, line)
            row = _line(tenant, run, master, line, _Amount(-line["Amount"], currency))
            tenant.ledger.add(row | {"RefNo": master["Invoice"], "Invoice": master["Invoice"], "Org": org})
            offsets[currency, org] += line["Amount"]
        _charge(tenant, run, master, lines, receivable)
    for (currency, org), amount in offsets.items():
        _offset(tenant, run, _Amount(amount, currency), account=receivable, org=org)


def _charge(tenant: Tenant, run: Run, master: Row, lines: list[Row], account: str) -> None:
    """Raise (or, by negative lines, lower) what the billing firms of the lines' projects owe."""
    by_project: defaultdict[str, list[Row]] = defaultdict(list)
    for line in lines:
        by_project[line["WBS1"]].append(line)
    for wbs1, of_project in by_project.items():
        amount = totals.total(of_project, "Amount")
        credit = next((line["CreditMemoRefNo"] for line in of_project if line["CreditMemoRefNo"]), "")
        balance = _balance_row(tenant, run, master, wbs1)
        tenant.ledger.receivables.change(
            balance,
            {
                "Balance": balance["Balance"] + amount,
                "OriginalAmt": balance["OriginalAmt"] + (Decimal(0) if credit else amount),
                "CreditMemoRefNo": credit or balance["CreditMemoRefNo"],
            },
        )
        add_numbered(tenant.ledger.ar_details, _ar_detail(tenant, balance, master, (account, amount, credit)))


def _balance_row(tenant: Tenant, run: Run, master: Row, wbs1: str) -> Row:
    known = tenant.ledger.receivables.get(wbs1, master["Invoice"])
    if known is not None:
        return known
    project = tenant.projects.get(wbs1, " ", " ") or {}
    firm = tenant.firms.get(project.get("BillingClientID", "")) or {}
    tenant.ledger.currency_of[wbs1, master["Invoice"]] = tenant.currency_of(wbs1)
    return tenant.ledger.receivables.put(
        {
            "WBS1": wbs1,
            "WBS1Name": project.get("Name", ""),
            "Company": run.file.control["Company"],
            "Invoice": master["Invoice"],
            "InvoiceDate": master["TransDate"],
            "CreditMemoRefNo": "",
            "Balance": Decimal(0),
            "OriginalAmt": Decimal(0),
            "BillingClientID": firm.get("ClientID", ""),
            "BillingClient": firm.get("Name", ""),
        }
    )


def _ar_detail(tenant: Tenant, balance: Row, master: Row, what: tuple[str, Decimal, str]) -> Row:
    account, amount, credit = what
    return {
        "WBS1Invoice": f"{balance['WBS1']}|{balance['Invoice']}",
        "Invoice": balance["Invoice"],
        "CreditMemoRefNo": credit,
        "WBS1": balance["WBS1"],
        "WBS2": master["WBS2"],
        "WBS3": master["WBS3"],
        "Account": account,
        "WBS1Name": balance["WBS1Name"],
        "WBS2Name": tenant.project_name(balance["WBS1"], master["WBS2"], " ") if master["WBS2"].strip() else "",
        "WBS3Name": "",
        "BillClientID": balance["BillingClientID"],
        "BillClient": balance["BillingClient"],
        "BillingGroupWBS1": "",
        "BillingGroupName": "",
        "InvoiceAmount": amount,
    }


def _post_receipts(tenant: Tenant, run: Run) -> None:
    receivable = _receivable_account(tenant, run)
    for master in run.masters:
        bank = tenant.banks.get(master["BankCode"]) or {}
        currency = master["CurrencyCode"] or bank.get("AccountCurrencyCode") or tenant.home()
        lines = run.file.lines_of(master)
        for line in lines:
            row = _line(tenant, run, master, line, _Amount(-line["Amount"], currency))
            tenant.ledger.add(
                row | {"RefNo": master["RefNo"], "Invoice": line["Invoice"], "BankCode": master["BankCode"]}
            )
            if line["Invoice"] and line["Account"] == receivable:
                _settle(tenant, master, line)
        deposited = _Amount(totals.total(lines, "Amount"), currency)
        org = _org(tenant, lines[0]) if lines else ""
        _offset(tenant, run, deposited, account=bank.get("Account", ""), org=org)


def _settle(tenant: Tenant, master: Row, line: Row) -> None:
    balance = tenant.ledger.receivables.get(line["WBS1"], line["Invoice"])
    if balance is None:
        return
    tenant.ledger.receivables.change(balance, {"Balance": balance["Balance"] - line["Amount"]})
    add_numbered(
        tenant.ledger.ar_receipts,
        {
            "WBS1Invoice": f"{line['WBS1']}|{line['Invoice']}",
            "WBS1": line["WBS1"],
            "WBS2": line["WBS2"],
            "WBS3": line["WBS3"],
            "Invoice": line["Invoice"],
            "CashReceiptDate": master["TransDate"],
            "Account": line["Account"],
            "TransType": "CR",
            "SubType": "",
            "InvoiceSection": "",
            "Amount": line["Amount"],
            "RetainerAmount": Decimal(0),
            "WBS1Name": balance["WBS1Name"],
            "WBS2Name": "",
            "WBS3Name": "",
        },
    )


def _post_journal(tenant: Tenant, run: Run) -> None:
    for master in run.masters:
        currency = master["CurrencyCode"] or run.file.control["DefaultCurrencyCode"] or tenant.home()
        for line in run.file.lines_of(master):
            amount = line["DebitAmount"] - line["CreditAmount"]
            row = _line(tenant, run, master, line, _Amount(amount, currency))
            tenant.ledger.add(row | {"RefNo": master["RefNo"]})


def _post_vouchers(tenant: Tenant, run: Run) -> None:
    for master in run.masters:
        currency = master["CurrencyCode"] or run.file.control["DefaultCurrencyCode"] or tenant.home()
        names = {"RefNo": master["Invoice"], "Invoice": master["Invoice"], "Voucher": master["Voucher"]}
        lines = run.file.lines_of(master)
        for line in lines:
            row = _line(tenant, run, master, line, _Amount(line["NetAmount"], currency))
            tenant.ledger.add(row | names)
            tax = line["Amount"] - line["NetAmount"]
            if tax:
                account = _input_tax_account(tenant, run.file, line)
                row = _line(tenant, run, master, line | {"Account": account}, _Amount(tax, currency))
                tenant.ledger.add(row | names | {"SubType": "T"})
        liability = tenant.liabilities.get(master["LiabCode"]) or {}
        owed = _Amount(-totals.total(lines, "Amount"), currency)
        _offset(tenant, run, owed, account=liability.get("Account", ""), org=_org(tenant, lines[0]) if lines else "")


def _input_tax_account(tenant: Tenant, file: TransFile, line: Row) -> str:
    for tax in file.taxes:
        code = tenant.tax_codes.get(tax["TaxCode"])
        if tax["PKey"] == line["PKey"] and code is not None and code["Account"]:
            return str(code["Account"])
    return str(line["Account"])


@dataclass(frozen=True, slots=True)
class _Amount:
    value: Decimal
    currency: str


def _line(tenant: Tenant, run: Run, master: Row, line: Row, amount: _Amount) -> Row:
    """The ledger row of one line; its key is cut to twelve and upper case."""
    return _head(tenant, run, amount) | {
        "PKey": line["PKey"][:12].upper(),
        "WBS1": line["WBS1"],
        "WBS2": line["WBS2"],
        "WBS3": line["WBS3"],
        "Account": line["Account"],
        "Org": _org(tenant, line),
        "TransDate": master["TransDate"],
        "Desc2": line.get("Description") or master.get("TransComment") or master.get("Description", ""),
        "AutoEntry": "N",
        "InvoiceSection": line.get("InvoiceSection", ""),
        "TaxCode": line.get("TaxCode", ""),
        "TaxBasis": line.get("TaxBasis", 0),
        "CreditMemoRefNo": line.get("CreditMemoRefNo", ""),
    }


def _offset(tenant: Tenant, run: Run, amount: _Amount, *, account: str, org: str) -> None:
    """The generated other side of a run: no project, no invoice."""
    row = _head(tenant, run, amount) | {
        "PKey": tenant.next_id("offset")[:12].upper(),
        "Account": account,
        "Org": org,
        "RefNo": "Auto",
        "TransDate": run.masters[0]["TransDate"] if run.masters else "",
        "Desc2": f"Posting Run {run.post_seq}",
        "AutoEntry": "Y",
    }
    tenant.ledger.add(row)


def _head(tenant: Tenant, run: Run, amount: _Amount) -> Row:
    return {
        "Batch": run.file.batch,
        "Period": run.period,
        "PostSeq": run.post_seq,
        "TransType": run.file.kind.transtype,
        "Desc1": f"{_POSTING_NAMES[run.file.kind.transtype]} Posting",
        "Amount": plain(tenant.in_home_currency(amount.value, amount.currency)),
        "TransactionAmount": plain(amount.value),
        "TransactionCurrencyCode": amount.currency,
        "PreInvoice": "N",
        "PostDate": tenant.today(),
    }


def _org(tenant: Tenant, line: Row) -> str:
    project = tenant.projects.get(line["WBS1"], " ", " ")
    return str(project["Org"]) if project else ""


def _receivable_account(tenant: Tenant, run: Run) -> str:
    setup = tenant.auto_posting.get(run.file.control["Company"]) or {}
    return str(setup.get("AcctsReceivable", ""))


_POSTING_NAMES = {"IN": "Invoice", "CR": "Cash Receipt", "JE": "Journal Entry", "AP": "AP Voucher"}
_EFFECTS: dict[str, Callable[[Tenant, Run], None]] = {
    kinds.INVOICE.transtype: _post_invoices,
    kinds.RECEIPT.transtype: _post_receipts,
    kinds.JOURNAL.transtype: _post_journal,
    kinds.VOUCHER.transtype: _post_vouchers,
}
