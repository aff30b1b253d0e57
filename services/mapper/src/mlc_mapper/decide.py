"""From an event to commands: fold it, see what the order's documents should be now, and say what changed. Pure.

Deterministic to the byte: ids are made from the document and its sequence, never from time or chance, so that a replay
gives the same commands. A command is made when a wish differs from the document's last one (architecture §5).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from mlc_common.accounting import HoldReason, command_id, content_digest, source_digest
from mlc_common.events import (
    Command,
    DocumentWish,
    FetchRequested,
    HeldWish,
    HoldResolved,
    ResolvedWish,
    order_subject,
)
from mlc_mapper.decision import Decision, NotAnOrder
from mlc_mapper.evolve import CONTRADICTION, asked, fetch_id, fold, issued
from mlc_mapper.inputs import RawInput
from mlc_mapper.mapping import Mapping
from mlc_mapper.state import OrderState
from mlc_mapper.woocommerce.completeness import missing
from mlc_mapper.woocommerce.documents import Wished, map_order
from mlc_mapper.woocommerce.invoices import invoice_key
from mlc_mapper.woocommerce.reading import EPOCH
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
    new = not _says_nothing_new(state, after)
    if not new and _is_decided(after):
        return Decision(state=after)
    decision = decide_again(after, mapping, cause=event.event_id)
    # What other rules left out before is decided by these, though nothing of it is new.
    return decision if new or decision.commands else Decision(state=after)


def decide_again(
    state: OrderState,
    mapping: Mapping,
    *,
    cause: str,
    released: Collection[UUID] = (),
    anew: Collection[UUID] = (),
    rebook: bool = False,
) -> Decision:
    """Decide from what is known, without a new event: after a release, or after another mapping was applied.

    What was asked of the order's documents while more had to be read of it is done, too.

    Args:
        state: The order's state.
        mapping: The rules in force.
        cause: Id of the event that asks for it.
        released: Document keys that a person released; their wish is commanded even if it did not change.
        anew: Document keys that are booked by today's rules, whatever they were commanded by; so are those released.
        rebook: What is posted is to be corrected, too, where today's rules book it otherwise.
    """
    released = {*released, *(key for key, asks in state.pending.items() if asks != "anew")}
    rebook = rebook or "rebook" in state.pending.values()
    mapped = map_order(state, mapping, released={*released, *anew, *state.pending})
    commands: list[Command] = []
    for wished in mapped.wishes:
        command = _command(state, wished, mapping, cause, wished.key in released)
        if command is not None:
            command = command.model_copy(update={"adjusting": "rebook"}) if rebook else command
            commands.append(command)
            state = issued(state, command)
    state = state.model_copy(update={"pending": {}}) if state.pending else state
    return Decision(state=state, commands=tuple(commands), excluded=mapped.excluded)


def release(
    state: OrderState, mapping: Mapping, *, cause: str, documents: Sequence[UUID], rebook: bool = False
) -> Decision:
    """Decide about documents that a person released.

    Where more must be read of the order first, they are held once more for that, and released by what comes of it.

    Args:
        state: The order's state, which knows these documents.
        mapping: The rules in force.
        cause: Id of the event that asks for it.
        documents: What was released.
        rebook: See ``decide_again``.
    """
    request = wanted_fetch(state, mapping)
    if request is None:
        return decide_again(state, mapping, cause=cause, released=documents, rebook=rebook)
    why = "what was heard of it contradicts itself" if state.contested is not None else f"it {request.because}"
    wish = HeldWish(reason=HoldReason.TO_BE_READ, detail=f"The order is read once more, because {why}.")
    commands: list[Command] = []
    for key in documents:
        command = _command(state, Wished(key=key, kind=state.wishes[key].kind, wish=wish), mapping, cause, True)
        assert command is not None
        command = command.model_copy(update={"adjusting": "rebook"}) if rebook else command
        commands.append(command)
        state = issued(state, command)
    return Decision(state=asked(state, request.fetch_id), commands=tuple(commands), fetches=(request,))


def resolve(state: OrderState, event: HoldResolved, mapping: Mapping) -> Decision:
    """Hand a person's resolution on; what was commanded, and how it is booked, stays as it is known.

    Args:
        state: The order's state, which knows the document.
        event: What the person found.
        mapping: The rules in force.
    """
    wish = ResolvedWish(found=event.found, by=event.by, why=event.why)
    wished = Wished(key=event.document_key, kind=state.wishes[event.document_key].kind, wish=wish)
    command = _command(state, wished, mapping, str(event.request_id), False)
    assert command is not None
    return Decision(state=issued(state, command), commands=(command,))


def _command(state: OrderState, wished: Wished, mapping: Mapping, cause: str, released: bool) -> Command | None:
    """The command of a wish; None when it is what was commanded last."""
    digest, last = content_digest(wished.wish), state.wishes.get(wished.key)
    if last is not None and last.digest == digest and not released:
        return None
    seq, picture = state.seq + 1, state.picture
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
        adjusting="difference" if mapping.after_posting == "adjust" else "hold",
        on=mapping.local_date(picture.modified) if picture and picture.modified != EPOCH else None,
    )


def wanted_fetch(state: OrderState, mapping: Mapping) -> FetchRequested | None:
    """The snapshot without which nothing can be decided by today's rules; the same one whenever it is asked."""
    if state.contested is not None:
        return _settling(state, state.contested)
    if state.gone or state.picture is None:
        return None
    lacking = missing(state, mapping)
    request = fetch(state, f"needs {', '.join(lacking)}", state.picture.digest)
    return request if lacking and request.fetch_id not in state.answered else None


def _request(before: OrderState, after: OrderState, told: Told, mapping: Mapping) -> FetchRequested | None:
    """The snapshot without which nothing can be decided; its id is made from what is known, so it is asked for once."""
    known = after.picture.digest if after.picture else ""
    if isinstance(told, HintTold):
        # The last answer is part of it: what was no deletion then may be one now.
        return fetch(after, told.because, known, *(str(fetch_id) for fetch_id in after.answered[-1:]))
    if after.contested is not None:
        return _settling(after, after.contested)
    if isinstance(told, GoneTold):
        return None
    if after.gone:
        return None if before.picture == after.picture else fetch(after, "gone", known)
    lacking = missing(after, mapping)
    if lacking and not _is_answer(told):
        return fetch(after, f"needs {', '.join(lacking)}", known)
    return None


def _settling(state: OrderState, contested: UUID) -> FetchRequested:
    return FetchRequested(
        fetch_id=contested, connection=state.connection, order_id=str(state.order_id), because=CONTRADICTION
    )


def fetch(state: OrderState, because: str, *of: str) -> FetchRequested:
    """The snapshot that is wanted of an order for this reason; the same one whenever the same is given."""
    return FetchRequested(
        fetch_id=fetch_id(state.connection, state.order_id, because, *of),
        connection=state.connection,
        order_id=str(state.order_id),
        because=because,
    )


def _is_answer(told: OrderTold) -> bool:
    """A snapshot that was asked for is as complete as can be; asking again would not help."""
    return told.fetch_id is not None


def _is_decided(state: OrderState) -> bool:
    """Whether an invoice was wished for, or withdrawn for another reason than a cut-over date, which may move back."""
    last = state.wishes.get(invoice_key(state))
    return last is not None and last.rule != "before_cut_over"


def _says_nothing_new(before: OrderState, after: OrderState) -> bool:
    """Whether only the time of the last reading moved. An answer is news, even if it says what was known."""
    return after.gone == before.gone and after.model_copy(update={"alive_at": before.alive_at}) == before
