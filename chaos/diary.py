"""What the shopper did, order by order, as the shop answered it: one of the two things that the model rests on."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass
class Told:
    """The life of one order.

    Attributes:
        acts: What was done to it, in order; only what the shop took.
        totals: Each total that it ever had while it was paid.
        statuses: Each status that it ever had.
        paid_edits: How often it was changed after it was paid.
    """

    acts: list[str] = field(default_factory=list)
    totals: list[Decimal] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    paid_edits: int = 0


@dataclass
class Diary:
    """All orders by the store's id, and by their number in the schedule."""

    ids: dict[int, int] = field(default_factory=dict)
    orders: dict[int, Told] = field(default_factory=dict)
    refunds: dict[int, list[int]] = field(default_factory=dict)
    refused: int = 0

    def bought(self, number: int, order: dict[str, Any]) -> None:
        """An order was placed."""
        self.ids[number] = int(order["id"])
        self.orders[int(order["id"])] = Told()
        self.changed("buy", order)

    def changed(self, act: str, order: dict[str, Any]) -> None:
        """The shop took a change, and this is the order now."""
        told = self.orders[int(order["id"])]
        if act == "edit" and any(status in PAID for status in told.statuses):
            told.paid_edits += 1
        told.acts.append(act)
        told.statuses.append(str(order["status"]))
        if order["status"] in PAID:
            told.totals.append(Decimal(order["total"]))


PAID = frozenset({"processing", "completed"})
