"""A canonical document as a Vantagepoint transaction file, and the comparison of what is stored with it. Pure.

One file, one invoice: amounts raise receivables when positive, a credit's lines are negative, tax is a line of its
own in its section (facts §8, §13, A7, A15, A18). Equal means: same project, accounts, amounts, tax, date and sign.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from mlc_common.accounting import CreditNote, Line, LineKind
from mlc_common.posting.gateway import BillingDocument, Plan
from mlc_vendors.deltek import InvoiceFile, InvoiceLine
from mlc_vendors.deltek.contract import LineKind as FileLineKind
from mlc_vendors.deltek.models import ControlRow, Detail, Entry, LedgerRow

_SECTION: dict[LineKind, FileLineKind] = {LineKind.SHIPPING: "shipping", LineKind.DISCOUNT: "discount"}

Fingerprint = Counter[tuple[str, str, str, str, str, Decimal]]
"""How often each (project, phase, task, account, tax code, amount) occurs; a positive amount raises receivables."""


def file_of(document: BillingDocument, plan: Plan) -> InvoiceFile:
    """The file for a document, with what was resolved live in ``plan``."""
    resolved = plan.resolved
    credit = isinstance(document, CreditNote)
    source = document.sources[0]
    what = f"Refund {source.id} of {source.parent}" if source.kind == "refund" else f"Order {source.id}"
    return InvoiceFile(
        batch=plan.reference,
        invoice=resolved["invoice"],
        credit_memo_ref=plan.number if credit else "",
        description=f"{source.id} {source.connection}",
        comment=f"{what} {source.connection}" + (f" no. {source.number}" if source.number else ""),
        period=int(resolved["period"]),
        company=resolved.get("company", ""),
        trans_date=document.date,
        wbs1=resolved["project"],
        wbs2=resolved.get("phase", ""),
        wbs3=resolved.get("task", ""),
        lines=tuple(_lines(document)),
    )


def _lines(document: BillingDocument) -> Iterable[InvoiceLine]:
    sign = -1 if isinstance(document, CreditNote) else 1
    taxes: dict[tuple[str, str], list[Decimal]] = {}
    for line in document.lines:
        if line.net:
            yield InvoiceLine(kind=_kind(line), account=line.account, amount=sign * line.net)
        for tax in line.taxes:
            sums = taxes.setdefault((tax.code, tax.account), [Decimal(0), Decimal(0)])
            sums[0] += sign * tax.amount
            sums[1] += sign * tax.basis
    for (code, account), (amount, basis) in taxes.items():
        if amount:
            yield InvoiceLine(kind="tax", account=account, amount=amount, tax_code=code, tax_basis=basis)


def _kind(line: Line) -> FileLineKind:
    return _SECTION.get(line.kind, "line")


def fingerprint_of_file(file: InvoiceFile) -> Fingerprint:
    """What must be stored for the file."""
    return Counter((file.wbs1, file.wbs2, file.wbs3, line.account, line.tax_code, line.amount) for line in file.lines)


def fingerprint_of_details(details: Sequence[Detail]) -> Fingerprint:
    """What is stored in transaction entry."""
    return Counter((d.wbs1, d.wbs2, d.wbs3, d.account, d.tax_code, d.amount) for d in details)


def fingerprint_of_ledger(rows: Sequence[LedgerRow]) -> Fingerprint:
    """What stands in the books, without what posting made by itself; the ledger's credits raise receivables."""
    return Counter((r.wbs1, r.wbs2, r.wbs3, r.account, r.tax_code, -r.billed) for r in rows if not r.auto)


def difference(wanted: Fingerprint, stored: Fingerprint) -> str:
    """What differs, in words for a bookkeeper; empty when nothing does."""
    missing, surplus = wanted - stored, stored - wanted
    parts = [f"missing {_say(missing)}"] if missing else []
    parts += [f"not ours {_say(surplus)}"] if surplus else []
    return "; ".join(parts)


