"""Reads the sandboxes' own dumps: what the ERP holds for an order, what the shop delivered. Never our tables.

Amounts raise receivables when positive; a credit is negative. Pure functions of a dump.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

Dump = dict[str, Any]


def posted(erp: Dump, order_id: int) -> dict[str, Decimal]:
    """Every posted file of an order: batch → what it put on the receivable."""
    files = [file for file in erp["posted_files"] if _order_of(file["batch"]) == str(order_id)]
    batches = [file["batch"] for file in files]
    assert len(set(batches)) == len(batches), f"the same batch twice: {batches}"
    return {file["batch"]: _total(file) for file in files}


def drafts(erp: Dump, order_id: int) -> list[str]:
    """Batches of an order that were begun and not posted."""
    return sorted(file["batch"] for file in erp["drafts"] if _order_of(file["batch"]) == str(order_id))


def lines(erp: Dump, batch: str) -> dict[str, Decimal]:
    """What a posted file put on each account."""
    sums: dict[str, Decimal] = {}
    (file,) = [file for file in erp["posted_files"] if file["batch"] == batch]
    for line in file["details"]:
        sums[line["Account"]] = sums.get(line["Account"], Decimal(0)) + Decimal(line["Amount"])
    return sums


def balance(erp: Dump, order_id: int) -> Decimal:
    """What the buyer still owes for an order, by the ERP's own receivables, after every posting and credit."""
    files = [file for file in erp["posted_files"] if _order_of(file["batch"]) == str(order_id)]
    invoices = {line["Invoice"] for file in files for line in file["details"]}
    rows = [row for row in erp["ar"].values() if row["Invoice"] in invoices]
    return sum((Decimal(posting["amount"]) for row in rows for posting in row["Postings"]), Decimal(0))


def ledger_balances(erp: Dump) -> bool:
    """Whether debits equal credits in every currency of the trial balance."""
    return all(not sum(map(Decimal, accounts.values())) for accounts in erp["trial_balance"].values())


def deliveries(shop: Dump, order_id: int) -> list[tuple[str, int | None]]:
    """Topic and answer of every webhook that the shop sent about an order, in order; dropped ones were never sent."""
    sent = (one for one in shop["deliveries"] if one["kind"] == "delivery" and one["argument"] == order_id)
    return [(one["topic"], one["answered"]) for one in sent]


def _total(file: Dump) -> Decimal:
    return sum((Decimal(line["Amount"]) for line in file["details"]), Decimal(0))


def _order_of(batch: str) -> str:
    """``IN-WC01-1001``, ``CM-WC01-1001-R77``, ``IN-WC01-1001-X1``."""
    parts = batch.split("-")
    return parts[2] if len(parts) > 2 else ""
