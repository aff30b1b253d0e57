"""What the ERP must hold, from the shop's own tables and the shopper's diary alone; and whether it does. Pure.

Our tables are asked for one thing only: which documents are held, and why. Every hold must be one that the model
expects. Amounts raise receivables when positive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from chaos.diary import PAID, Diary, Told

Dump = dict[str, Any]
ZERO = Decimal(0)

CHANGED = "changed_after_posting"
DELETED = "order_deleted"
FOREIGN = "currency_not_mapped"
EXCEEDS = "credit_exceeds_invoice"


@dataclass(frozen=True)
class Order:
    """What is known of an order at the end."""

    id: int
    status: str
    currency: str
    total: Decimal
    refunds: Mapping[int, Decimal]
    deleted_refunds: Mapping[int, Decimal]
    told: Told

    @property
    def sold(self) -> bool:
        """Whether it counts as sold at the end."""
        return self.status in PAID or (self.status == "refunded" and self.ever_paid)

    @property
    def ever_paid(self) -> bool:
        """Whether it was ever paid."""
        return any(status in PAID or status == "refunded" for status in self.told.statuses)

    @property
    def kept(self) -> Decimal:
        """What the shop kept of it."""
        return self.total - sum(self.refunds.values(), ZERO) if self.sold else ZERO


@dataclass(frozen=True)
class Books:
    """What the ERP holds of one order: batch to amount, and who is held for what."""

    files: Mapping[str, Decimal]
    holds: tuple[str, ...]

    @property
    def sum(self) -> Decimal:
        """All files together."""
        return sum(self.files.values(), ZERO)


def verdict(
    shop: Dump, erp: Dump, holds: Iterable[tuple[int, str]], diary: Diary, rules: Mapping[str, Any]
) -> list[str]:
    """What is wrong, in words; empty when everything is as it must be.

    Args:
        shop: The shop sandbox's own tables.
        erp: The ERP sandbox's own tables.
        holds: Order id and reason of every held document.
        diary: What the shopper did.
        rules: The mapping: ``currencies`` that it posts, and what it does ``after_posting``.
    """
    held: dict[int, list[str]] = {}
    for order_id, reason in holds:
        held.setdefault(order_id, []).append(reason)
    files = _files_by_order(erp)
    orders = {order.id: order for order in _orders(shop, diary)}
    wrong = list(_of_the_books(erp, files, set(orders)))
    wrong += [f"order {order_id} is held ({reasons}), and no such order was placed"
              for order_id, reasons in held.items() if order_id not in orders]  # fmt: skip
    for order in orders.values():
        books = Books(files.get(order.id, {}), tuple(sorted(held.get(order.id, ()))))
        said = _judge(order, books, rules)
        if said:
            wrong.append(
                f"order {order.id} ({' → '.join(order.told.acts)}; {order.status}, {order.total} {order.currency}, "
                f"refunds {_shown(order.refunds)}): {said}; in the books {_shown(books.files)}, "
                f"held {list(books.holds)}"
            )
    return wrong


def _judge(order: Order, books: Books, rules: Mapping[str, Any]) -> str:
    """What is wrong with one order; empty when nothing is."""
    if not order.ever_paid or not any(order.told.totals):
        return "" if not books.files and not books.holds else "it was never sold, or was free"
    if order.currency not in rules["currencies"]:
        return _never_posted(order, books, FOREIGN)
    if order.status == "trash":
        return _trashed(order, books)
    if order.status == "cancelled":
        return _cancelled(order, books)
    if order.sold and not _touched_after_sale(order):
        return _plain(order, books)
    return _adjusted(order, books) if rules["after_posting"] == "adjust" else _waiting(order, books)


def _touched_after_sale(order: Order) -> bool:
    """Whether anything but refunds may have changed what is posted already."""
    cancelled_once = "cancelled" in order.told.statuses
    return bool(order.told.paid_edits or order.deleted_refunds or cancelled_once or "trash" in order.told.acts)


def _plain(order: Order, books: Books) -> str:
    """Exactly one invoice and one credit per refund, nothing held."""
    wanted = {_invoice(order): order.total}
    wanted |= {_credit(order, refund): -amount for refund, amount in order.refunds.items() if amount}
    if books.holds:
        return "it is held without a true reason"
    return "" if dict(books.files) == wanted else f"the books must hold {_shown(wanted)}"


def _never_posted(order: Order, books: Books, reason: str) -> str:
    if books.files:
        return "nothing of it may be posted"
    return "" if books.holds and set(books.holds) == {reason} else f"it must be held as {reason}"


def _cancelled(order: Order, books: Books) -> str:
    if books.holds:
        return "it is held without a true reason"
    return "" if books.sum == 0 else "a cancelled order must come to nothing"


def _trashed(order: Order, books: Books) -> str:
    """Either nothing was posted and wished, or a person must say what becomes of it."""
    if set(books.holds) - {DELETED}:
        return "it is held without a true reason"
    if books.files and not books.holds:
        return f"a posted order in the trash must be held as {DELETED}"
    return "" if books.sum in (ZERO, *order.told.totals) else "an amount that it never had"


def _adjusted(order: Order, books: Books) -> str:
    """Changed after the sale: whatever adjusts it, the sum is right.

    A merchant may edit an order until it is worth less than what was refunded of it; that needs a person.
    """
    if order.kept < 0 and EXCEEDS in books.holds:
        return ""
    if books.holds:
        return "it is held without a true reason"
    if _invoice(order) not in books.files and order.total:
        return "it has no invoice"
    return "" if books.sum == order.kept else f"the books must come to {order.kept}"


def _waiting(order: Order, books: Books) -> str:
    """Changed after the sale: the sum is right, or the change came after the posting and waits for a person."""
    if not books.holds or EXCEEDS in books.holds or _invoice(order) not in books.files:
        return _adjusted(order, books)
    if set(books.holds) != {CHANGED}:
        return "it is held without a true reason"
    invoiced = books.files[_invoice(order)]
    if invoiced == order.total and books.sum == order.kept:
        return "it is held as changed, and the books are right"
    return "" if invoiced in order.told.totals else "an amount that it never had"


def _orders(shop: Dump, diary: Diary) -> Iterable[Order]:
    refunds: dict[int, dict[int, Decimal]] = {}
    deleted: dict[int, dict[int, Decimal]] = {}
    for found, name in ((refunds, "refunds"), (deleted, "deleted_refunds")):
        for refund in shop[name]:
            found.setdefault(int(refund["parent_id"]), {})[int(refund["id"])] = Decimal(refund["amount"])
    for row in shop["orders"]:
        number = int(row["id"])
        yield Order(
            number, row["status"], row["currency"], Decimal(row["total"]),
            refunds.get(number, {}), deleted.get(number, {}), diary.orders[number],
        )  # fmt: skip


def _of_the_books(erp: Dump, files: Mapping[int, Mapping[str, Decimal]], known: set[int]) -> Iterable[str]:
    """What must hold whatever was sold: nothing twice, nothing left over, nothing out of balance."""
    for batch, count in Counter(file["batch"] for file in erp["posted_files"]).items():
        if count > 1:
            yield f"{batch} is posted {count} times"
    for file in erp["drafts"]:
        yield f"the draft {file['batch']} is left over"
    for currency, accounts in erp["trial_balance"].items():
        if sum(map(Decimal, accounts.values())):
            yield f"the trial balance in {currency} is not zero"
    posted = {batch: amount for of_order in files.values() for batch, amount in of_order.items()}
    for file in erp["posted_files"]:
        amount = sum((Decimal(str(line["Amount"])) for line in file["details"]), ZERO)
        if posted.get(file["batch"]) != amount:
            yield f"{file['batch']} is {amount} in its file and {posted.get(file['batch'])} in the ledger"
    for order_id in sorted(set(files) - known):
        yield f"in the books without a sale: {sorted(files[order_id])}"


def _files_by_order(erp: Dump) -> dict[int, dict[str, Decimal]]:
    """What the ledger holds of each batch, by the order in its name; revenue is negative there."""
    found: dict[int, dict[str, Decimal]] = {}
    for row in erp["ledger"]:
        if row["AutoEntry"] == "N":
            batches = found.setdefault(int(row["Batch"].split("-")[2]), {})
            batches[row["Batch"]] = batches.get(row["Batch"], ZERO) - Decimal(row["TransactionAmount"])
    return found


def _invoice(order: Order) -> str:
    return f"IN-WC01-{order.id}"


def _credit(order: Order, refund: int) -> str:
    return f"CM-WC01-{order.id}-R{refund}"


def _shown(amounts: Mapping[Any, Decimal]) -> str:
    return "{" + ", ".join(f"{name}: {amount}" for name, amount in sorted(amounts.items())) + "}"
