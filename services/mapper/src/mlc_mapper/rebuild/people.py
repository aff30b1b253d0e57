"""What people asked for (releases, resolutions, replays), as the log tells what came of it.

What was answered is marked so; what was not is handed to the mapper again, once it runs: it is appended anew, under its
old id.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from mlc_common.errors import Undecodable
from mlc_common.events import Envelope, HoldResolved, ReleaseRequested, ReplayCompleted, ReplayRequested, decode
from mlc_common.log import Record, read_topic
from mlc_common.store import requests
from mlc_common.store.outbox import Outgoing
from mlc_common.store.rebuild.folding import Folding
from mlc_mapper.rebuild import store

Request = ReleaseRequested | HoldResolved | ReplayRequested

_READ: dict[str, type[Request]] = {
    model.event_type: model for model in (ReleaseRequested, HoldResolved, ReplayRequested)
}


async def fold_requests(folding: Folding, replayed: Mapping[str, ReplayCompleted]) -> None:
    """Mark what was answered, and hand on what was not.

    Args:
        folding: The queue of commands is filled already.
        replayed: Replays that are through, by the id of their request.
    """
    refused, again = await _refused(folding), set[UUID]()
    async for batch in folding.batches("requests", folding.topics.control):
        told = [(record, *found) for record in batch if (found := _told(record)) is not None]
        answers = await store.answers_by_command(folding.pool, {event.request_id for *_, event in told})
        answered = {answer.request_id for answer in answers}
        left: list[Outgoing] = []
        async with folding.pool.acquire() as connection, connection.transaction():
            for answer in answers:
                await requests.answer(connection, answer)
            for record, envelope, event in told:
                done = replayed.get(str(event.request_id))
                note = refused.get((record.partition, record.offset))
                if isinstance(event, ReplayRequested) and done is not None:
                    await store.add_done_replay(connection, event, done)
                elif note is not None and not isinstance(event, ReplayRequested):
                    said = requests.Answer(event.request_id, event.flow, event.order_key, (), note)
                    await requests.answer(connection, said)
                elif note is None and done is None and event.request_id not in answered | again:
                    again.add(event.request_id)
                    left.append(Outgoing(folding.topics.control, envelope, record.partition))
        await store.send(folding.pool, left)
    if again:
        folding.notes.append(
            f"Requests of people without an answer on the log, which the mapper gets again: {len(again)}."
        )


async def _refused(folding: Folding) -> dict[tuple[int, int], str]:
    """Records of the control topic that became dead letters, with the reason."""
    found = {}
    async for record in read_topic(folding.brokers, folding.topics.dead_letter):
        try:
            said = record.envelope().extensions
        except Undecodable:
            continue
        if said.get("deadtopic") == folding.topics.control:
            found[int(said["deadpartition"]), int(said["deadoffset"])] = said.get("reason", "")
    return found


def _told(record: Record) -> tuple[Envelope, Request] | None:
    try:
        envelope = record.envelope()
        model = _READ.get(envelope.type)
        return (envelope, decode(envelope, model)) if model is not None else None
    except Undecodable:
        return None
