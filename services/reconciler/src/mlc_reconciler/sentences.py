"""The words for a bookkeeper: what is wrong with an order, by how much, and what to do. Pure; no personal data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from mlc_common.accounting import EXPLANATIONS, HoldReason
from mlc_common.money import shown
from mlc_common.reconciling import BookFact, SaleFact
from mlc_reconciler.evidence import SALE, Case, Piece, Rule
from mlc_reconciler.parts import Part

_MOST_NAMED = 4


def money(amount: Decimal, currency: str) -> str:
    """An amount with its currency, in the currency's own decimals where it fits into them."""
    return f"{shown(amount, currency)} {currency}".strip()


def name_of(part: Part, case: Case) -> str:
    """What the part is called."""
    if part.kind == "order":
        return f"order {case.order}"
    if part.kind == "refund":
        return f"refund {part.id} of order {case.order}"
    return f"{part.id} of order {case.order}"


def held(piece: Piece) -> str:
    """Why something waits for a person, and the remedy."""
    known = EXPLANATIONS.get(HoldReason(piece.reason)) if piece.reason in set(HoldReason) else None
    fix = piece.fix or (known.remedy if known else "")
    why = f"{piece.reason}: {piece.detail}".removesuffix(": ").rstrip(".")
    return f"{why}. {fix}".rstrip()


def resolved(piece: Piece) -> str:
    """Who settled it by hand, and why."""
    return f"settled by hand by {piece.by} on {piece.since:%Y-%m-%d}: {piece.why}"


def waiting(since: datetime) -> str:
    """It is in the queue."""
    return f"in the posting queue since {since:%Y-%m-%d %H:%M} UTC"


def young(sale: SaleFact) -> str:
    """It was changed a moment ago."""
    return f"changed in the store at {sale.changed:%Y-%m-%d %H:%M} UTC, and may still be on its way"


def excluded(rule: Rule, sale: SaleFact, part: Part) -> str:
    """Which rule left it out; money that was kept all the same is worth a look."""
    said = f"rule {rule.name}" + (f": {rule.detail}" if rule.detail else "")
    if part.books:
        said += f"; what was posted for it is taken back ({listed(part.books)})"
    kept = sale.total - sum((refund.amount for refund in sale.refunds), Decimal(0))
    if part.key == SALE and sale.paid_at is not None and kept > 0 and rule.name != "before_cut_over":
        said += f"; it was paid on {sale.paid_at:%Y-%m-%d}, and {money(kept, sale.currency)} of it was not refunded"
    return said


def missing(part: Part, case: Case, piece: Piece | None) -> str:
    """It is not in the books at all."""
    said = f"{name_of(part, case)}, {money(abs(part.store), part.currency)}, is not in the books"
    drafts = [one.reference for one in case.drafts if one.refund == part.key or (part.key == SALE and not one.refund)]
    if drafts:
        return f"{said}; it lies in transaction entry unposted ({', '.join(drafts[:_MOST_NAMED])})"
    if piece is None:
        return f"{said}, and nothing was ever recorded of it: neither a webhook nor a poll brought it"
    return f"{said}, though we settled it on {piece.since:%Y-%m-%d}: find out who removed it"


def differs(part: Part, case: Case) -> str:
    """It is in the books otherwise than it should be."""
    name = name_of(part, case)
    foreign = part.in_other_currency
    if foreign:
        return f"{name} is in {part.currency} and posted in {foreign[0].currency} ({listed(foreign)})"
    more = part.delta > 0 if part.kind == "order" else part.delta < 0  # of a credit, the less the more
    too = f"{money(abs(part.delta), part.currency)} too {'much' if more else 'little'}"
    if part.rule:
        return f"by rule {part.rule.name} nothing of {name} should be in the books: {too} ({listed(part.books)})"
    store, books = money(abs(part.store), part.currency), part.found if part.kind == "order" else -part.found
    amounts = f"the store says {store}, the books {money(books, part.currency)}"
    return f"{name}: {amounts}, {too} ({listed(part.books)}){_twice(part.books)}"


def by_others(one: BookFact, case: Case) -> str:
    """Somebody else used a number of ours."""
    return (
        f"{one.reference}, not posted by us, puts {money(one.amount, one.currency)} on invoice {one.number}, "
        f"which is order {case.order}"
    )


def refund_gone(part: Part, case: Case) -> str:
    """A credit whose refund does not exist (any more)."""
    return (
        f"{part.id} credits refund {part.key} of order {case.order}, which the store does not have: "
        f"{money(part.found, part.currency)} ({listed(part.books)})"
    )


def without_sale(one: BookFact, case: Case) -> str:
    """A document whose order does not exist."""
    where = "is posted" if one.posted else "lies in transaction entry"
    who = "" if one.ours else ", not by us,"
    return (
        f"{one.reference} {where}{who} with {money(one.amount, one.currency)}, and the store has no order {case.order}"
    )


def listed(books: Sequence[BookFact]) -> str:
    """Documents with their amounts, the first few."""
    named = [f"{one.reference} {shown(one.amount, one.currency)}" for one in books[:_MOST_NAMED]]
    more = len(books) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _twice(books: Sequence[BookFact]) -> str:
    counts = Counter(one.reference for one in books)
    twice = [f"{reference} is posted {count} times" for reference, count in counts.items() if count > 1]
    return f"; {', '.join(twice)}" if twice else ""
