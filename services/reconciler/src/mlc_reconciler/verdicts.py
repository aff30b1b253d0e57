"""The verdicts: two lists of facts in, what became of each order, refund and document out. Pure.

Equality is read from the two sides alone; our own records only explain what is not (yet) there, and never make a
difference go away that they do not name. Nothing is left out: every order, every refund and every document is in some
verdict.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from mlc_common.reconciling import BookFact, SaleFact
from mlc_reconciler import sentences
from mlc_reconciler.evidence import SALE, Case, Judged, Piece, Rule, Ruling, Verdict
from mlc_reconciler.parts import Part, is_balanced, parts_of

_ZERO = Decimal(0)

_NOT_ONCE_SOLD = frozenset({"not_paid", "refunded_unpaid", "before_cut_over"})
"""Rules for what was never invoiced: what was sold and is open again stays sold, whatever the cut-over is now."""

Found = tuple[Verdict, str]


def judge(case: Case) -> list[Judged]:
    """Judge one order, its refunds and its documents.

    Returns:
        One verdict for the sale and one for each refund; one for each document that belongs to neither.
    """
    sale = case.sale
    if sale is None:
        return _unsold(case)
    if sale.defect:
        return [_unreadable(case, sale)]
    parts = parts_of(sale, _in_force(case, sale), case.books)
    if is_balanced(parts):
        return [_as_it_should_be(part, case, sale) for part in parts]
    return [
        _of(part, case, *_off(part, case, sale)) if part.is_off else _as_it_should_be(part, case, sale)
        for part in parts
    ]


def _in_force(case: Case, sale: SaleFact) -> Ruling:
    """The ruling, where the order's history says more than its present state."""
    ruling, piece = case.ruling, case.recorded.pieces.get(SALE)
    if ruling.sale is None and ruling.perhaps and piece is None and not case.books:
        refunds = {refund.id: ruling.perhaps for refund in sale.refunds}
        return replace(ruling, sale=ruling.perhaps, refunds=refunds)
    if ruling.sale and ruling.sale.name in _NOT_ONCE_SOLD and piece is not None and piece.wanted and case.books:
        return Ruling()
    return ruling


def _as_it_should_be(part: Part, case: Case, sale: SaleFact) -> Judged:
    if part.rule:
        return _of(part, case, Verdict.EXCLUDED, sentences.excluded(part.rule, sale, part))
    if part.kind == "document" and not part.found:
        gone = Rule("refund_deleted", f"the store no longer has refund {part.key}")
        return _of(part, case, Verdict.EXCLUDED, sentences.excluded(gone, sale, part))
    if part.kind == "document":
        return _of(part, case, Verdict.POSTED, f"with {sentences.listed(part.books)} the order is right as a whole")
    return _of(part, case, Verdict.POSTED, "the order is right as a whole" if part.delta else "")


def _off(part: Part, case: Case, sale: SaleFact) -> Found:
    """Why a part is not as it should be."""
    piece = case.recorded.pieces.get(part.key)
    known = _recorded(piece) or _on_its_way(case, sale, piece)
    if known:
        return known
    if part.kind == "document":
        stray = part.books[0]
        if not stray.ours:
            return Verdict.DIFFERS, sentences.by_others(stray, case)
        return Verdict.WITHOUT_SALE, sentences.refund_gone(part, case)
    if not part.books:
        return Verdict.MISSING, sentences.missing(part, case, piece)
    return Verdict.DIFFERS, sentences.differs(part, case)


def _recorded(piece: Piece | None) -> Found | None:
    if piece is None or piece.state == "settled":
        return None
    if piece.state == "held":
        return Verdict.HELD, sentences.held(piece)
    if piece.state == "resolved":
        return Verdict.EXCLUDED, sentences.resolved(piece)
    return Verdict.WAITING, sentences.waiting(piece.since)


def _on_its_way(case: Case, sale: SaleFact, piece: Piece | None) -> Found | None:
    """Whether the order was changed so lately, or so lately after we settled it, that it may be on its way."""
    if case.recorded.queued:
        return Verdict.WAITING, sentences.waiting(sale.changed)
    is_news = piece is None or sale.changed > piece.since
    if is_news and case.now - sale.changed < case.patience:
        return Verdict.WAITING, sentences.young(sale)
    return None


def _unreadable(case: Case, sale: SaleFact) -> Judged:
    piece = case.recorded.pieces.get(SALE)
    verdict, why = (
        _recorded(piece)
        or _on_its_way(case, sale, piece)
        or (Verdict.DIFFERS, f"order {case.order} cannot be compared: {sale.defect}")
    )
    found = sum((one.amount for one in case.books), _ZERO)
    references = tuple(one.reference for one in case.books)
    return Judged(
        kind="order",
        id=sale.id,
        order=case.order,
        verdict=verdict,
        currency=sale.currency,
        store=_ZERO,
        books=found,
        sentence=why,
        references=references,
    )


def _unsold(case: Case) -> list[Judged]:
    """Documents of an order that the store does not have: without a sale, unless they cancel each other out."""
    total = sum((one.amount for one in case.books), _ZERO)
    cancelled = bool(case.books) and not total and len({one.currency for one in case.books}) == 1
    judged = []
    for one in case.books:
        piece = case.recorded.pieces.get(one.refund or SALE)
        gone = Rule("deleted", f"the store has no order {case.order}, and its documents cancel each other out")
        verdict, why = (
            (Verdict.EXCLUDED, f"rule {gone.name}: {gone.detail}")
            if cancelled
            else _recorded(piece) or (Verdict.WITHOUT_SALE, sentences.without_sale(one, case))
        )
        judged.append(_of_document(one, case, verdict, why))
    for one in case.drafts:
        piece = case.recorded.pieces.get(one.refund or SALE)
        verdict, why = _recorded(piece) or (Verdict.WITHOUT_SALE, sentences.without_sale(one, case))
        judged.append(_of_document(one, case, verdict, why))
    return judged


def _of(part: Part, case: Case, verdict: Verdict, why: str) -> Judged:
    piece = case.recorded.pieces.get(part.key)
    settled = piece is not None and piece.state == "resolved"
    return Judged(
        kind=part.kind,
        id=part.id,
        order=case.order,
        verdict=verdict,
        currency=part.currency,
        store=part.store,
        books=part.found,
        sentence=why,
        references=tuple(one.reference for one in part.books),
        by_hand=settled and verdict is Verdict.EXCLUDED and part.rule is None and bool(part.delta),
    )


def _of_document(one: BookFact, case: Case, verdict: Verdict, why: str) -> Judged:
    return Judged(
        kind="document",
        id=one.reference,
        order=case.order,
        verdict=verdict,
        currency=one.currency,
        store=_ZERO,
        books=one.amount if one.posted else _ZERO,
        sentence=why,
        references=(one.reference,),
    )
