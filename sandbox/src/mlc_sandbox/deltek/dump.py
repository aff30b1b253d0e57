"""The test-only truth: everything the tenant holds, with amounts as text (facts sheet §16.11).

Tests assert on money through it, never on calls alone. It reads the books themselves, not what was answered.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mlc_sandbox.deltek.ledger import as_text
from mlc_sandbox.deltek.limits import ConcurrencyCount
from mlc_sandbox.deltek.tenant import Tenant, TransFile


def dump(tenant: Tenant, calls: dict[str, int], concurrency: ConcurrencyCount) -> dict[str, Any]:
    """The whole truth of one tenant as JSON-able values."""
    ledger = tenant.ledger
    return {
        "ledger": [as_text(row) for table in ledger.rows.values() for row in table],
        "trial_balance": {
            currency: {account: f"{amount:f}" for account, amount in sorted(accounts.items())}
            for currency, accounts in ledger.balances.items()
        },
        "ar": {f"{row['WBS1']}|{row['Invoice']}": _receivable(tenant, row) for row in ledger.receivables},
        "drafts": [_file(file) for file in tenant.files.values() if not file.posted],
        "posted_files": [_file(file) for file in tenant.files.values() if file.posted],
        "posting_log": [asdict(posting) for posting in ledger.log],
        "firms": [as_text(row) for row in tenant.firms],
        "addresses": [as_text(row) for row in tenant.addresses],
        "contacts": [as_text(row) for row in tenant.contacts],
        "projects": [as_text(row) for row in tenant.projects],
        "users": {u.name: {"period": u.active_period, "company": u.active_company} for u in tenant.users.values()},
        "calls": calls,
        "concurrency": concurrency.figures(),
    }


def _receivable(tenant: Tenant, row: dict[str, Any]) -> dict[str, Any]:
    currency = tenant.ledger.currency_of.get((row["WBS1"], row["Invoice"]), tenant.home())
    key = f"{row['WBS1']}|{row['Invoice']}"
    postings = [
        {"amount": f"{d['InvoiceAmount']:f}", "credit_memo": d["CreditMemoRefNo"]}
        for d in tenant.ledger.ar_details.where("WBS1Invoice", key)
    ]
    return as_text(row) | {"Currency": currency, "Postings": postings}


def _file(file: TransFile) -> dict[str, Any]:
    return {
        "transtype": file.kind.transtype,
        "batch": file.batch,
        "grouped": file.grouped,
        "control": as_text(file.control),
        "masters": [as_text(master) for master in file.masters],
        "details": [as_text(line) for line in file.details],
    }
