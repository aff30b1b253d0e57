"""The demo's own comparison of the sandboxes' tables: changed orders agree by their sum, doubled documents do not."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from mlc_cli.demo.reconciling import reconcile


def order(total: str, currency: str = "USD") -> dict[str, Any]:
    return {
        "id": 78,
        "total": total,
        "currency": currency,
        "status": "processing",
        "date_paid_gmt": "2026-11-20T12:00:00",
    }


def file(batch: str, amount: str) -> dict[str, Any]:
    return {"batch": batch, "details": [{"Amount": amount}]}


@pytest.mark.parametrize(
    ("total", "files", "agrees"),
    [
        ("30.00", [("IN-WC01-78", "30.00")], True),
        ("30.00", [("IN-WC01-78", "10.00"), ("IN-WC01-78-A1", "25.00"), ("IN-WC01-78-A2", "-5.00")], True),
        ("30.00", [("IN-WC01-78", "10.00"), ("IN-WC01-78-A1", "25.00")], False),
        ("30.00", [("IN-WC01-78", "10.00"), ("IN-WC01-78B", "20.00")], False),
        ("30.00", [("IN-WC01-78-A1", "30.00")], False),
    ],
)
def test_an_order_agrees_by_its_sum_and_by_its_one_invoice(
    total: str, files: list[tuple[str, str]], agrees: bool
) -> None:
    shop = {"orders": [order(total)], "refunds": [], "deliveries": []}
    erp = {"posted_files": [file(batch, amount) for batch, amount in files]}
    assert reconcile(shop, erp, {"holds": []}).reconciles == agrees


@pytest.mark.parametrize(("currency", "shown"), [("JPY", "3000"), ("USD", "3000.00"), ("KWD", "3000.000")])
def test_each_currency_is_shown_with_its_own_decimals(currency: str, shown: str) -> None:
    shop = {"orders": [order("3000.00", currency)], "refunds": [], "deliveries": []}
    result = reconcile(shop, {"posted_files": [file("IN-WC01-78", "3000.0000")]}, {"holds": []})
    console = Console(file=io.StringIO(), width=100)
    result.show(console)
    (line,) = [line for line in console.file.getvalue().splitlines() if currency in line]  # type: ignore[attr-defined] # ours
    assert line.replace("│", " ").split() == [currency, shown, shown, shown.replace("3000", "0")]
    (sums,) = result.as_json()["currencies"]
    assert (sums["shop"], sums["books"]) == (shown, shown)
