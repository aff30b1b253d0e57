"""Folds the control topic: mappings, and what people ask for. One batch is one transaction of the handler.

A release or a resolution decides from the order's state as it stands, under its lock; where that state cannot be
trusted (a defect stopped it, another version folded it) the release becomes a replay of its order. What asks for
something unknown is a dead letter with its reason, and so is nothing lost silently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from mlc_common.errors import ConfigurationError, Undecodable
from mlc_common.events import (
    Envelope,
    Event,
    HoldResolved,
    MappingApplied,
    ReleaseRequested,
    ReplayRequested,
    decode,
)
from mlc_common.log import Record
from mlc_common.log.dead_letters import dead_letter
from mlc_common.store import mappings, requests
from mlc_common.store.pool import Connection
from mlc_mapper.decide import release, resolve
from mlc_mapper.decision import Decision
from mlc_mapper.defects import Defects
from mlc_mapper.emitting import Because, Emission, lane_of
from mlc_mapper.flows import Flow, Flows
from mlc_mapper.mapping import Mapping
from mlc_mapper.replays import store as replays
from mlc_mapper.state import OrderState
from mlc_mapper.store import StateTable, StoredState

_log = structlog.get_logger(__name__)

Request = ReleaseRequested | HoldResolved


class Refused(Exception):  # noqa: N818 - names what happened; never leaves this module
    """A request that names what is not known."""


@dataclass(frozen=True)
class _Asked:
    """A request about an order that is known."""

    request: Request
    envelope: Envelope
    flow: Flow
    stored: StoredState
    state: OrderState

    @property
    def because(self) -> Because:
        """What the decision follows from."""
        return Because(
            cause=str(self.request.request_id),
            time=self.envelope.time,
            lane=lane_of(self.request.order_key),
            replay_of=self.stored.newest_event,
        )


class ControlFold:
    """Folds records of the control topic within the caller's transaction."""

    def __init__(self, flows: Flows, defects: Defects) -> None:
        self._flows = flows
        self._defects = defects

    async def fold(self, connection: Connection, records: Sequence[Record], emission: Emission) -> bool:
        """Fold a batch, in order; what cannot be followed becomes a dead letter.

        Args:
            connection: In whose transaction.
            records: The batch.
            emission: Takes what is to be sent.

        Returns:
            Whether a person asked for something that a replay may have to do.
        """
        told: list[tuple[Record, Envelope, Event]] = []
        for record in records:
            try:
                envelope = record.envelope()
                if envelope.type in _READ:
                    told.append((record, envelope, decode(envelope, _READ[envelope.type])))
            except Undecodable as error:
                self._refuse(emission, record, str(error))
        keys = {(event.flow, event.order_key) for *_, event in told if isinstance(event, Request)}
        if keys:  # all at once and in one order, as the raw topic's batches lock them
            await StateTable(connection).load(keys, lock=True)
        for record, envelope, event in told:
            try:
                await self._one(connection, emission, envelope, event)
            except (Refused, ConfigurationError) as refusal:
                self._refuse(emission, record, str(refusal))
        return any(isinstance(event, ReplayRequested | ReleaseRequested) for *_, event in told)

    def _refuse(self, emission: Emission, record: Record, why: str) -> None:
        _log.warning("mapper.request_refused", offset=record.offset, why=why)
        emission.rows.append(dead_letter(emission.topics, record, why))

    async def _one(self, connection: Connection, emission: Emission, envelope: Envelope, event: Event) -> None:
        if isinstance(event, MappingApplied):
            await mappings.apply(connection, event)
        elif isinstance(event, ReplayRequested):
            await replays.ask(connection, event)
        elif isinstance(event, Request):
            await self._about_order(connection, emission, envelope, event)

    async def _about_order(
        self, connection: Connection, emission: Emission, envelope: Envelope, event: Request
    ) -> None:
        if await requests.is_answered(connection, event.request_id, event.flow, event.order_key):
            return
        try:
            asked = await self._known(connection, envelope, event)
        except Refused as refusal:
            await requests.answer(connection, _answer(event, note=str(refusal)))
            raise
        if isinstance(event, ReleaseRequested) and asked.stored.waits:
            await replays.ask(connection, _of_one_order(event), event.documents)
            return
        decision, defect = self._decide(asked)
        emission.add(asked.flow.erp, decision, asked.because)
        await self._store(connection, asked, decision, defect)

    async def _known(self, connection: Connection, envelope: Envelope, event: Request) -> _Asked:
        flows = await self._flows.by_name(connection)
        stored = (await StateTable(connection).load([(event.flow, event.order_key)])).get((event.flow, event.order_key))
        if event.flow not in flows:
            raise Refused(f"there is no flow {event.flow[:80]!a}")
        if stored is None:
            raise Refused(f"nothing is known of {event.order_key[:80]!a} in flow {event.flow}")
        state = OrderState.model_validate_json(stored.state)
        wanted = event.documents if isinstance(event, ReleaseRequested) else [event.document_key]
        unknown = [key for key in wanted if key not in state.wishes]
        if unknown or not wanted:
            named = ", ".join(map(str, unknown)) or "none is named"
            raise Refused(f"{event.order_key} has no such document: {named}")
        return _Asked(event, envelope, flows[event.flow], stored, state)

    def _decide(self, asked: _Asked) -> tuple[Decision, str]:
        """The decision, and the kind of the error of ours that stops the order."""
        mapping, cause = asked.flow.mapping, str(asked.request.request_id)
        try:
            decision = _decided(asked.request, asked.state, mapping, cause)
        except Exception as error:  # whatever it is, it is ours: this order waits, the others go on
            defect = type(error).__name__
            return self._defects.held(asked.state, mapping, cause, defect), defect
        self._defects.none()
        return decision, asked.stored.defect

    async def _store(self, connection: Connection, asked: _Asked, decision: Decision, defect: str) -> None:
        state = replace(asked.stored, state=decision.state.model_dump_json(), defect=defect)
        await StateTable(connection).save([state])
        ids = tuple(command.command_id for command in decision.commands)
        note = "" if ids else NOTHING_TO_SAY
        await requests.answer(connection, _answer(asked.request, ids, note))


NOTHING_TO_SAY = "It waits for its invoice, or a rule leaves it out; there is nothing to command."

_READ: dict[str, type[Event]] = {
    model.event_type: model for model in (MappingApplied, ReleaseRequested, HoldResolved, ReplayRequested)
}


def _decided(event: Request, state: OrderState, mapping: Mapping, cause: str) -> Decision:
    if isinstance(event, HoldResolved):
        return resolve(state, event, mapping)
    return release(state, mapping, cause=cause, documents=event.documents, rebook=event.rebook)


def _answer(event: Request, commands: tuple[UUID, ...] = (), note: str = "") -> requests.Answer:
    return requests.Answer(event.request_id, event.flow, event.order_key, commands, note)


def _of_one_order(event: ReleaseRequested) -> ReplayRequested:
    return ReplayRequested(
        request_id=event.request_id,
        flow=event.flow,
        orders=[event.order_key],
        rebook=event.rebook,
        by=event.by,
        why=event.why,
        at=event.at,
    )
