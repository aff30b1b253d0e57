"""Sums of entry files: control totals against lines, and whether a journal balances (facts sheet §8).

Decimal arithmetic only. A file may be stored with a wrong control total; it is at posting that the difference counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from mlc_sandbox.deltek import kinds
from mlc_sandbox.deltek.kinds import Kind
from mlc_sandbox.deltek.refusals import Refusal
from mlc_sandbox.deltek.wire import Row


def total(rows: Iterable[Row], column: str) -> Decimal:
    """The sum of a column."""
    return sum((Decimal(row[column]) for row in rows), Decimal(0))


def with_sums(kind: Kind, control: Row, details: list[Row]) -> Row:
    """The control row with what the server adds to it; journals add nothing."""
    if kind is kinds.JOURNAL:
        return control
    lines = total(details, "Amount")
    control = {**control, "SumTotal": lines, "DiffTotal": control["Total"] - lines}
    if kind is kinds.INVOICE:
        retained = total(details, "RetAmount")
        control |= {"SumRetTotal": retained, "DiffRetTotal": control["RetTotal"] - retained}
    return control


def difference(kind: Kind, control: Row, details: list[Row]) -> Decimal:
    """What separates the control totals from the lines; zero when they agree."""
    if kind is kinds.JOURNAL:
        debits, credit = total(details, "DebitAmount"), total(details, "CreditAmount")
        return abs(Decimal(control["Total"]) - debits) + abs(Decimal(control["CreditsTotal"]) - credit)
    return Decimal(control["Total"]) - total(details, "Amount")


def check_balanced(masters: list[Row], details: list[Row]) -> None:
    """Refuse a journal entry whose sides differ: one-sided entries can never be stored.

    Raises:
        Refusal: with both sums as detail.
    """
    for master in masters:
        lines = [d for d in details if d["RefNo"] == master["RefNo"]]
        debits, credit = total(lines, "DebitAmount"), total(lines, "CreditAmount")
        if debits != credit:
            raise Refusal("Journal entry is not balanced.", detail=f"Debits {debits:.2f}, credits {credit:.2f}")
