"""Counts and sums of verdicts, by currency: what a bookkeeper sees first, and what the event and the metrics say.

Folded one verdict at a time, so that a long period needs no more memory than a short one. Pure.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from mlc_reconciler.evidence import UNEXPLAINED, Judged, Verdict

_ZERO = Decimal(0)


@dataclass
class Sum:
    """Of one verdict in one currency; a refund is negative."""

    orders: int = 0
    refunds: int = 0
    documents: int = 0
    store: Decimal = _ZERO
    books: Decimal = _ZERO

    def add(self, one: Judged) -> None:
        """Count one verdict."""
        self.orders += one.kind == "order"
        self.refunds += one.kind == "refund"
        self.documents += one.kind == "document"
        self.store += one.store
        self.books += one.books

    @property
    def difference(self) -> Decimal:
        """Books less store."""
        return self.books - self.store


@dataclass
class Payments:
    """Payments that the store knows of, in one currency: how many, how much, and what became of their orders."""

    amount: Decimal = _ZERO
    by_verdict: Counter[Verdict] = field(default_factory=Counter)


@dataclass
class Tally:
    """Everything that was judged so far."""

    sums: dict[tuple[Verdict, str], Sum] = field(default_factory=dict)
    payments: dict[str, Payments] = field(default_factory=dict)

    def add(self, one: Judged) -> None:
        """Count one verdict."""
        self.sums.setdefault((one.verdict, one.currency), Sum()).add(one)
        if one.paid is not None:
            payments = self.payments.setdefault(one.currency, Payments())
            payments.amount += one.paid.amount
            payments.by_verdict[one.verdict] += 1

    @property
    def counts(self) -> dict[str, int]:
        """How many orders, refunds and documents are in each verdict."""
        counts = dict.fromkeys((verdict.value for verdict in Verdict), 0)
        for (verdict, _), found in self.sums.items():
            counts[verdict.value] += found.orders + found.refunds + found.documents
        return counts

    @property
    def unexplained(self) -> int:
        """How many nobody can explain: zero is the claim."""
        return sum(self.counts[verdict.value] for verdict in UNEXPLAINED)

    @property
    def totals(self) -> dict[str, Sum]:
        """Both sides by currency, over all verdicts."""
        totals: dict[str, Sum] = {}
        for (_, currency), found in self.sums.items():
            total = totals.setdefault(currency, Sum())
            total.orders += found.orders
            total.refunds += found.refunds
            total.documents += found.documents
            total.store += found.store
            total.books += found.books
        return totals

    def as_json(self) -> dict[str, Any]:
        """For machines; amounts are strings."""
        order = list(Verdict)
        sums = sorted(self.sums.items(), key=lambda item: (order.index(item[0][0]), item[0][1]))
        return {
            "counts": self.counts,
            "unexplained": self.unexplained,
            "verdicts": [{"verdict": verdict.value, **_row(currency, found)} for (verdict, currency), found in sums],
            "totals": [_row(currency, found) for currency, found in sorted(self.totals.items())],
            "payments": [
                {
                    "currency": currency,
                    "amount": format(paid.amount, "f"),
                    "by_verdict": {verdict.value: count for verdict, count in sorted(paid.by_verdict.items())},
                }
                for currency, paid in sorted(self.payments.items())
            ],
        }


def _row(currency: str, found: Sum) -> dict[str, Any]:
    return {
        "currency": currency,
        "orders": found.orders,
        "refunds": found.refunds,
        "documents": found.documents,
        "store": format(found.store, "f"),
        "books": format(found.books, "f"),
        "difference": format(found.difference, "f"),
    }
