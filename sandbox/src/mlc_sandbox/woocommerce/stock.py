"""Takes stock when an order is placed and gives it back: product counters, the line's note of it, and the webhooks.

Facts sheet §8 and §15: taken at processing, on-hold and completed; back at cancelled and pending; each product whose
stock moved fires ``product.updated``.
"""

from __future__ import annotations

from mlc_sandbox.woocommerce.catalogue import Product
from mlc_sandbox.woocommerce.model import STOCK_TAKEN, Order, ProductLine
from mlc_sandbox.woocommerce.store import Store

REDUCED = "_reduced_stock"
RESTOCKED = "_restock_refunded_items"


class Stock:
    """Stock of one store.

    Args:
        store: Its tables.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def follow(self, order: Order) -> None:
        """Take or give back stock as the order's status wants."""
        if order.status in STOCK_TAKEN and not order.stock_taken:
            self._take(order)
        elif order.status in ("cancelled", "pending") and order.stock_taken:
            self._give_back(order)
        self.count_sales(order)

    def count_sales(self, order: Order) -> None:
        """Count the order's units as sold, or no more, without a webhook."""
        if order.status in STOCK_TAKEN and not order.sales_counted:
            self._count(order, 1)
        elif order.status in ("cancelled", "trash"):
            self.forget_sales(order)

    def forget_sales(self, order: Order) -> None:
        """An order that is no more has sold nothing."""
        if order.sales_counted:
            self._count(order, -1)

    def _count(self, order: Order, sign: int) -> None:
        order.sales_counted = sign > 0
        for line in order.lines.products:
            product = self.store.product_of_line(line.product_id, line.variation_id)
            if product is not None:
                product.total_sales += sign * line.quantity

    def restock(self, line: ProductLine, quantity: int) -> None:
        """Put returned goods back: the sold line remembers how many."""
        holder = self._holder(line)
        taken = next((row for row in line.meta if row.key == REDUCED), None)
        if holder is None or taken is None:
            return
        back = min(quantity, int(taken.value))
        taken.value = str(int(taken.value) - back)
        again = next((row for row in line.meta if row.key == RESTOCKED), None)
        if again is None:
            line.meta.append(self.store.line_meta(RESTOCKED, str(back)))
        else:
            again.value = str(int(again.value) + back)
        self._move(holder, back)

    def _take(self, order: Order) -> None:
        order.stock_taken = True
        moves = []
        for line in order.lines.products:
            holder = self._holder(line)
            if holder is None or line.quantity <= 0 or any(row.key == REDUCED for row in line.meta):
                continue
            before = holder.stock_quantity or 0
            line.meta.append(self.store.line_meta(REDUCED, str(line.quantity)))
            self._move(holder, -line.quantity)
            moves.append(f"{holder.name} ({before}&rarr;{holder.stock_quantity})")
        if moves:
            self.store.add_note(order.id, f"Stock levels reduced: {', '.join(moves)}")

    def _give_back(self, order: Order) -> None:
        order.stock_taken = False
        for line in order.lines.products:
            holder = self._holder(line)
            taken = next((row for row in line.meta if row.key == REDUCED), None)
            if taken is None:
                continue
            line.meta.remove(taken)
            if holder is not None:
                self._move(holder, int(taken.value))

    def _move(self, holder: Product, by: int) -> None:
        holder.stock_quantity = (holder.stock_quantity or 0) + by
        in_stock = holder.stock_quantity > 0 or holder.backorders != "no"
        holder.stock_status = "instock" if in_stock else "outofstock"
        holder.modified = self.store.now()
        if holder.parent_id in self.store.products:  # the parent is saved along, without a webhook
            self.store.products[holder.parent_id].modified = holder.modified
        self.store.fire("product.updated", holder.id)

    def _holder(self, line: ProductLine) -> Product | None:
        """The product that keeps the stock of a line: the variation, or its parent; None = nobody counts."""
        product = self.store.product_of_line(line.product_id, line.variation_id)
        if product is not None and product.is_variation and not product.manage_stock:
            product = self.store.products.get(product.parent_id)
        return product if product is not None and product.manage_stock else None
