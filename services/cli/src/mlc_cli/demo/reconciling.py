"""Compares the shop's own tables with the ERP's own tables, order by order. Our tables are asked only for holds.

What must be in the books: total less refunds of every paid order; nothing for an order that is not paid, free, or
cancelled. What is in the books: the receivable of the invoice whose batch is named after the order's id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from mlc_common.money import shown

_PAID = frozenset({"processing", "completed"})
_ZERO = Decimal(0)


@dataclass(frozen=True)
class Row:
    """One order: what the shop kept, what the books say."""

    order: str
    currency: str
    kept: Decimal
    booked: Decimal
    documents: int
    wanted: int
    held: str = ""

    @property
    def difference(self) -> Decimal:
        """Books less shop."""
        return self.booked - self.kept

    @property
    def agrees(self) -> bool:
        """Whether nothing is missing, doubled or off by a cent."""
        return bool(self.held) or (self.difference == 0 and self.documents == self.wanted)


@dataclass(frozen=True)
class Reconciliation:
    """All orders, and what lies in the ERP that no order explains."""

    rows: tuple[Row, ...]
    excluded: Counter[str]
    unexplained: tuple[str, ...]
    invoices: int
    credits: int
    lost: int

    @property
    def expected(self) -> int:
        """Orders that must be accounted for."""
        return len(self.rows)

    @property
    def accounted(self) -> int:
        """Orders that are."""
        return sum(row.agrees for row in self.rows)

    @property
    def reconciles(self) -> bool:
        """Whether everything agrees, both ways."""
        return self.accounted == self.expected and not self.unexplained

    def as_json(self) -> dict[str, Any]:
        """For machines; amounts are strings."""
        return {
            "orders": len(self.rows) + sum(self.excluded.values()),
            "invoices": self.invoices,
            "credits": self.credits,
            "currencies": [
                dict(zip(("currency", "shop", "books", "difference"), (c, *amounts), strict=True))
                for c, *amounts in self._shown()
            ],
            "held": [{"order": row.order, "reason": row.held} for row in self.rows if row.held],
            "excluded": dict(self.excluded),
            "unexplained": list(self.unexplained),
            "webhooks_lost_on_purpose": self.lost,
            "reconciles": self.reconciles,
        }

    def show(self, console: Console) -> None:
        """For people."""
        placed = len(self.rows) + sum(self.excluded.values())
        console.print(
            f"\n[bold]{placed} orders placed[/bold], {self.invoices} invoices and {self.credits} credits posted"
        )
        table = Table("currency")
        for name in ("kept by the shop", "in the ERP's books", "difference"):
            table.add_column(name, justify="right")
        for cells in self._shown():
            table.add_row(*cells)
        console.print(table)
        console.print(f"{self.lost} webhook deliveries were lost on purpose; the poll found those orders.")
        for rule, count in sorted(self.excluded.items()):
            console.print(f"left out: {count} {rule}")
        for row in self.rows:
            if row.held:
                console.print(f"held (in neither sum): order {row.order}, {row.held}", markup=False)
            elif not row.agrees:
                console.print(
                    f"[red]order {row.order}: shop {shown(row.kept, row.currency)}, "
                    f"books {shown(row.booked, row.currency)} {row.currency}, "
                    f"{row.documents} documents instead of {row.wanted}[/red]"
                )
        for batch in self.unexplained:
            console.print(f"[red]in the books without a sale: {batch}[/red]")
        console.print(
            "[green]Everything reconciles.[/green]" if self.reconciles else "[red]It does not reconcile.[/red]"
        )

    def _shown(self) -> Iterable[tuple[str, str, str, str]]:
        for currency, kept, booked in self._sums():
            yield currency, shown(kept, currency), shown(booked, currency), shown(booked - kept, currency)

    def _sums(self) -> Iterable[tuple[str, Decimal, Decimal]]:
        for currency in sorted({row.currency for row in self.rows}):
            rows = [row for row in self.rows if row.currency == currency and not row.held]
            yield currency, sum((row.kept for row in rows), _ZERO), sum((row.booked for row in rows), _ZERO)


def reconcile(shop: dict[str, Any], erp: dict[str, Any], holds: dict[str, Any]) -> Reconciliation:
    """Account for every order of the shop and every file of the ERP.

    Args:
        shop: The shop sandbox's dump.
        erp: The ERP sandbox's dump.
        holds: What `mlc holds --json` says.
    """
    held = {hold["order"].rpartition(":")[2]: f"{hold['reason']}: {hold['detail']}" for hold in holds["holds"]}
    files = {file["batch"]: file for file in erp["posted_files"]}
    of_order: dict[str, list[dict[str, Any]]] = {}
    for batch, file in files.items():
        of_order.setdefault(_order_of(batch), []).append(file)
    refunds: dict[str, list[dict[str, Any]]] = {}
    for refund in shop["refunds"]:
        refunds.setdefault(str(refund["parent_id"]), []).append(refund)
    rows, excluded = [], Counter[str]()
    for order in shop["orders"]:
        row = _row(order, refunds.get(str(order["id"]), []), of_order.get(str(order["id"]), []), held)
        if isinstance(row, str):
            excluded[row] += 1
        else:
            rows.append(row)
    known = {str(order["id"]) for order in shop["orders"]}
    unexplained = tuple(sorted(batch for batch in files if _order_of(batch) not in known))
    # By sign, not by name: the credit of a cancelled order is filed under its invoice's name, with a suffix.
    credit_files = sum(_total(file) < 0 for file in files.values())
    lost = sum(delivery["kind"] == "dropped" for delivery in shop["deliveries"])
    return Reconciliation(tuple(rows), excluded, unexplained, len(files) - credit_files, credit_files, lost)


def _row(
    order: dict[str, Any], refunds: list[dict[str, Any]], files: list[dict[str, Any]], held: dict[str, str]
) -> Row | str:
    number, total = str(order["id"]), Decimal(order["total"])
    paid = order["status"] in _PAID or (order["status"] == "refunded" and order["date_paid_gmt"])
    if not files and number not in held:
        if total == 0:
            return "free of charge"
        if not paid:
            return f"not paid ({order['status']})"
    back = [Decimal(refund["amount"]) for refund in refunds]
    kept = total - sum(back, _ZERO) if paid else _ZERO
    booked = sum((_total(file) for file in files), _ZERO)
    # What adjusts a document comes beside it, as often as the order was changed: the sum alone says if it is right.
    documents = sum(not _adjusts(file["batch"]) for file in files) if paid else len(files)
    wanted = 1 + sum(amount != 0 for amount in back) if paid else documents
    return Row(number, order["currency"], kept, booked, documents, wanted, held.get(number, ""))


def _total(file: dict[str, Any]) -> Decimal:
    return sum((Decimal(str(line["Amount"])) for line in file["details"]), _ZERO)


def _adjusts(batch: str) -> bool:
    """``IN-WC01-1001-A1``, ``CM-WC01-1001-R77-X1``: the last part counts the changes."""
    last = batch.rpartition("-")[2]
    return last[:1] in ("A", "X") and last[1:].isdigit()


def _order_of(batch: str) -> str:
    """``IN-WC01-1001``, ``CM-WC01-1001-R77``, ``IN-WC01-1001-X1``: the order's id is the third part."""
    parts = batch.split("-")
    return parts[2] if len(parts) > 2 else batch
