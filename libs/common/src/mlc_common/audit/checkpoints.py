"""Checks the signed checkpoints of the audit topic against the chains of the index.

Whoever changes the log and computes the whole index anew is found here: the chain at a checkpoint's offset is no longer
the one that was signed. Reads the log and the index, changes nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mlc_common.audit.succession import KnownKeys
from mlc_common.audit.walk import Finding, What
from mlc_common.errors import Undecodable
from mlc_common.events import ChainCheckpoint, decode
from mlc_common.log.records import Record
from mlc_common.store import audit_index
from mlc_common.store.pool import Connection

_BATCH = 200

Place = tuple[str, int]
"""Topic and partition."""


@dataclass
class Checked:
    """What the checkpoints say: how many hold, how far each partition is signed, when last, and what does not hold."""

    holding: int = 0
    signed: dict[Place, int] = field(default_factory=dict)
    last_at: datetime | None = None
    findings: dict[Place, Finding] = field(default_factory=dict)


@dataclass(frozen=True)
class _Seen:
    record: Record
    event_id: str
    checkpoint: ChainCheckpoint


class CheckpointCheck:
    """Takes the records of the audit topic, in order per partition.

    Args:
        connection: Of the transaction in which everything is looked at.
        keys: Who may have signed.
        topics: Checkpoints of other topics are passed over.
        positions: How far the index is; a checkpoint beyond that says nothing yet.
        ends: Where the log ends.
    """

    def __init__(
        self,
        connection: Connection,
        keys: KnownKeys,
        topics: Collection[str],
        *,
        positions: Mapping[Place, int],
        ends: Mapping[Place, int],
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._topics = topics
        self._positions = positions
        self._ends = ends
        self.checked = Checked()

    async def take(self, records: AsyncIterator[Record]) -> None:
        """Check every checkpoint among these records."""
        waiting: list[_Seen] = []
        async for record in records:
            seen = self._proved(record)
            if seen is not None:
                waiting.append(seen)
            if len(waiting) == _BATCH:
                await self._compare(waiting)
                waiting = []
        await self._compare(waiting)

    def _proved(self, record: Record) -> _Seen | None:
        """The checkpoint in a record if its signature holds; a finding where it does not."""
        try:
            envelope = record.envelope()
            if envelope.type != ChainCheckpoint.event_type:
                return None
            checkpoint = decode(envelope, ChainCheckpoint)
        except Undecodable:
            return None  # what is no event was seen in the walk; a row of it says so
        if checkpoint.topic not in self._topics:
            return None
        wrong = self._wrongly_signed(record, checkpoint)
        if wrong is not None:
            self._found(record, envelope.id, *wrong)
            return None
        return _Seen(record, envelope.id, checkpoint)

    def _wrongly_signed(self, record: Record, checkpoint: ChainCheckpoint) -> tuple[What, str] | None:
        """What is wrong with the signature, and why."""
        key = self._keys.get(checkpoint.key_id)
        if key is None:
            known = ", ".join(self._keys.ids) or "none"
            return What.CHECKPOINT_KEY, f"signed with key {checkpoint.key_id}; known are {known}"
        if not key.proves(checkpoint):
            return What.CHECKPOINT_SIGNATURE, f"key {key.id} did not sign what this says of {checkpoint.topic}"
        after = self._keys.gave_way_before(key.id, record.partition, record.offset)
        if after is not None:
            detail = f"signed with key {key.id}, which had given way to {after.current} on {_day(after.at)}"
            return What.RETIRED_KEY, detail
        return None

    def _found(self, record: Record, event_id: str, what: What, detail: str) -> None:
        place = (record.topic, record.partition)
        finding = Finding(record.topic, record.partition, record.offset, event_id, what, detail)
        self.checked.findings.setdefault(place, finding)

    async def _compare(self, seen: Sequence[_Seen]) -> None:
        for topic in sorted({one.checkpoint.topic for one in seen}):
            ours = [one for one in seen if one.checkpoint.topic == topic]
            places = [(part, offset) for one in ours for part, offset in one.checkpoint.offsets.items()]
            chains = await audit_index.chains_at(self._connection, topic, places)
            for one in ours:
                self._hold(one, chains)

    def _hold(self, seen: _Seen, chains: Mapping[tuple[int, int], bytes]) -> None:
        holds = True
        for part, offset in seen.checkpoint.offsets.items():
            finding = self._wrong(seen, part, offset, chains.get((part, offset)))
            if finding is not None:
                self.checked.findings.setdefault((seen.checkpoint.topic, part), finding)
                holds = False
            elif (part, offset) in chains:
                place = (seen.checkpoint.topic, part)
                self.checked.signed[place] = max(offset, self.checked.signed.get(place, -1))
        if holds:
            self.checked.holding += 1
            self.checked.last_at = max(seen.checkpoint.at, self.checked.last_at or seen.checkpoint.at)

    def _wrong(self, seen: _Seen, part: int, offset: int, chain: bytes | None) -> Finding | None:
        topic = seen.checkpoint.topic
        place = (topic, part)
        told = f"the checkpoint of {_day(seen.checkpoint.at)}, event {seen.event_id},"
        if offset >= self._ends.get(place, 0):
            detail = f"{told} signed the chain up to here; the log ends at {self._ends.get(place, 0)}"
            return Finding(topic, part, offset, seen.event_id, What.MISSING_RECORD, detail)
        if offset >= self._positions.get(place, 0):
            return None  # the index is behind, for example because it is being made anew
        if chain is None:
            detail = f"{told} signed the chain at this row; the index has no such row"
            return Finding(topic, part, offset, seen.event_id, What.MISSING_ROW, detail)
        if chain.hex() == seen.checkpoint.heads.get(part):
            return None
        since = self.checked.signed.get(place, -1) + 1
        detail = f"{told} signed another chain here: log and index were changed together, from offset {since} to here"
        return Finding(topic, part, offset, seen.event_id, What.CHECKPOINT_CHAIN, detail)


def _day(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
