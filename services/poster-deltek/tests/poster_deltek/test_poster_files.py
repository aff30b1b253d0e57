"""A document as a transaction file, and when what is stored counts as the same: every cent, code, date and place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from mlc_poster_deltek.files import (
    entries_difference,
    ledger_difference,
    lines_are_whole,
    lines_difference,
    rows_are_whole,
)
from mlc_vendors.deltek import InvoiceFile
from mlc_vendors.deltek.models import ControlRow, Detail, Entry, LedgerRow

from .desk import file_for
from .documents import Shop, line

SHOP = Shop("pure")
BILL = SHOP.invoice(
    1001, line("89.90", "7.19"), line("-10.00", "-0.80", account="409.00"), line("0", account="404.00"), line("4.95")
)
FILE = file_for(BILL)


def stored_lines(file: InvoiceFile) -> list[Detail]:
    return [
        Detail(
            batch=file.batch, invoice=file.invoice, wbs1=file.wbs1, pkey=str(n), account=one.account,
            amount=one.amount, tax_code=one.tax_code, credit_memo_ref=file.credit_memo_ref,
        )
        for n, one in enumerate(file.lines)
    ]  # fmt: skip


def stored_header(file: InvoiceFile, **changes: Any) -> ControlRow:
    values = {"batch": file.batch, "sum_total": file.total, "diff_total": 0, "period": file.period, "company": "00"}
    return ControlRow.model_validate(values | changes)


def posted_rows(file: InvoiceFile, run: int = 1) -> list[LedgerRow]:
    common = {"batch": file.batch, "period": file.period, "post_seq": run, "trans_date": file.trans_date}
    rows = [
        LedgerRow.model_validate(
            common
            | {"pkey": f"{run}-{n}", "wbs1": file.wbs1, "account": one.account, "amount": -one.amount}
            | {"tax_code": one.tax_code, "invoice": file.invoice}
        )
        for n, one in enumerate(file.lines)
    ]
    offset = {"pkey": f"{run}-auto", "account": "111.00", "amount": file.total, "auto": True}
    return [*rows, LedgerRow.model_validate(common | offset)]


def test_a_file_has_a_line_per_amount_and_one_tax_line_per_code_and_account() -> None:
    assert [(one.kind, one.account, one.amount, one.tax_basis) for one in FILE.lines] == [
        ("line", "401.00", Decimal("89.90"), 0),
        ("line", "409.00", Decimal("-10.00"), 0),
        ("line", "401.00", Decimal("4.95"), 0),
        ("tax", "221.00", Decimal("6.39"), Decimal("79.90")),
    ]
    assert FILE.total == BILL.total


def test_a_credits_lines_are_negative_and_name_the_credit() -> None:
    credit = file_for(SHOP.credit(77, BILL, line("25.00", "2.00")))
    assert [one.amount for one in credit.lines] == [Decimal("-25.00"), Decimal("-2.00")]
    assert (credit.credit_memo_ref, credit.total) == ("WAR00077", Decimal("-27.00"))


def test_what_is_stored_as_it_was_sent_is_equal_and_whole() -> None:
    entry = Entry(batch=FILE.batch, invoice=FILE.invoice, wbs1=FILE.wbs1, trans_date=FILE.trans_date)
    assert lines_difference(FILE, stored_header(FILE), stored_lines(FILE)) == ""
    assert entries_difference(FILE, [entry]) == ""
    assert ledger_difference(FILE, posted_rows(FILE)) == ""
    assert lines_are_whole(FILE, stored_header(FILE), stored_lines(FILE), 1)
    assert rows_are_whole(FILE, posted_rows(FILE))


@pytest.mark.parametrize(
    "changes", [{"account": "402.00"}, {"amount": Decimal("89.91")}, {"tax_code": "X"}, {"wbs2": "P"}]
)
def test_one_changed_line_differs_and_says_how(changes: dict[str, Any]) -> None:
    first, *rest = stored_lines(FILE)
    changed = [first.model_copy(update=changes), *rest]
    assert lines_difference(FILE, stored_header(FILE), changed).startswith("missing 89.90 on 401.00; not ours ")
    assert not lines_are_whole(FILE, stored_header(FILE), changed, 1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"diff_total": "0.01"}, "control total is off by 0.01"),
        ({"period": 202612}, "period 202612, company 00"),
        ({"company": "01"}, "period 202611, company 01"),
    ],
)
def test_a_header_of_another_total_period_or_company_differs(changes: dict[str, Any], said: str) -> None:
    assert lines_difference(FILE, stored_header(FILE, **changes), stored_lines(FILE)) == said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trans_date": date(2026, 11, 19)}, "date 2026-11-19 instead of 2026-11-20"),
        ({"invoice": "WA01002"}, "invoice WA01002 instead of WA01001"),
        ({"wbs2": "ONLINE"}, "project STORE.WEB01/ONLINE"),
    ],
)
def test_an_entry_of_another_date_number_or_project_differs(changes: dict[str, Any], said: str) -> None:
    entry = Entry(batch=FILE.batch, invoice=FILE.invoice, wbs1=FILE.wbs1, trans_date=FILE.trans_date)
    assert entries_difference(FILE, [entry.model_copy(update=changes)]) == said


@pytest.mark.parametrize("count", [0, 2])
def test_a_file_has_exactly_one_entry(count: int) -> None:
    entry = Entry(batch=FILE.batch, invoice=FILE.invoice, wbs1=FILE.wbs1, trans_date=FILE.trans_date)
    assert entries_difference(FILE, [entry] * count) == f"{count} entries instead of one"


@pytest.mark.parametrize("missing", range(len(FILE.lines)))
def test_lines_of_which_one_is_missing_never_prove_to_be_whole(missing: int) -> None:
    lines = stored_lines(FILE)
    del lines[missing]
    assert not lines_are_whole(FILE, stored_header(FILE), lines, 1)


@pytest.mark.parametrize(
    "rows",
    [
        lambda: posted_rows(FILE)[:-1],
        lambda: posted_rows(FILE)[1:],
        lambda: posted_rows(FILE) + posted_rows(FILE, run=2),
        lambda: [row for pair in zip(posted_rows(FILE), posted_rows(FILE, run=2), strict=True) for row in pair][:5],
    ],
    ids=["no offset", "no first line", "posted twice", "half of both runs"],
)
def test_rows_that_do_not_balance_in_one_run_never_prove_to_be_whole(rows: Callable[[], list[LedgerRow]]) -> None:
    assert not rows_are_whole(FILE, rows())


def test_a_document_that_stands_twice_in_the_books_differs() -> None:
    assert ledger_difference(FILE, posted_rows(FILE) + posted_rows(FILE, run=2)).startswith("not ours ")


def test_a_posting_into_another_period_differs() -> None:
    rows = [row.model_copy(update={"period": 202612}) for row in posted_rows(FILE)]
    assert ledger_difference(FILE, rows) == "period 202612 instead of 202611"
