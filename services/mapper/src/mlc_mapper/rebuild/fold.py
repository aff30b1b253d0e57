"""Order states from raw events, recorded commands and recorded fetches; what may not have been decided is asked afresh.

States are folded to the end of the log, and the mapper goes on from there. Of the events behind its last checkpoint
nobody knows whether all that they led to reached the log: of their orders a fresh snapshot is asked for. One that was
asked for is always decided upon, against the commands that are recorded, so nothing is decided twice or lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from mlc_common.errors import Undecodable
from mlc_common.events import Event, MapperCheckpoint, MappingApplied, ReplayCompleted, decode
from mlc_common.log import Record
from mlc_common.store import mappings
from mlc_common.store.rebuild.comparison import Compared
from mlc_common.store.rebuild.folding import Fold, Folding
from mlc_mapper.rebuild import store
from mlc_mapper.rebuild.backlog import Backlog, Onboarding
from mlc_mapper.rebuild.people import fold_requests
from mlc_mapper.refold import refold_asked, refold_events, refold_issued
from mlc_mapper.state import OrderState
from mlc_mapper.store import CONSUMER, StateTable

EventT = TypeVar("EventT", bound=Event)


async def fold(folding: Folding) -> None:
    """Fill the mapper's tables."""
    raw, control = folding.topics.raw_orders, folding.topics.control
    onboarding = await _onboarding(folding)
    names = onboarding.flows
    await _fold_states(folding, onboarding)
    await folding.read_until(CONSUMER, raw)
    await folding.read_until(CONSUMER, control)
    checkpoint, replayed = await _told_on_audit(folding)
    await fold_requests(folding, replayed)
    backlog = Backlog(folding, names)
    await backlog.read(checkpoint)
    await backlog.add_uncommanded(onboarding)
    await backlog.ask()


async def _fold_states(folding: Folding, onboarding: Onboarding) -> None:
    raw, control = folding.topics.raw_orders, folding.topics.control
    states, ends, brokers = StateTable(folding.pool), await folding.ends_of(raw), folding.brokers
    telling = _telling(folding, "order states", ends)
    await refold_events(brokers, raw, onboarding.flows, states, until=ends, only=onboarding.see, told=telling)
    for erp in await mappings.erps(folding.pool):
        topic = folding.topics.commands(erp)
        ends = await folding.ends_of(topic)
        await refold_issued(brokers, topic, states, until=ends, told=_telling(folding, f"wishes for {erp}", ends))
    await refold_asked(brokers, control, onboarding.flows, states, until=await folding.ends_of(control))
    await store.mark_defects(folding.pool)
    if strangers := await store.commanded_without_state(folding.pool):
        folding.notes.append(
            f"Orders with commands and without an event that can be read (see `mlc holds`): {strangers}."
        )


async def _onboarding(folding: Folding) -> Onboarding:
    """Which flows each store has or had, and since when."""
    found, ends = Onboarding(), dict[str, tuple[str, str]]()
    async for batch in folding.batches("flows", folding.topics.control):
        for record in batch:
            event = _told(record, MappingApplied)
            if event is None:
                continue
            given = (event.store, event.erp)
            if ends.setdefault(event.flow, given) == given:  # a flow that is led elsewhere was refused
                found.add(event.store, event.flow, record.timestamp_ms)
    return found


async def _told_on_audit(folding: Folding) -> tuple[dict[int, int], dict[str, ReplayCompleted]]:
    """The mapper's last checkpoint, and the replays that are through, by the id of the request."""
    offsets: dict[int, int] = {}
    replayed: dict[str, ReplayCompleted] = {}
    async for batch in folding.batches("checkpoints", folding.topics.audit):
        for record in batch:
            checkpoint = _told(record, MapperCheckpoint)
            if checkpoint is not None and checkpoint.topic == folding.topics.raw_orders:
                offsets |= {part: max(at, offsets.get(part, 0)) for part, at in checkpoint.offsets.items()}
            done = _told(record, ReplayCompleted)
            if done is not None:
                replayed[str(done.request_id)] = done
    return offsets, replayed


def _told(record: Record, model: type[EventT]) -> EventT | None:
    try:
        envelope = record.envelope()
        return decode(envelope, model) if envelope.type == model.event_type else None
    except Undecodable:  # a dead letter of whoever reads it for its effects
        return None


def _telling(folding: Folding, stage: str, ends: Mapping[int, int]) -> Callable[[int], None]:
    total = sum(ends.values())
    return lambda done: folding.told(stage, done, total)


def _meaning(text: str | None) -> OrderState | None:
    return OrderState.model_validate_json(text) if text else None


STATES = Compared(
    "order_states",
    ("flow", "order_key"),
    # What a stopped order saw is folded again when it is released.
    {"defect": "r.defect", "state": "case when r.defect = '' then r.state end"},
    meanings={"state": _meaning},
    beside={"newest": "r.newest_offset", "seq": "(r.state::json->>'seq')::int"},
    # The log may tell of events that the old generation had not read yet, and of orders before there was a flow.
    where="(old.there is null and fresh.c_seq > 0) or fresh.there is null or old.c_newest = -1 "
    "or old.c_newest >= fresh.c_newest",
)
REPLAYS = Compared("replays", ("request_id",), {"stage": "r.stage", "orders": "r.orders"}, rows="r.stage = 'done'")
ANSWERS = Compared(
    "answered_requests",
    ("request_id", "flow", "order_key"),
    {"commands": "r.commands"},
    rows="cardinality(r.commands) > 0",  # why there is no command is said to whoever asked, and not to the log
)

FOLD = Fold(fold, (STATES, REPLAYS, ANSWERS))
