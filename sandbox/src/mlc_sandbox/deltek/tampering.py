"""Somebody changes the books behind everybody's back: posted documents removed, posted again, or altered.

The real system offers none of this through its interface; a person with rights in the database, or an undone posting,
can do it all the same, and whoever compares the books must notice. Used by the control API alone.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from mlc_sandbox.control import BadControl
from mlc_sandbox.deltek.entry import forget
from mlc_sandbox.deltek.ledger import add_numbered
from mlc_sandbox.deltek.tenant import Tenant
from mlc_sandbox.deltek.wire import Row

if TYPE_CHECKING:
    from mlc_sandbox.deltek.api import VendorApi

_TYPE = "IN"


def remove_posting(api: VendorApi, given: dict[str, Any]) -> Row:
    """Take a posted invoice or credit out of the books: {"batch"}."""
    tenant, batch = api.tenant, str(given["batch"])
    rows = _posted(tenant, batch)
    for row in rows:
        tenant.ledger.remove(row)
    _receivable(tenant, rows, -_charged(rows))
    file = tenant.file(_TYPE, batch)
    if file is not None:
        forget(tenant, file)
    return {"removed": batch, "rows": len(rows)}


def repeat_posting(api: VendorApi, given: dict[str, Any]) -> Row:
    """Post a posted invoice or credit a second time, under the same name: {"batch"}."""
    tenant, batch = api.tenant, str(given["batch"])
    rows = _posted(tenant, batch)
    seq = tenant.ledger.next_sequence(rows[0]["Period"], tenant.config.first_post_seq)
    for row in rows:
        tenant.ledger.add(row | {"PostSeq": seq})
    _receivable(tenant, rows, _charged(rows))
    return {"repeated": batch, "post_seq": seq}


def alter_posting(api: VendorApi, given: dict[str, Any]) -> Row:
    """Raise what a posted invoice says, on its first line and its receivable: {"batch", "by": "1.00"}."""
    tenant, batch, by = api.tenant, str(given["batch"]), Decimal(str(given["by"]))
    rows = _posted(tenant, batch)
    line = next(row for row in rows if row["AutoEntry"] != "Y")
    offset = next((row for row in rows if row["AutoEntry"] == "Y"), None)
    tenant.ledger.change(line, -by)
    if offset is not None:
        tenant.ledger.change(offset, by)
    _receivable(tenant, rows, by)
    file = tenant.file(_TYPE, batch)
    if file is not None:
        file.details[0]["Amount"] += by
    return {"altered": batch, "by": str(by)}


def _posted(tenant: Tenant, batch: str) -> list[Row]:
    rows = tenant.ledger.table(_TYPE).where("Batch", batch)
    if not rows:
        raise BadControl(f"nothing is posted under {batch}")
    return rows


def _charged(rows: list[Row]) -> Decimal:
    """What the rows put on the receivable: the ledger's credits raise it."""
    return -sum((row["TransactionAmount"] for row in rows if row["AutoEntry"] != "Y"), Decimal(0))


def _receivable(tenant: Tenant, rows: list[Row], amount: Decimal) -> None:
    line = next(row for row in rows if row["AutoEntry"] != "Y")
    balance = tenant.ledger.receivables.get(line["WBS1"], line["Invoice"])
    if balance is None:
        return
    tenant.ledger.receivables.change(balance, {"Balance": balance["Balance"] + amount})
    detail = next(iter(tenant.ledger.ar_details.where("WBS1Invoice", f"{line['WBS1']}|{line['Invoice']}")))
    add_numbered(tenant.ledger.ar_details, detail | {"InvoiceAmount": amount})
