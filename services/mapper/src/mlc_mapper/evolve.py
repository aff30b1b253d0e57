"""Fold an order's events into its state. Pure: the same events give the same state, whatever the clock says.

The store's modification time orders pictures. Two different pictures of one second cannot be ordered, and neither can
one that was read later and bears an earlier time: the first stays, contested, until the snapshot arrives that was
fetched to settle it (architecture §2). Where that answer bears the earlier time, the store's clock was set back, and
times up to the one that it overruled order nothing any more. What answers a fetch was read after the fetch was asked
for: that order no clock can tell otherwise. Facts are folded from every picture, also from late ones, so that the end
state does not depend on the order of arrival.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import get_args
from uuid import UUID

from mlc_common.accounting import CreditNote, HoldReason, Invoice, event_id
from mlc_common.events import Command, DocumentWish, FetchRequested, HeldWish, ResolvedWish, Withdrawn, order_subject
from mlc_mapper.decision import NotAnOrder
from mlc_mapper.inputs import CommandIssued, FetchAsked, Input
from mlc_mapper.state import LastWish, OrderState, Pending
from mlc_mapper.woocommerce import facts as facts_of
from mlc_mapper.woocommerce.order import StoreRefund
from mlc_mapper.woocommerce.reading import EPOCH
from mlc_mapper.woocommerce.told import GoneTold, HintTold, OrderTold, Told, read

_OUR_CLOCKS_DIFFER = timedelta(seconds=5)

CONTRADICTION = "contradiction"
"""Why a contested picture is fetched."""

_REMEMBERED = 64
"""Fetch ids kept per order; forgetting one costs a needless fetch, nothing else."""


class Relation(Enum):
    """How a picture stands to the newest one known."""

    NEWER = auto()
    OLDER = auto()
    SAME = auto()
    ANSWER = auto()
    CONTRADICTION = auto()


def evolve(state: OrderState, event: Input) -> OrderState:
    """The state after one more event.

    Raises:
        ValueError: the event is about another order; the caller loaded the wrong state.
    """
    if isinstance(event, CommandIssued):
        return issued(state, event.command)
    if isinstance(event, FetchAsked):
        return requested(state, event.request)
    told = read(event)
    return state if isinstance(told, NotAnOrder) else fold(state, told)


def fold(state: OrderState, told: Told) -> OrderState:
    """The state after what an event told.

    Raises:
        ValueError: it is about another order.
    """
    if told.order_id != state.order_id:
        raise ValueError(f"an event of order {told.order_id} was given to the state of order {state.order_id}")
    if isinstance(told, HintTold):
        return state
    if isinstance(told, GoneTold):
        return _answered(state.model_copy(update=_lost(state, told)), told.fetch_id)
    return _answered(_with_order(state, told), told.fetch_id)


def relation(state: OrderState, told: OrderTold) -> Relation:
    """How a told picture stands to the newest one known."""
    known, new = state.picture, told.picture
    if known is None:
        return Relation.NEWER
    if new.digest == known.digest:
        return Relation.SAME
    if state.contested is not None and told.fetch_id == state.contested:
        return Relation.ANSWER  # asked for when the newest picture was known, so read later than that was heard
    timed = EPOCH not in (new.modified, known.modified)
    if timed and new.modified < known.modified and not _read_later(state, told):
        return Relation.OLDER
    later = known.modified == EPOCH or (timed and new.modified > known.modified)
    if later and not _may_be_overruled(state, told):
        return Relation.NEWER
    return Relation.ANSWER if _is_first_answer(state, told.fetch_id) else Relation.CONTRADICTION


def _may_be_overruled(state: OrderState, told: OrderTold) -> bool:
    """Whether a later time may be of before the store's clock was set back: a doubled webhook of then, say."""
    return state.overruled is not None and EPOCH < told.picture.modified <= state.overruled


def _still_overruled(state: OrderState, told: OrderTold) -> datetime | None:
    """Until when the store's times say nothing, once this picture is the newest one."""
    latest = max(state.overruled or EPOCH, state.picture.modified if state.picture else EPOCH)
    return latest if latest > told.picture.modified else None


