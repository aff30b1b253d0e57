"""What must hold at the end of every run, read from the ERP's own tables and the list of commands, not from the engine.

The rows are asked only for what they hold back: a document that waits for a person must say a reason that the scenario
can explain.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from decimal import Decimal
from uuid import UUID

from mlc_common.accounting import CreditNote, Invoice
from mlc_common.events import Command, DocumentWish, Withdrawn
from mlc_common.posting.ledger import FINAL, DocumentRow, State

from .erp import NAMED
from .world import World


def check(world: World, *, may_hold: Collection[str] = ()) -> None:
    """Every key at most once, the newest wish that could win, sums equal, nothing left behind, nothing unfinished."""
    commands = [command for _, batch in world.arrivals for command in batch]
    rows = world.ledger.rows()
    _at_most_once(world)
    _outcomes_in_order(world)
    _all_finished(rows, {*may_hold, *_unguaranteed(world)})
    if not any(fault in ("freeze", "nap") for _, _, fault in world.happened):
        assert not world.erp.drafts(), "a draft of ours was left behind"
    by_key: dict[UUID, list[Command]] = defaultdict(list)
    for command in commands:
        by_key[command.document_key].append(command)
    for key, wishes in by_key.items():
        _newest_won(world, next(row for row in rows if row.key == key), wishes)
    if all(row.state is not State.HELD for row in rows):
        _sums_match(world, by_key)


def _unguaranteed(world: World) -> set[str]:
    """What no lease prevents: a process stood still just before it sent. It may cost a hold, never a double."""
    froze = {label for _, label, fault in world.happened if fault in ("freeze", "nap")}
    reasons = set()
    if "create_party >" in froze and not world.unique_firms:
        reasons.add("firm_ambiguous")
    if froze & {"finalise >", "discard >"} and world.dialect in NAMED:
        reasons.add("refused_by_erp")
    return reasons


def _at_most_once(world: World) -> None:
    posted = [thing for thing in world.erp.stand().things if thing.posted]
    references = [thing.reference for thing in posted]
    assert len(references) == len(set(references)), f"posted twice: {sorted(references)}"
    keys = {thing.document.key for thing in posted}
    assert len(keys) == len(posted), f"one document under two references: {sorted(references)}"


def _outcomes_in_order(world: World) -> None:
    last: dict[UUID, tuple[int, int]] = {}
    for outcome in world.ledger.outcomes:
        version, fencing = last.get(outcome.key, (0, 0))
        assert outcome.version > version
        assert outcome.fencing >= fencing
        last[outcome.key] = (outcome.version, outcome.fencing)


def _all_finished(rows: Sequence[DocumentRow], may_hold: Collection[str]) -> None:
    held = {(row.flow, row.order_key) for row in rows if row.state is State.HELD}
    for row in rows:
        if row.state is State.HELD:
            assert row.reason in may_hold, f"held {row.reason}: {row.detail}"
        elif (row.flow, row.order_key) not in held:
            assert row.is_final, f"{row.key} ended as {row.state}"
            assert row.state in FINAL
            assert row.intent_age_s is None


def _newest_won(world: World, row: DocumentRow, wishes: Sequence[Command]) -> None:
    newest = max(wishes, key=lambda command: command.seq)
    wanted = [c.wish.document for c in wishes if isinstance(c.wish, DocumentWish)]
    if not wanted:
        return
    references = sorted({document.reference for document in wanted})
    books = [document for reference in references for document in world.erp.posted(reference)]
    assert all(document in wanted for document in books)
    assert row.state is State.HELD or (row.posted is not None) == bool(books), "the ledger and the books disagree"
    suffixed = tuple(f"{reference}-A" for reference in references)
    adjusted = any(thing.reference.startswith(suffixed) for thing in world.erp.stand().things)
    if row.state in (State.VERIFIED, State.UNCHANGED) and isinstance(newest.wish, DocumentWish) and not adjusted:
        assert [document.lines for document in books] == [newest.wish.document.lines]


def _sums_match(world: World, by_key: dict[UUID, list[Command]]) -> None:
    """Per order: what is in the books = what the newest wishes say; a cancelled order nets to nothing."""
    wanted: dict[str, Decimal] = defaultdict(Decimal)
    cancelled = set()
    for wishes in by_key.values():
        newest = max(wishes, key=lambda command: command.seq)
        order = newest.order_key.rpartition(":")[2]
        wanted[order] += _signed(newest.wish.document if isinstance(newest.wish, DocumentWish) else None)
        if newest.kind == "invoice" and isinstance(newest.wish, Withdrawn):
            cancelled.add(order)
    books: dict[str, Decimal] = defaultdict(Decimal)
    for thing in world.erp.stand().things:
        if thing.posted:
            books[thing.document.sources[0].id] += _signed(thing.document)
    for order in set(wanted) | set(books):
        assert books[order] == (Decimal(0) if order in cancelled else wanted[order])


def _signed(document: Invoice | CreditNote | None) -> Decimal:
    if document is None:
        return Decimal(0)
    return -document.total if isinstance(document, CreditNote) else document.total
