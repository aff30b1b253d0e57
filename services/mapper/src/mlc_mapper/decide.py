"""From an event to commands: fold it, see what the order's documents should be now, and say what changed. Pure.

Deterministic to the byte: ids are made from the document and its sequence, never from time or chance, so that a replay
gives the same commands. A command is made when a wish differs from the document's last one (architecture §5).
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from mlc_common.accounting import command_id, content_digest, event_id, source_digest
from mlc_common.events import Command, DocumentWish, FetchRequested, order_subject
from mlc_mapper.decision import Decision, NotAnOrder
from mlc_mapper.evolve import Relation, asked, fold, issued, relation
from mlc_mapper.inputs import RawInput
from mlc_mapper.mapping import Mapping
from mlc_mapper.state import OrderState
from mlc_mapper.woocommerce.completeness import missing
from mlc_mapper.woocommerce.documents import Wished, map_order
from mlc_mapper.woocommerce.told import GoneTold, HintTold, OrderTold, Told, read


def decide(state: OrderState, event: RawInput, mapping: Mapping, *, told: Told | None = None) -> Decision | NotAnOrder:
    """Decide about one raw event.

    Args:
        state: The order's state before the event (``OrderState(flow, connection, order_id)`` when it is unknown).
        event: The event, about this order.
        mapping: The rules in force for the flow.
        told: What ``read`` made of this event, if that was called already.

    Returns:
        What to store and publish, or why the event says nothing of an order.

    Raises:
        ValueError: the event is about another order, or the mapping is another flow's.
    """
    if mapping.flow != state.flow:
        raise ValueError(f"the mapping of flow {mapping.flow} was given to an order of flow {state.flow}")
    said = told or read(event)
    if isinstance(said, NotAnOrder):
        return said
    after = fold(state, said)
    request = _request(state, after, said, mapping)
    if request is not None:
        fetches = () if request.fetch_id in after.asked else (request,)
        return Decision(state=asked(after, request.fetch_id), fetches=fetches)
    if _says_nothing_new(state, after):
        return Decision(state=after)
    return decide_again(after, mapping, cause=event.event_id)


def decide_again(state: OrderState, mapping: Mapping, *, cause: str, released: Collection[UUID] = ()) -> Decision:
    """Decide from what is known, without a new event: after a release, or after another mapping was applied.

    Args:
        state: The order's state.
        mapping: The rules in force.
        cause: Id of the event that asks for it.
        released: Document keys that a person released; their wish is commanded even if it did not change.
    """
    mapped = map_order(state, mapping, released=released)
    commands: list[Command] = []
    for wished in mapped.wishes:
        command = _command(state, wished, mapping, cause, wished.key in released)
        if command is not None:
            commands.append(command)
            state = issued(state, command)
    return Decision(state=state, commands=tuple(commands), excluded=mapped.excluded)


def _command(state: OrderState, wished: Wished, mapping: Mapping, cause: str, released: bool) -> Command | None:
    """The command of a wish; None when it is what was commanded last."""
    digest, last = content_digest(wished.wish), state.wishes.get(wished.key)
    if last is not None and last.digest == digest and not released:
        return None
    seq = state.seq + 1
    return Command(
        command_id=command_id(wished.key, seq),
        document_key=wished.key,
        flow=state.flow,
        order_key=order_subject(state.connection, state.order_id),
        seq=seq,
        kind=wished.kind,
        wish=wished.wish,
        cause=cause,
        content_digest=digest,
        source_digest=source_digest(wished.wish.document) if isinstance(wished.wish, DocumentWish) else "",
        mapping_version=mapping.version,
        released=released,
    )


def _request(before: OrderState, after: OrderState, told: Told, mapping: Mapping) -> FetchRequested | None:
    """The snapshot without which nothing can be decided; its id is made from what is known, so it is asked for once."""
    known = after.picture.digest if after.picture else ""
    if isinstance(told, HintTold):
        return _fetch(after, told.because, known)
    if isinstance(told, GoneTold):
        return None
    if relation(before, told) is Relation.CONTRADICTION:
        # The last answer is part of the id: what was settled and comes up again is looked at again. It may be an old
        # webhook that comes late, and it may be an order that was changed and changed back within one second.
        settled = [str(fetch_id) for fetch_id in before.answered[-1:]]
        return _fetch(after, "contradiction", *sorted((known, told.picture.digest)), *settled)
    if after.gone:
        return None if before.picture == after.picture else _fetch(after, "gone", known)
    lacking = missing(after, mapping)
    if lacking and not _is_answer(told):
        return _fetch(after, f"needs {', '.join(lacking)}", known)
    return None


def _fetch(state: OrderState, because: str, *digests: str) -> FetchRequested:
    subject = order_subject(state.connection, state.order_id)
    return FetchRequested(
        fetch_id=event_id("fetch", subject, because, *digests),
        connection=state.connection,
        order_id=str(state.order_id),
        because=because,
    )


def _is_answer(told: OrderTold) -> bool:
    """A snapshot that was asked for is as complete as can be; asking again would not help."""
    return told.fetch_id is not None


def _says_nothing_new(before: OrderState, after: OrderState) -> bool:
    """Whether only the time of the last reading moved. An answer is news, even if it says what was known."""
    return after.gone == before.gone and after.model_copy(update={"alive_at": before.alive_at}) == before