def lines_difference(file: InvoiceFile, control: ControlRow, details: Sequence[Detail]) -> str:
    """How the stored header and lines of a draft differ from the file; empty when they are equal."""
    problems = [difference(fingerprint_of_file(file), fingerprint_of_details(details))]
    problems += [f"invoice {d.invoice} instead of {file.invoice}" for d in details if d.invoice != file.invoice][:1]
    problems += [f"credit {d.credit_memo_ref}" for d in details if d.credit_memo_ref != file.credit_memo_ref][:1]
    if control.diff_total:
        problems.append(f"control total is off by {control.diff_total}")
    if elsewhere(file, control):
        problems.append(f"period {control.period}, company {control.company}")
    return "; ".join(problem for problem in problems if problem)


def entries_difference(file: InvoiceFile, entries: Sequence[Entry]) -> str:
    """How the stored entries of a draft differ from the file's only one; empty when it is equal."""
    problems = [] if len(entries) == 1 else [f"{len(entries)} entries instead of one"]
    for entry in entries:
        if entry.invoice != file.invoice:
            problems.append(f"invoice {entry.invoice} instead of {file.invoice}")
        if (entry.wbs1, entry.wbs2, entry.wbs3) != (file.wbs1, file.wbs2, file.wbs3):
            problems.append(f"project {'/'.join(filter(None, (entry.wbs1, entry.wbs2, entry.wbs3)))}")
        problems.append(_dates(entry.trans_date, file.trans_date))
    return "; ".join(problem for problem in problems if problem)


def elsewhere(file: InvoiceFile, control: ControlRow) -> bool:
    """Whether the tenant put the file into another period or company than asked (it goes by the login's, facts §10)."""
    if not control.has_header:
        return False
    return control.period != file.period or bool(file.company and control.company and control.company != file.company)


def ledger_difference(file: InvoiceFile, rows: Sequence[LedgerRow]) -> str:
    """How the books differ from the file; empty when they are equal."""
    own = [row for row in rows if not row.auto]
    problems = [difference(fingerprint_of_file(file), fingerprint_of_ledger(rows))]
    problems += [f"period {row.period} instead of {file.period}" for row in own if row.period != file.period][:1]
    problems += [f"invoice {row.invoice}" for row in own if row.invoice != file.invoice][:1]
    problems += [text for row in own if (text := _dates(row.trans_date, file.trans_date))][:1]
    return "; ".join(problem for problem in problems if problem)


def lines_are_whole(file: InvoiceFile, control: ControlRow, details: Sequence[Detail], sign: int) -> bool:
    """Whether lines prove that none is missing: they are those of the file, and the tenant's own sum is theirs.

    Args:
        file: What was sent.
        control: The file's header as the tenant keeps it.
        details: What came on a page.
        sign: Of the tenant's amounts, as its contract says.
    """
    summed = sum((detail.amount for detail in details), Decimal(0))
    own_sum = control.sum_total is not None and control.sum_total * sign == summed
    return own_sum and fingerprint_of_details(details) == fingerprint_of_file(file)


def rows_are_whole(file: InvoiceFile, rows: Sequence[LedgerRow]) -> bool:
    """Whether ledger rows prove that none is missing: one posting run that balances, with the file's own lines."""
    runs = {(row.period, row.post_seq) for row in rows}
    balance = sum((row.billed for row in rows), Decimal(0))
    return len(runs) == 1 and not balance and fingerprint_of_ledger(rows) == fingerprint_of_file(file)


def _dates(stored: date | None, wanted: date) -> str:
    return "" if stored == wanted else f"date {stored} instead of {wanted}"


def _say(lines: Fingerprint) -> str:
    return ", ".join(
        f"{amount} on {account}" + (f" ({tax})" if tax else "") + (f" x{count}" if count > 1 else "")
        for (_, _, _, account, tax, amount), count in sorted(lines.items())
    )
