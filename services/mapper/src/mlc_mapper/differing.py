"""How what a document was, or would be, differs from what it is to be: for people, as plain values. Pure.

`mlc mapping diff` and `mlc replay --dry-run` show the same form: one entry per document that differs, with each
difference by name, and sums over all of them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from mlc_common.accounting import CreditNote, Invoice, Line
from mlc_common.events import DocumentWish, HeldWish, ResolvedWish, Wish, Withdrawn
from mlc_common.money import quantise
from mlc_mapper.decision import Excluded
from mlc_mapper.state import OrderState
from mlc_mapper.woocommerce.credits import credit_key
from mlc_mapper.woocommerce.documents import Mapped
from mlc_mapper.woocommerce.invoices import invoice_key

Said = Wish | Excluded | None
"""What is said of a document: a wish, the rule that leaves it out, or nothing."""

Facts = dict[str, str]


def said_of(mapped: Mapped, state: OrderState) -> dict[UUID, Said]:
    """What is said of each document of an order."""
    found: dict[UUID, Said] = {wished.key: wished.wish for wished in mapped.wishes}
    for excluded in mapped.excluded:
        kind, _, number = excluded.subject.partition(":")
        key = invoice_key(state) if kind == "order" else credit_key(state, int(number))
        found.setdefault(key, excluded)
    return found


def word(said: Said) -> str:
    """``document``, ``held``, ``withdrawn``, ``resolved``, ``left out`` or ``nothing``."""
    if said is None:
        return "nothing"
    return "left out" if isinstance(said, Excluded) else said.wish


def differences(before: Said, after: Said) -> list[dict[str, str]]:
    """What differs, by name: ``{"what", "from", "to"}`` each."""
    old, new = _facts(before), _facts(after)
    both = isinstance(before, DocumentWish) and isinstance(after, DocumentWish)
    names = [*old, *(name for name in new if name not in old)]
    pairs = [(name, old.get(name, ""), new.get(name, "")) for name in names if both or _says_where(name)]
    return [{"what": name, "from": was, "to": becomes} for name, was, becomes in pairs if was != becomes]


def _says_where(name: str) -> bool:
    """Whether it is of interest of a document that comes or goes: how much, and where it is booked."""
    return name in ("is", "why", "total", "project", "firm") or name.endswith(": account")


def change(order: OrderState, kind: str, before: Said, after: Said) -> dict[str, Any] | None:
    """One document that differs; None where it does not."""
    found = differences(before, after)
    if not found:
        return None
    document = _document(after) or _document(before)
    return {
        "flow": order.flow,
        "order": order.order_id,
        "document": kind,
        "number": document.number if document else "",
        "was": word(before),
        "becomes": word(after),
        "differences": found,
    }


@dataclass
class Sums:
    """Sums over documents, in the bounds of the chart of accounts.

    Attributes:
        orders: How many orders were looked at.
        documents: How many documents there are.
        changed: How many differ, by what they were and become.
        to_be_read: Orders of which more must be read before anything can be said.
        totals: By currency: the sum of all invoices less credits, before and after.
        accounts: By currency and account: the net amounts of all lines, before and after.
    """

    orders: int = 0
    documents: int = 0
    changed: Counter[tuple[str, str]] = field(default_factory=Counter)
    to_be_read: int = 0
    totals: dict[str, list[Decimal]] = field(default_factory=dict)
    accounts: dict[tuple[str, str], list[Decimal]] = field(default_factory=dict)

    def add(self, before: Said, after: Said, *, differs: bool) -> None:
        """Count one document."""
        self.documents += 1
        if differs:
            self.changed[word(before), word(after)] += 1
        for at, document in enumerate((_document(before), _document(after))):
            if document is None:
                continue
            sign = -1 if isinstance(document, CreditNote) else 1
            self.totals.setdefault(document.currency, [Decimal(0), Decimal(0)])[at] += sign * document.total
            for line in document.lines:
                sums = self.accounts.setdefault((document.currency, line.account), [Decimal(0), Decimal(0)])
                sums[at] += sign * line.net

    def plain(self) -> dict[str, Any]:
        """As plain values; accounts only where they differ."""
        return {
            "orders": self.orders,
            "documents": self.documents,
            "changed": sum(self.changed.values()),
            "kinds": [
                {"was": was, "becomes": becomes, "documents": count}
                for (was, becomes), count in self.changed.most_common()
            ],
            "orders_to_be_read": self.to_be_read,
            "totals": [
                {"currency": currency, "from": _text(was, currency), "to": _text(becomes, currency)}
                for currency, (was, becomes) in sorted(self.totals.items())
            ],
            "accounts": [
                {
                    "currency": currency,
                    "account": account,
                    "from": _text(was, currency),
                    "to": _text(becomes, currency),
                }
                for (currency, account), (was, becomes) in sorted(self.accounts.items())
                if was != becomes
            ],
        }


def _text(amount: Decimal, currency: str) -> str:
    return format(quantise(amount, currency), "f")


def _document(said: Said) -> Invoice | CreditNote | None:
    return said.document if isinstance(said, DocumentWish) else None


def _facts(said: Said) -> Facts:
    document = _document(said)
    if document is not None:
        return {"is": "document"} | _facts_of(document)
    if isinstance(said, HeldWish):
        return {"is": f"held: {said.reason}", "why": said.detail}
    if isinstance(said, ResolvedWish):
        return {"is": f"resolved: {said.found}"}
    if isinstance(said, Excluded):
        return {"is": f"left out: {said.rule}", "why": said.detail}
    return {"is": f"withdrawn: {said.rule}" if isinstance(said, Withdrawn) else "nothing"}


def _facts_of(document: Invoice | CreditNote) -> Facts:
    place, party = document.placement, document.party
    facts = {
        "number": document.number,
        "reference": document.reference,
        "date": document.date.isoformat(),
        "total": f"{document.total} {document.currency}",
        "project": "/".join(filter(None, (place.project or "of the firm", place.phase, place.task))),
        "closed period": place.period,
        "party": party.name,
        "firm": party.firm or " or ".join(party.match) or "",
        "create firm": "yes" if party.create else "",
        "memo": document.memo,
    }
    seen: Counter[str] = Counter()
    for line in document.lines:
        name = _name(line)
        seen[name] += 1
        facts |= _facts_of_line(line, name if seen[name] == 1 else f"{name} ({seen[name]})")
    return facts


def _name(line: Line) -> str:
    return " ".join(filter(None, (line.source_line or line.kind.value, line.description)))


def _facts_of_line(line: Line, name: str) -> Facts:
    taxes = ", ".join(f"{tax.code} {tax.amount}" + (f" on {tax.account}" if tax.account else "") for tax in line.taxes)
    return {
        f"{name}: account": line.account,
        f"{name}: net": str(line.net),
        f"{name}: tax": taxes,
        f"{name}: kind": line.kind.value,
    }
