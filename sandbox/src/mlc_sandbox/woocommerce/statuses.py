"""Moves orders from status to status and does what comes with it: dates, stock, notes, the paying flag.

Any status may follow any other. ``date_paid`` is set once and never cleared; cash on delivery is paid at ``completed``
only. Facts sheet §8.
"""

from __future__ import annotations

from collections.abc import Callable

from mlc_sandbox.woocommerce.model import PAID_STATUSES, STATUS_NAMES, STOCK_TAKEN, Order
from mlc_sandbox.woocommerce.order_view import needs_processing
from mlc_sandbox.woocommerce.stock import Stock
from mlc_sandbox.woocommerce.store import Store

CAN_BE_PAID = ("on-hold", "pending", "failed", "cancelled", "checkout-draft")

MAILS = {"processing": "Processing order", "completed": "Completed order", "on-hold": "Order on-hold"}


class Statuses:
    """The status rules of one store.

    Args:
        store: Its tables.
        stock: Its stock.
    """

    def __init__(self, store: Store, stock: Stock) -> None:
        self.store = store
        self.stock = stock
        # told by the refunds: an order set to refunded gets a refund of the rest
        self.on_refunded: Callable[[Order], None] = lambda _: None

    def change(self, order: Order, status: str) -> None:
        """Set a status; nothing happens where it is the same."""
        before = order.status
        if status == before:
            return
        order.status = status
        self._dates(order)
        self.stock.follow(order)
        self._note(order, before)
        if status == "refunded":
            self.on_refunded(order)
        if status in PAID_STATUSES:
            self._paying(order)

    def pay(self, order: Order, transaction_id: str = "") -> None:
        """Payment complete: the date, the transaction, and the status that follows payment."""
        if order.status not in CAN_BE_PAID:
            return
        order.transaction_id = transaction_id or order.transaction_id
        order.paid = order.paid or self.store.now()
        self.change(order, self._paid_status(order))

    def _paid_status(self, order: Order) -> str:
        if order.payment_method == "cod":
            return "completed"
        return "processing" if needs_processing(order, self.store) else "completed"

    def _dates(self, order: Order) -> None:
        now = self.store.now()
        if order.paid is None and order.status in (self._paid_status(order), "completed"):
            order.paid = now
        if order.status == "completed":
            order.completed = now

    def _note(self, order: Order, before: str) -> None:
        """The notes a change of status leaves: the change, and the mails it sends."""
        notes = [f"Order status changed from {STATUS_NAMES.get(before, before)} to {STATUS_NAMES[order.status]}."]
        if before in CAN_BE_PAID and before != "on-hold" and order.status in STOCK_TAKEN:
            notes.append('Email "New order" sent.')
        if order.status in MAILS:
            # The mail of a completed order goes out before the note of the change.
            place = 0 if order.status == "completed" else len(notes)
            notes.insert(place, f'Email "{MAILS[order.status]}" sent.')
        for note in notes:
            self.store.add_note(order.id, note)

    def _paying(self, order: Order) -> None:
        customer = self.store.customers.get(order.customer_id)
        if customer is not None and not customer.is_paying:
            customer.is_paying = True
            customer.modified = self.store.now()
            self.store.fire("customer.updated", customer.id)
