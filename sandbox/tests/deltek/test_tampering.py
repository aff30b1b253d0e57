"""Books that somebody changed behind everybody's back still balance, and show what was done."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from mlc_sandbox.deltek.desk import Desk


async def post(desk: Desk, number: int, amount: str) -> None:
    given = {"WBS1": "STORE.WEB01", "Invoice": f"WA{number:05d}", "Amount": Decimal(amount), "Batch": f"IN-{number}"}
    assert (await desk.control("foreign-invoices", given))["posted"]


def rows(truth: dict[str, Any], batch: str) -> list[Decimal]:
    return sorted(Decimal(row["TransactionAmount"]) for row in truth["ledger"] if row["Batch"] == batch)


def balance(truth: dict[str, Any], number: int) -> Decimal:
    return Decimal(truth["ar"][f"STORE.WEB01|WA{number:05d}"]["Balance"])


def balanced(truth: dict[str, Any]) -> bool:
    return all(not sum(map(Decimal, accounts.values())) for accounts in truth["trial_balance"].values())


async def test_a_posted_invoice_is_removed_with_its_receivable(desk: Desk) -> None:
    await post(desk, 1, "10.00")
    await post(desk, 2, "20.00")
    await desk.control("books/remove", {"batch": "IN-1"})
    await post(desk, 3, "30.00")
    truth = await desk.dump()
    assert rows(truth, "IN-1") == []
    assert rows(truth, "IN-2") == [-20, 20]
    assert balance(truth, 1) == 0
    assert balance(truth, 2) == 20
    assert [file["batch"] for file in truth["posted_files"]] == ["IN-2", "IN-3"]
    assert balanced(truth)


async def test_a_posted_invoice_stands_in_the_books_twice(desk: Desk) -> None:
    await post(desk, 1, "10.00")
    await desk.control("books/repeat", {"batch": "IN-1"})
    truth = await desk.dump()
    assert rows(truth, "IN-1") == [-10, -10, 10, 10]
    assert balance(truth, 1) == 20
    assert balanced(truth)


async def test_a_posted_invoice_says_another_amount(desk: Desk) -> None:
    await post(desk, 1, "10.00")
    await desk.control("books/alter", {"batch": "IN-1", "by": "0.01"})
    truth = await desk.dump()
    assert rows(truth, "IN-1") == [Decimal("-10.01"), Decimal("10.01")]
    assert balance(truth, 1) == Decimal("10.01")
    assert balanced(truth)
