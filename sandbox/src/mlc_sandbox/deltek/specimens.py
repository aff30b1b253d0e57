"""Bodies of small, correct documents, for tests of the sandbox and for people who try it by hand.

They are as short as the tenant accepts; the samples of the facts sheet show the full ones.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mlc_sandbox.deltek.wire import Row


def invoice(batch: str = "IN-WC01-1", number: str = "WA00001", **changes: Any) -> Row:
    """An AR invoice of 100.00 + 8.00 tax; `lines` replaces them, other names change header or entry.

    Args:
        batch: the file's name.
        number: the invoice's number.
        changes: `lines` ([(account, amount, tax code or "")]), `wbs` (tuple of one to three), `credit` (credit memo
            number), or any column of the header.
    """
    wbs = (*changes.pop("wbs", ("STORE.WEB01",)), " ", " ")[:3]
    lines = changes.pop("lines", [("401.00", Decimal("100.00"), ""), ("221.00", Decimal("8.00"), "IL_STATE")])
    credit = changes.pop("credit", "")
    entry: Row = {"Batch": batch, "Invoice": number, "WBS1": wbs[0], "WBS2": wbs[1], "WBS3": wbs[2]}
    master = entry | {"TransDate": "2026-11-20T00:00:00.000", "TransComment": "Order 1", "Seq": 1, "Status": "A"}
    return {
        "Batch": batch,
        "Description": "Order 1",
        "EndDate": "2026-11-20T00:00:00.000",
        "Total": sum(amount for _, amount, _ in lines),
        "Period": 202611,
        "Company": "00",
        "inMaster": [master],
        "inDetail": [_line(entry, number_, line, credit) for number_, line in enumerate(lines, 1)],
        **changes,
    }


def _line(entry: Row, number: int, line: tuple[str, Decimal, str], credit: str) -> Row:
    account, amount, tax_code = line
    section = "T" if tax_code else "F"
    return entry | {
        "PKey": f"{number:08x}{entry['Batch']}"[:32],
        "Seq": number,
        "InvoiceSection": section,
        "Account": account,
        "Amount": amount,
        "TaxCode": tax_code,
        "CreditMemoRefNo": credit,
    }


def loose_invoice(batch: str = "IN-WC01-1", number: str = "WA00001", **changes: Any) -> Row:
    """The same invoice as one entry with nested lines, for a tenant without files."""
    body = invoice(batch, number, **changes)
    return {**body["inMaster"][0], "inDetail": body["inDetail"]}


def transfer(batch: str = "IN-WC01-1", period: int | str = "202611", transtype: str = "IN") -> Row:
    """The body of PostTransFile for one file."""
    return {"parms": {"batch": batch, "description": "Order 1", "period": str(period), "transtype": transtype}}
