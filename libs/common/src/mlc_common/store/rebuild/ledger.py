"""The poster's side of a fold: commands make the queue, outcomes tell what became of each document and party.

An outcome says how the row stood after its transition; lower versions, and the same one again, change nothing. What the
last outcome left unfinished is ``unfinished``'s matter (architecture §2 and §5).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mlc_common.errors import ConfigurationError, Undecodable
from mlc_common.events import Envelope, MappingApplied, Outcome, PartyOutcome, decode
from mlc_common.log import Record, whole
from mlc_common.posting.intake import CommandIntake
from mlc_common.posting.ledger import FINAL, State
from mlc_common.store import mappings
from mlc_common.store.pool import Connection
from mlc_common.store.rebuild.folding import Folding

FENCING_MARGIN = 1_000_000
"""Leases that were taken and never told of have numbers above the highest recorded; nobody may get one of theirs."""

_ANNOUNCED = frozenset({State.CREATING, State.FINALISING})
_ANNOUNCED_WHILE_UNKNOWN = frozenset(
    {
        "discarding",
        "another reference is wanted",
        "perhaps sent before a rebuild",
        "not in the books any more",
        "resolved: absent",
    }
)
_IN_THE_BOOKS = frozenset({State.POSTED, State.VERIFIED})

_DOCUMENT = """
insert into posting_documents as d (
    document_key, flow, order_key, kind, place, newest_seq, command_id, adjusts, version, state, settled_seq,
    pursued_seq, sent, erp_ids, reason, detail, fix, updated_at, pursued, plan, posted, intent_at)
select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
    case $21::text when 'pursued' then $19 when 'said' then $23 end, case when $22 = 'set' then $18::timestamptz end
where $8::uuid is not null or exists (select 1 from posting_documents where document_key = $1)
on conflict (document_key) do update set
    version = excluded.version, state = excluded.state, command_id = excluded.command_id,
    settled_seq = excluded.settled_seq, pursued_seq = excluded.pursued_seq, sent = excluded.sent,
    erp_ids = excluded.erp_ids, reason = excluded.reason, detail = excluded.detail, fix = excluded.fix,
    updated_at = excluded.updated_at, pursued = coalesce(excluded.pursued, d.pursued),
    plan = coalesce(excluded.plan, d.plan),
    posted = case $21 when 'pursued' then coalesce(excluded.pursued, d.pursued) when 'said' then $23 else d.posted end,
    intent_at = case $22 when 'set' then excluded.updated_at when 'clear' then null else d.intent_at end,
    newest_seq = case when d.adjusts is null then d.newest_seq else excluded.newest_seq end,
    place = case when d.adjusts is null then d.place else excluded.place end
where d.version < excluded.version
"""

_PARTY = """
insert into posting_parties as p (party_key, flow, version, state, external_key, erp_id, updated_at)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (party_key) do update set version = excluded.version, state = excluded.state,
    external_key = excluded.external_key, erp_id = excluded.erp_id, updated_at = excluded.updated_at
where p.version < excluded.version
"""


async def fold_mappings(folding: Folding) -> None:
    """Fill the versions of mappings; every other fold rests on them."""
    topic = folding.topics.control
    async for batch in folding.batches("mappings", topic):
        async with folding.pool.acquire() as connection, connection.transaction():
            for record in batch:
                try:
                    envelope = record.envelope()
                    if envelope.type == MappingApplied.event_type:
                        await mappings.apply(connection, decode(envelope, MappingApplied))
                except (Undecodable, ConfigurationError) as error:
                    folding.notes.append(f"{topic}/{record.partition}/{record.offset} is left out: {error}")


async def fold_commands(folding: Folding, erp: str) -> None:
    """Fill the queue of one ERP, by the same code as the poster itself."""
    topic = folding.topics.commands(erp)
    intake = CommandIntake(folding.pool, folding.topics, erp, wake=_nobody, bootstrap=folding.brokers)
    async for batch in folding.batches(f"commands to {erp}", topic):
        await intake.handle(topic, batch[0].partition, batch)


async def fold_outcomes(folding: Folding) -> None:
    """Bring the rows of documents and parties to where the outcomes say they stood."""
    fencing, unreadable = 0, 0
    async for batch in folding.batches("outcomes", folding.topics.outcomes):
        documents: list[Sequence[Any]] = []
        parties: list[Sequence[Any]] = []
        for record in batch:
            try:
                found = await _told(folding.brokers, record)
            except Undecodable:
                unreadable += 1
                continue
            if isinstance(found, Outcome):
                documents.append(_document(found))
            elif found is not None:
                parties.append(_party(found))
            fencing = max(fencing, found.fencing if found else 0)
        async with folding.pool.acquire() as connection, connection.transaction():
            await connection.executemany(_DOCUMENT, documents)
            await connection.executemany(_PARTY, parties)
    if unreadable:
        folding.notes.append(
            f"Outcomes that cannot be read; their documents stand where the others left them: {unreadable}."
        )
    await folding.pool.execute("select setval('fencing_numbers', $1)", fencing + FENCING_MARGIN)


async def start_fencing_above(connection: Connection, number: int) -> None:
    """Give no fencing number that a lease of the old generation may have had."""
    await connection.execute(
        "select setval('fencing_numbers', greatest($1, (select last_value from fencing_numbers)))",
        number + FENCING_MARGIN,
    )


async def _told(brokers: str, record: Record) -> Outcome | PartyOutcome | None:
    envelope: Envelope = record.envelope()
    if envelope.type == Outcome.event_type:
        return decode(await whole(brokers, record.topic, record.partition, envelope), Outcome)
    return decode(envelope, PartyOutcome) if envelope.type == PartyOutcome.event_type else None


def _document(event: Outcome) -> Sequence[Any]:
    begun = event.state == State.LOOKING
    document = event.document.model_dump_json() if event.document is not None else None
    plan = json.dumps({"reference": event.reference, "number": event.number, "resolved": event.plan})
    return (
        event.document_key, event.flow, event.order_key, event.kind, event.place, event.seq, event.command_id,
        event.adjusts, event.version, event.state, event.settled_seq, event.pursued_seq, event.sent,
        json.dumps(event.erp_ids), event.reason, event.detail, event.fix, event.at,
        document if begun else None, plan if begun else None, _posted(event), _intent(event), document,
    )  # fmt: skip


def _posted(event: Outcome) -> str:
    """What the transition says of the books: what was pursued is in them, or what a person said (perhaps nothing)."""
    if event.state == State.RESOLVED or (event.state, event.response_class) == (State.INTENDED, "proven absent"):
        return "said"
    return "pursued" if event.state in _IN_THE_BOOKS else ""


def _intent(event: Outcome) -> str:
    """What the transition meant for a write that was announced: the engine's own rule, read from what it told."""
    looks = event.state == State.UNKNOWN and event.response_class in _ANNOUNCED_WHILE_UNKNOWN
    if event.state in _ANNOUNCED or looks:
        return "set"
    if event.state in FINAL or (event.state == State.INTENDED and event.response_class):
        return "clear"
    return "clear" if event.state == State.CREATED and event.response_class == "refused" else "keep"


def _party(event: PartyOutcome) -> Sequence[Any]:
    return (
        event.party_key, event.flow, event.version, event.state, event.external_key, event.erp_id, event.at,
    )  # fmt: skip


def _nobody() -> None:
    """Wake nobody: no worker runs."""
