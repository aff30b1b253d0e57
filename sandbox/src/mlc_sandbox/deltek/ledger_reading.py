"""Reading what is posted: PSALedger, LedgerTax, GLSummary and ARReview (facts sheet §8.2).

Generated offsets stand among the rows; `limit` is answered with 500; receivables come per project and invoice number,
however many postings joined them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from functools import partial

from mlc_sandbox.deltek import refusals
from mlc_sandbox.deltek.calls import Call
from mlc_sandbox.deltek.ledger import AR_COLUMNS, AR_DETAIL_COLUMNS, AR_RECEIPT_COLUMNS, LEDGER_COLUMNS, shown
from mlc_sandbox.deltek.query import candidates
from mlc_sandbox.deltek.routing import Router
from mlc_sandbox.deltek.tables import Table, fold
from mlc_sandbox.deltek.wire import Answer, Row, plain

_TYPES = frozenset({"IN", "CR", "JE", "AP", "CV", "CD", "EX", "TS", "EP", "PP", "MI", "UN", "LA", "ER"})
_SUMMED = ("Period", "Account")


def add_routes(router: Router) -> None:
    """Register the paths of this module."""
    router.add("GET", "api/PSALedger/{TransType}", rows_of_type, area="ledger")
    router.add("GET", "api/LedgerTax/{TransType}", tax_rows, area="ledger")
    router.add("GET", "vision/ledger/{TransType}", rows_of_type, area="ledger")
    router.add("GET", "api/GLSummary", summary, area="ledger")
    router.add("GET", "api/ARReview/ARBalance", balances, area="ledger")
    router.add("GET", "api/ARReview/ARBalanceDetail", partial(_by_key, "ar_details", AR_DETAIL_COLUMNS), area="ledger")
    router.add(
        "GET", "api/ARReview/ARBalanceDetailCR", partial(_by_key, "ar_receipts", AR_RECEIPT_COLUMNS), area="ledger"
    )


def rows_of_type(call: Call) -> Answer:
    """GET PSALedger/{type}."""
    return _listed(call, candidates(_table(call), call.query))


def tax_rows(call: Call) -> Answer:
    """GET LedgerTax/{type}: the rows that carry a tax code."""
    return _listed(call, (row for row in candidates(_table(call), call.query) if row["TaxCode"]))


def summary(call: Call) -> Answer:
    """GET GLSummary: debits and credits by account and period."""
    sums: defaultdict[tuple[int, str], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for table in call.tenant.ledger.rows.values():
        for row in table:
            sums[row["Period"], row["Account"]][row["Amount"] < 0] += abs(row["Amount"])
    rows = [_summary_row(call, key, pair) for key, pair in sums.items()]
    return call.listed_rows(rows, rows[0] if rows else _SUMMED)


def balances(call: Call) -> Answer:
    """GET ARReview/ARBalance."""
    rows: Iterable[Row] = candidates(call.tenant.ledger.receivables, call.query)
    if call.tenant.config.hide_settled_ar:
        rows = (row for row in rows if row["Balance"])
    return call.listed_rows((_plain(row, "Balance", "OriginalAmt") for row in rows), AR_COLUMNS)


def _by_key(name: str, names: tuple[str, ...], call: Call) -> Answer:
    """ARBalanceDetail and its sister: rows of the `WBS1|Invoice` keys that are asked for; none without keys."""
    table: Table = getattr(call.tenant.ledger, name)
    keys = [key for key in call.query.params.get("arwbs1invoicekey", "").split(",") if key]
    rows = [row for key in keys for row in table.where("WBS1Invoice", key)]
    return call.listed_rows((_plain(shown(row), "InvoiceAmount", "Amount") for row in rows), names)


def _table(call: Call) -> Table:
    wanted = call.keys[0].upper()
    if wanted not in _TYPES:
        raise refusals.no_resource()
    return call.tenant.ledger.table(wanted)


def _listed(call: Call, rows: Iterable[Row]) -> Answer:
    found = call.listed_rows(rows, LEDGER_COLUMNS, refuse_limit=True)
    found.body = [shown(row) for row in found.body]
    return found


def _plain(row: Row, *names: str) -> Row:
    return row | {name: plain(row[name]) for name in names if name in row}


def _summary_row(call: Call, key: tuple[int, str], pair: list[Decimal]) -> Row:
    period, code = key
    account = next((a for a in call.tenant.accounts.where("Account", fold(code))), {})
    debit, credit = pair
    return {
        "Account": code,
        "Name": account.get("Name", ""),
        "Period": period,
        "Amount": plain(debit - credit),
        "DebitAmount": plain(debit),
        "CreditAmount": plain(credit),
        "Type": account.get("Type", 0),
    }
