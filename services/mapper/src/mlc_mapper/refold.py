"""Folds order states anew from the log, from each order's first event, into storage beside the states in force.

In bounded memory: a batch of events and the states of their orders at a time, whatever the log holds. It decides
nothing and publishes nothing; replay, rebuild and `mlc mapping diff` rest on it (architecture §2 and §6).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import structlog

from mlc_common.errors import Undecodable
from mlc_common.events import Command, Event, FetchRequested, decode, order_subject
from mlc_common.log import Record, in_batches, read_topic, whole
from mlc_mapper.evolve import fold, issued, requested
from mlc_mapper.seen import Seen, read_record, unseen
from mlc_mapper.state import EVOLVE_VERSION, OrderState
from mlc_mapper.store import Key, StoredState

_log = structlog.get_logger(__name__)

BATCH = 500

EventT = TypeVar("EventT", bound=Event)


class Storage(Protocol):
    """Where states are folded to; ``store.StateTable`` is one."""

    async def admitted(self, keys: Collection[Key]) -> Collection[Key]:
        """Which of these orders are to be folded."""
        ...

    async def load(self, keys: Collection[Key]) -> Mapping[Key, StoredState]:
        """The states of these orders; absent where not folded yet."""
        ...

    async def save(self, states: Collection[StoredState]) -> None:
        """Write these states."""
        ...


def _untold(_count: int) -> None:
    """Tell nobody how far it is."""


async def refold_events(
    brokers: str,
    topic: str,
    flows: Mapping[str, Collection[str]],
    into: Storage,
    *,
    since: Mapping[int, int] | None = None,
    until: Mapping[int, int] | None = None,
    only: Callable[[Record], bool] | None = None,
    told: Callable[[int], None] = _untold,
) -> int:
    """Fold the raw topic: the states as if no command had ever been issued.

    A state that a defect of ours stops keeps the error's name, and what was folded before; its later events wait.

    Args:
        brokers: Of the log.
        topic: The raw topic.
        flows: Names of the flows of each store's connection.
        into: What is folded to; a state that it holds already is folded on, with what it has not seen.
        since: First offset per partition; from the beginning where not given.
        until: Offset per partition to stop before; to the end where not given.
        only: Records to look at; all by default.
        told: Called with the number of records that were read, after each batch.

    Returns:
        How many events were folded (one of two flows counts twice).

    Raises:
        Retryable: the broker cannot be reached.
    """
    folded = 0
    async for batch in _batches(brokers, topic, since, until, told):
        seen = [await read_record(brokers, record) for record in batch if only is None or only(record)]
        found = [
            ((flow, item.order_key), item)
            for item in seen
            if isinstance(item, Seen)
            for flow in flows.get(item.connection, ())
        ]
        folded += await _fold_batch(found, into)
    return folded


async def refold_issued(
    brokers: str,
    topic: str,
    into: Storage,
    *,
    since: Mapping[int, int] | None = None,
    until: Mapping[int, int] | None = None,
    told: Callable[[int], None] = _untold,
) -> int:
    """Fold what the log recorded of the mapper's own decisions into states: commands, so that sequences go on there.

    Args:
        brokers: Of the log.
        topic: A topic of commands.
        into: States of events that were folded before.
        since: First offset per partition; from the beginning where not given.
        until: Offset per partition to stop before; to the end where not given.
        told: Called with the number of records that were read, after each batch.

    Returns:
        How many commands were folded; those of orders without a state are not.

    Raises:
        Retryable: the broker cannot be reached.
    """
    folded = 0
    async for batch in _batches(brokers, topic, since, until, told):
        commands = [found for record in batch if (found := await _event(brokers, record, Command)) is not None]
        keys = {(command.flow, command.order_key) for command in commands}
        states = dict(await into.load(await into.admitted(keys)))
        for command in commands:
            known = states.get((command.flow, command.order_key))
            if known is not None:
                states[known.key] = _with_command(known, command)
                folded += 1
        await into.save(states.values())
    return folded


async def refold_asked(
    brokers: str,
    topic: str,
    flows: Mapping[str, Collection[str]],
    into: Storage,
    *,
    since: Mapping[int, int] | None = None,
    until: Mapping[int, int] | None = None,
) -> int:
    """Fold the fetches that the control topic recorded: none is asked for twice, and what they are for is remembered.

    Args:
        brokers: Of the log.
        topic: The control topic.
        flows: Names of the flows of each store's connection.
        into: States of events that were folded before.
        since: First offset per partition; from the beginning where not given.
        until: Offset per partition to stop before; to the end where not given.

    Returns:
        How many were folded.

    Raises:
        Retryable: the broker cannot be reached.
    """
    folded = 0
    async for batch in _batches(brokers, topic, since, until, _untold):
        requests = [found for record in batch if (found := await _event(brokers, record, FetchRequested)) is not None]
        pairs = [
            ((flow, order_subject(request.connection, request.order_id)), request)
            for request in requests
            for flow in flows.get(request.connection, ())
        ]
        states = dict(await into.load(await into.admitted({key for key, _ in pairs})))
        for key, request in pairs:
            if key in states:
                state = OrderState.model_validate_json(states[key].state)
                states[key] = replace(states[key], state=requested(state, request).model_dump_json())
                folded += 1
        await into.save(states.values())
    return folded


async def _batches(
    brokers: str,
    topic: str,
    since: Mapping[int, int] | None,
    until: Mapping[int, int] | None,
    told: Callable[[int], None],
) -> AsyncIterator[Sequence[Record]]:
    count = 0
    async for batch in in_batches(read_topic(brokers, topic, since=since, until=until), BATCH):
        yield batch
        count += len(batch)
        told(count)


async def _fold_batch(found: Sequence[tuple[Key, Seen]], into: Storage) -> int:
    if not found:
        return 0
    admitted = set(await into.admitted({key for key, _ in found}))
    stored = dict(await into.load(admitted))
    states = {key: OrderState.model_validate_json(row.state) for key, row in stored.items()}
    folded = 0
    for key, item in found:
        known = stored.get(key)
        if key not in admitted or (known and (known.defect or item.record.offset <= known.newest_offset)):
            continue
        state = states.get(key) or unseen(key[0], item)
        try:
            states[key], defect = fold(state, item.told), ""
        except Exception as error:  # ours, whatever it is: this order waits, the others go on
            _log.exception("refold.defect", flow=key[0], order=key[1], error=type(error).__name__)
            states[key], defect = state, type(error).__name__
        stored[key] = StoredState(*key, EVOLVE_VERSION, "", defect, item.envelope.id, item.record.offset)
        folded += 1
    await into.save([replace(stored[key], state=state.model_dump_json()) for key, state in states.items()])
    return folded


def _with_command(known: StoredState, command: Command) -> StoredState:
    state = issued(OrderState.model_validate_json(known.state), command)
    return replace(known, state=state.model_dump_json())


async def _event(brokers: str, record: Record, model: type[EventT]) -> EventT | None:
    """The event in a record, if it is of this kind and can be read."""
    try:
        envelope = record.envelope()
        if envelope.type != model.event_type:
            return None
        return decode(await whole(brokers, record.topic, record.partition, envelope), model)
    except Undecodable as error:
        _log.warning("refold.unreadable", topic=record.topic, offset=record.offset, why=str(error))
        return None