def _read_later(state: OrderState, told: OrderTold) -> bool:
    """Whether the store showed this after we had heard of the newest picture, though its own clock says otherwise.

    Its clock was set back: what it shows now is what it has, and by its times alone a refund would never be seen. A
    late webhook proves nothing of the kind, and our own clocks may differ a little.
    """
    if told.fetched_at is None or state.heard_at is None:
        return False
    return told.fetched_at - state.heard_at > _OUR_CLOCKS_DIFFER


def _settling(state: OrderState, told: OrderTold) -> UUID:
    """Id of the fetch that settles a contradiction.

    The last answer is part of it: what was settled and comes up again is looked at again. It may be an old webhook that
    comes late, and it may be an order that was changed and changed back within one second.
    """
    digests = sorted(picture.digest for picture in (state.picture, told.picture) if picture is not None)
    settled = [str(fetch_id) for fetch_id in state.answered[-1:]]
    return fetch_id(state.connection, state.order_id, CONTRADICTION, *digests, *settled)


def fetch_id(connection: str, order_id: int, because: str, *of: str) -> UUID:
    """The id of a fetch, made from why and of what it is asked for: the same reason never asks twice."""
    return event_id("fetch", order_subject(connection, order_id), because, *of)


def issued(state: OrderState, command: Command) -> OrderState:
    """The state after a command of this order; one that is known already changes nothing."""
    last = state.wishes.get(command.document_key)
    if last is not None and last.seq >= command.seq:
        return state
    if isinstance(command.wish, ResolvedWish):
        return _resolved(state, command)
    wish, booked = command.wish, LastWish(kind=command.kind, seq=command.seq, wish=command.wish.wish, digest="")
    if isinstance(wish, DocumentWish):
        booked = _booked(command, wish.document, last)
    elif isinstance(wish, HeldWish) and last is not None and last.lines:
        booked = last  # what was commanded may be posted, whatever its order is held for
    new = booked.model_copy(
        update={
            "seq": command.seq,
            "wish": wish.wish,
            "digest": command.content_digest,
            **({"rule": wish.rule, "date": wish.date} if isinstance(wish, Withdrawn) else {}),
        }
    )
    wishes = {**state.wishes, command.document_key: new}
    after = state.model_copy(update={"wishes": wishes, "seq": max(state.seq, command.seq)})
    if command.released and isinstance(wish, HeldWish) and wish.reason == HoldReason.TO_BE_READ:
        return pending(after, {command.document_key: "rebook" if command.adjusting == "rebook" else "released"})
    return _done_with(after, command.document_key)


def pending(state: OrderState, asked_for: Mapping[UUID, Pending]) -> OrderState:
    """The state after this was asked of documents of an order that must be read first."""
    if not asked_for:
        return state
    both = [state.pending, asked_for]
    merged = {key: max((of[key] for of in both if key in of), key=_MORE.index) for of in both for key in of}
    return state.model_copy(update={"pending": merged})


_MORE = get_args(Pending)


def _done_with(state: OrderState, key: UUID) -> OrderState:
    if key not in state.pending:
        return state
    return state.model_copy(update={"pending": {other: of for other, of in state.pending.items() if other != key}})


def _resolved(state: OrderState, command: Command) -> OrderState:
    """A person's word about the books is no wish of the store: what was wished stays the last that is known."""
    last, seq = state.wishes.get(command.document_key), max(state.seq, command.seq)
    known = {command.document_key: last.model_copy(update={"seq": command.seq})} if last else {}
    after = state.model_copy(update={"wishes": {**state.wishes, **known}, "seq": seq})
    return _done_with(after, command.document_key)


