"""The ledger: posted rows by type, account balances, posting sequences, and the receivables they leave.

Everything in it was posted; nothing is ever changed or removed, as in the real system, but where a test tampers with
it. Sums are kept while posting, so that a reader of thousands of rows stays quick.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from mlc_sandbox.deltek.tables import Table
from mlc_sandbox.deltek.wire import Row

LEDGER_COLUMNS = (
    "Batch", "Period", "PostSeq", "PKey", "WBS1", "WBS2", "WBS3", "Account", "Org", "TransType", "SubType", "RefNo",
    "TransDate", "Desc1", "Desc2", "Amount", "TransactionAmount", "TransactionCurrencyCode", "AutoEntry", "Invoice",
    "InvoiceSection", "TaxCode", "TaxBasis", "CreditMemoRefNo", "BankCode", "LinkCompany", "PreInvoice",
    "SourceExchangeInfo", "PostDate", "Voucher",
)  # fmt: skip
AR_COLUMNS = (
    "WBS1", "WBS1Name", "Company", "Invoice", "InvoiceDate", "CreditMemoRefNo", "Balance", "OriginalAmt",
    "BillingClientID", "BillingClient",
)  # fmt: skip
AR_DETAIL_COLUMNS = (
    "Invoice", "CreditMemoRefNo", "WBS1", "WBS2", "WBS3", "Account", "WBS1Name", "WBS2Name", "WBS3Name",
    "BillClientID", "BillClient", "BillingGroupWBS1", "BillingGroupName", "InvoiceAmount",
)  # fmt: skip
AR_RECEIPT_COLUMNS = (
    "WBS1", "WBS2", "WBS3", "Invoice", "CashReceiptDate", "Account", "TransType", "SubType", "InvoiceSection",
    "Amount", "RetainerAmount", "WBS1Name", "WBS2Name", "WBS3Name",
)  # fmt: skip
_NUMERIC = {"Period", "PostSeq", "Amount", "TransactionAmount", "TaxBasis"}


@dataclass(slots=True)
class Posting:
    """One line of the posting log: which run posted what, and by whom."""

    transtype: str
    batch: str
    period: int
    post_seq: int
    user: str
    at: str
    records: int
    of: int
    result: str


@dataclass(slots=True)
class Ledger:
    """Posted rows and the balances that follow from them."""

    rows: dict[str, Table] = field(default_factory=dict)
    balances: defaultdict[str, defaultdict[str, Decimal]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(Decimal))
    )
    sequences: Counter[int] = field(default_factory=Counter)
    log: list[Posting] = field(default_factory=list)
    receivables: Table = field(
        default_factory=lambda: Table(
            AR_COLUMNS, key=("WBS1", "Invoice"), indexed=("WBS1", "Invoice", "BillingClientID")
        )
    )
    ar_details: Table = field(default_factory=lambda: _numbered(AR_DETAIL_COLUMNS, ("WBS1Invoice", "Invoice")))
    ar_receipts: Table = field(default_factory=lambda: _numbered(AR_RECEIPT_COLUMNS, ("WBS1Invoice", "Invoice")))
    currency_of: dict[tuple[str, str], str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def table(self, transtype: str) -> Table:
        """The posted rows of one type."""
        if transtype not in self.rows:
            self.rows[transtype] = _numbered(LEDGER_COLUMNS, ("Batch", "Invoice"))
        return self.rows[transtype]

    def add(self, row: Row) -> None:
        """Store one posted row and move its account's balance."""
        table = self.table(row["TransType"])
        table.put({**ledger_row(), **row, "#": next(self.numbers)})
        self.balances[row["TransactionCurrencyCode"]][row["Account"]] += row["TransactionAmount"]

    def remove(self, row: Row) -> None:
        """Take a stored row out: what no tenant does."""
        self.table(row["TransType"]).remove(row["#"])
        self.balances[row["TransactionCurrencyCode"]][row["Account"]] -= row["TransactionAmount"]

    def change(self, row: Row, by: Decimal) -> None:
        """Change the amount of a stored row: what no tenant does."""
        self.balances[row["TransactionCurrencyCode"]][row["Account"]] += by
        amounts = {name: row[name] + by for name in ("Amount", "TransactionAmount")}
        self.table(row["TransType"]).change(row, amounts)

    def next_sequence(self, period: int, first: int) -> int:
        """The number of the next posting run of a period; runs restart in each period."""
        self.sequences[period] = max(self.sequences[period] + 1, first)
        return self.sequences[period]

    def knows_invoice(self, wbs1: str, invoice: str) -> bool:
        """Whether anything of this project and number is posted."""
        return self.receivables.get(wbs1, invoice) is not None


def ledger_row() -> Row:
    """A row with every column blank."""
    return {name: (0 if name in _NUMERIC else "") for name in LEDGER_COLUMNS}


def shown(row: Row) -> Row:
    """A stored row without the columns that only the sandbox needs."""
    return {name: value for name, value in row.items() if name not in {"#", "WBS1Invoice"}}


def _numbered(names: tuple[str, ...], indexed: tuple[str, ...]) -> Table:
    return Table(names, key=("#",), indexed=indexed)


def add_numbered(table: Table, row: Row) -> None:
    """Append a row to a table that numbers its rows."""
    table.put({**row, "#": len(table)})


def as_text(row: dict[str, Any]) -> dict[str, Any]:
    """A row for the dump: amounts as text, so that no reader turns them into floats."""
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in shown(row).items()}
