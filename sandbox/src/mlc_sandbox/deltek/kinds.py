"""The transaction types of DataEntry: their path prefix, ledger code, tables and keys (facts sheet §8).

It lists; it must never branch. What differs between types in behaviour stands in `totals.py` and `effects.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlc_sandbox.deltek import columns
from mlc_sandbox.deltek.columns import Entity


@dataclass(frozen=True, slots=True)
class Kind:
    """One transaction type."""

    prefix: str
    transtype: str
    title: str
    entry_key: str
    control: Entity
    master: Entity
    detail: Entity
    tax: Entity | None

    @property
    def master_grid(self) -> str:
        """The name of the array of entries."""
        return f"{self.prefix}Master"

    @property
    def detail_grid(self) -> str:
        """The name of the array of lines."""
        return f"{self.prefix}Detail"

    @property
    def tax_grid(self) -> str:
        """The name of the array of tax lines."""
        return f"{self.prefix}DetailTax"


INVOICE = Kind("in", "IN", "Invoices", "Invoice", columns.IN_CONTROL, columns.IN_MASTER, columns.IN_DETAIL, None)
RECEIPT = Kind("cr", "CR", "Cash Receipts", "RefNo", columns.CR_CONTROL, columns.CR_MASTER, columns.CR_DETAIL, None)
JOURNAL = Kind(
    "je",
    "JE",
    "Journal Entries",
    "RefNo",
    columns.JE_CONTROL,
    columns.JE_MASTER,
    columns.JE_DETAIL,
    columns.JE_DETAIL_TAX,
)
VOUCHER = Kind(
    "ap",
    "AP",
    "AP Vouchers",
    "MasterPKey",
    columns.AP_CONTROL,
    columns.AP_MASTER,
    columns.AP_DETAIL,
    columns.AP_DETAIL_TAX,
)
KINDS = (INVOICE, RECEIPT, JOURNAL, VOUCHER)
BY_TRANSTYPE = {kind.transtype: kind for kind in KINDS}

# Prefixes that exist on the real server and only ever list nothing here.
OTHER_PREFIXES = ("cv", "cd", "ex", "mi", "un", "up", "ts", "la")
