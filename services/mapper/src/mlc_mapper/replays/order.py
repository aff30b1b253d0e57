"""Decide anew about one order of a replay: its events folded from the first on, what was commanded kept. Pure.

Nothing is commanded that was commanded before. How a document is booked that is held, and not in the books, is decided
by today's rules; what is posted stays as it was booked, unless that was asked for.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Literal
from uuid import UUID

from mlc_mapper.decide import decide_again, fetch, release, wanted_fetch
from mlc_mapper.decision import Decision
from mlc_mapper.evolve import asked, requested
from mlc_mapper.mapping import Mapping
from mlc_mapper.state import OrderState


def with_commands(folded: OrderState, known: OrderState | None) -> OrderState:
    """What the events give, with what was commanded, what waits to be, and what was asked for."""
    if known is None:
        return folded
    kept = {"wishes": known.wishes, "seq": known.seq, "pending": known.pending, "asked": known.asked}
    return folded.model_copy(update=kept)


def decide_anew(
    state: OrderState,
    mapping: Mapping,
    *,
    cause: str,
    released: Collection[UUID] = (),
    held: Collection[UUID] = (),
    rebook: bool = False,
) -> Decision:
    """Decide about an order of a replay.

    Args:
        state: See ``with_commands``.
        mapping: The rules in force.
        cause: Id of the request.
        released: Documents that a person released; commanded even if nothing changed.
        held: Documents that are held and not in the books.
        rebook: What is posted is to be corrected, too.
    """
    known = [key for key in released if key in state.wishes]
    if known:
        return release(state, mapping, cause=cause, documents=known, rebook=rebook)
    again = [key for key, last in state.wishes.items() if last.live] if rebook else []
    request = wanted_fetch(state, mapping)
    if request is not None:  # its answer decides, and does what is asked for here
        asks: dict[UUID, Literal["anew", "rebook"]] = {key: "anew" for key in held if key in state.wishes}
        asks |= dict.fromkeys(again, "rebook")
        request = request.model_copy(update={"asks": asks})
        # One that was asked for is asked for once more, so that the log knows of what is asked here.
        fetches = () if request.fetch_id in state.asked and not asks else (request,)
        return Decision(state=requested(state, request), fetches=fetches)
    return decide_again(state, mapping, cause=cause, released=again, anew=held, rebook=rebook)


def and_read(decision: Decision, newest_event: str) -> Decision:
    """The same decision about an order whose events had to wait, and a fetch of the order as it is now.

    Among them may be one that says no more than that something happened, of which a fold keeps nothing.
    """
    if decision.fetches:
        return decision
    request = fetch(decision.state, "its events had to wait", newest_event)
    return replace(decision, state=asked(decision.state, request.fetch_id), fetches=(request,))