def _booked(command: Command, document: Invoice | CreditNote, last: LastWish | None) -> LastWish:
    """How a document is booked, and by which rules: by those of the first command that booked it so."""
    as_before = last is not None and last.lines == document.lines and last.placement == document.placement
    return LastWish(
        kind=command.kind,
        seq=command.seq,
        wish="document",
        digest=command.content_digest,
        mapping_version=last.mapping_version if last and as_before else command.mapping_version,
        currency=document.currency,
        total=document.total,
        lines=document.lines,
        date=document.date,
        placement=document.placement,
    )


def asked(state: OrderState, fetch_id: UUID) -> OrderState:
    """The state after a fetch was asked for."""
    if fetch_id in state.asked:
        return state
    return state.model_copy(update={"asked": (*state.asked, fetch_id)[-_REMEMBERED:]})


def requested(state: OrderState, request: FetchRequested) -> OrderState:
    """The state after a fetch was asked for, as the log tells it: with what is to be done once it is answered."""
    after = asked(state, request.fetch_id)
    if request.fetch_id in state.answered:
        return after
    return pending(after, {key: of for key, of in request.asks.items() if key in state.wishes})


def _answered(state: OrderState, fetch_id: UUID | None) -> OrderState:
    if fetch_id is None or fetch_id in state.answered:
        return state
    contested = None if fetch_id == state.contested else state.contested
    answered = (*state.answered, fetch_id)[-_REMEMBERED:]
    return state.model_copy(update={"answered": answered, "contested": contested})


def _lost(state: OrderState, told: GoneTold) -> dict[str, object]:
    """What is known of the order's being there, after a snapshot that showed that it is not.

    By our own clock, which may be set back; what answers a fetch is later than what was known, whatever it bears.
    """
    if _is_first_answer(state, told.fetch_id) and state.alive_at is not None and state.alive_at >= told.fetched_at:
        return {"gone_at": told.fetched_at, "alive_at": None}
    return {"gone_at": max(filter(None, (state.gone_at, told.fetched_at)))}


def _seen(state: OrderState, at: datetime, fetch_id: UUID | None) -> dict[str, object]:
    """The same after one that showed the order."""
    if _is_first_answer(state, fetch_id) and state.gone_at is not None and state.gone_at >= at:
        return {"alive_at": at, "gone_at": None}
    return {"alive_at": max(filter(None, (state.alive_at, at)))}


def _is_first_answer(state: OrderState, fetch_id: UUID | None) -> bool:
    return fetch_id is not None and fetch_id not in state.answered


def _with_order(state: OrderState, told: OrderTold) -> OrderState:
    stands = relation(state, told)
    facts = facts_of.with_picture(state.facts, told.picture)
    update: dict[str, object] = {"refunds": _refunds(state.refunds, told.refunds, stands)}
    if told.fetched_at is not None:
        answer = told.fetch_id is not None
        facts = facts_of.with_categories(facts, told.categories, told.fetched_at, complete=answer)
        account = told.account or ((facts.customer_id, "") if answer else None)
        if account is not None:
            facts = facts_of.with_account(facts, *account, told.fetched_at)
        update |= _seen(state, told.fetched_at, told.fetch_id)
    if stands in (Relation.NEWER, Relation.ANSWER):
        update |= {"picture": told.picture, "heard_at": told.heard_at, "overruled": _still_overruled(state, told)}
    if stands is Relation.NEWER:
        update["contested"] = None
    elif stands is Relation.CONTRADICTION:
        update["contested"] = _settling(state, told)
    return state.model_copy(update={**update, "facts": facts})


def _refunds(
    known: tuple[StoreRefund, ...], told: tuple[StoreRefund, ...], stands: Relation
) -> tuple[StoreRefund, ...]:
    """All refunds ever read, by id. A refund never changes; a readable one replaces one that could not be read."""
    found = {refund.id: refund for refund in known}
    for refund in told:
        old = found.get(refund.id)
        fresher = stands not in (Relation.OLDER, Relation.CONTRADICTION) and not refund.defect
        if old is None or (old.defect and not refund.defect) or (fresher and old.amount != refund.amount):
            found[refund.id] = refund
    return tuple(found[refund_id] for refund_id in sorted(found))
