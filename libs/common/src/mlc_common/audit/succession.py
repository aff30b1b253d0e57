"""One signing key after the other: how a key hands over to the next, and which keys a known one leads to. Pure.

A change is signed by both keys over one statement: whoever trusts the old key trusts the new one by its word, and the
other way round. It also says from which offsets of the audit topic on the old key signs nothing, so that a key that was
stolen after it gave way signs in vain. Rule: reliability R20, docs/audit.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlc_common.audit.signing import PublicKey, SigningKey, in_utc
from mlc_common.audit.walk import Finding, What
from mlc_common.events import SigningKeyRotated
from mlc_common.log.records import Record

SUBJECT = "auditor:key"
"""What a change of keys is about; all of them lie on one partition, in their order."""

_WHAT = "mlc.audit.signing-key-rotated"


@dataclass(frozen=True)
class Handover:
    """A change of keys as it lies on the log."""

    record: Record
    event_id: str
    said: SigningKeyRotated

    def found(self, detail: str) -> Finding:
        """Why it proves nothing."""
        record = self.record
        return Finding(record.topic, record.partition, record.offset, self.event_id, What.KEY_CHANGE, detail)


def hand_over(
    old: SigningKey | None, new: SigningKey, topic: str, offsets: Mapping[int, int], *, by: str, at: datetime
) -> SigningKeyRotated:
    """The old key's word, and the new one's, that the new one signs from now on.

    Args:
        old: Signs up to now; None where it is lost, so that nothing proves the new one.
        new: Signs from now on.
        topic: The audit topic.
        offsets: Where each of its partitions ends: from there on the old key signs nothing.
        by: Who does it.
        at: When.
    """
    said = SigningKeyRotated(
        topic=topic,
        offsets=dict(offsets),
        previous=old.public.id if old else "",
        previous_public=old.public.line() if old else "",
        current=new.public.id,
        public=new.public.line(),
        signature="",
        countersignature="",
        by=by,
        at=at,
    )
    text = statement(said)
    signature = old.sign(text) if old else ""
    return said.model_copy(update={"signature": signature, "countersignature": new.sign(text)})


def statement(said: SigningKeyRotated) -> bytes:
    """What both sign: JSON with sorted names, partitions as text, no blanks, time in UTC with microseconds."""
    named = {
        "what": _WHAT,
        "topic": said.topic,
        "offsets": {str(part): offset for part, offset in said.offsets.items()},
        "previous": said.previous,
        "previous_public": said.previous_public,
        "current": said.current,
        "public": said.public,
        "by": said.by,
        "at": in_utc(said.at),
    }
    return json.dumps(named, sort_keys=True, separators=(",", ":")).encode()


class KnownKeys:
    """Every key that the given ones lead to, and from where on each of them signs nothing any more.

    Args:
        given: Keys that are trusted to begin with.
        topic: The audit topic.
        handovers: What the log tells of changes, in its order.
    """

    def __init__(self, given: Iterable[PublicKey], topic: str, handovers: Sequence[Handover] = ()) -> None:
        self._keys = {key.id: key for key in given}
        self._topic = topic
        self._gave_way: dict[str, SigningKeyRotated] = {}
        self.findings: list[Finding] = []
        once = {each.said.model_dump_json(): each for each in reversed(handovers)}  # by the outbox, one may come twice
        waiting = sound = [each for each in reversed(once.values()) if self._is_sound(each)]
        while reached := [each for each in waiting if self._reaches(each)]:
            waiting = [each for each in waiting if each not in reached]
            for each in reached:
                self._take(each)
        self.findings += [found for each in sound if (found := self._late(each)) is not None]
        self.findings += [each.found(self._unreached(each.said)) for each in waiting]

    @property
    def handovers(self) -> tuple[SigningKeyRotated, ...]:
        """How known keys gave way to each other, oldest first."""
        return tuple(sorted(self._gave_way.values(), key=lambda said: said.at))

    @property
    def ids(self) -> list[str]:
        """The known keys; those that gave way first, in the order in which they did."""
        return [*(said.previous for said in self.handovers), *(id_ for id_ in self._keys if id_ not in self._gave_way)]

    def get(self, key_id: str) -> PublicKey | None:
        """A known key."""
        return self._keys.get(key_id)

    def gave_way_before(self, key_id: str, part: int, offset: int) -> SigningKeyRotated | None:
        """The change after which this place of the audit topic came, if this key gave way before it."""
        said = self._gave_way.get(key_id)
        return said if said is not None and offset >= said.offsets.get(part, 0) else None

    def _is_sound(self, handover: Handover) -> bool:
        """Whether it is what both of its keys signed, and names them rightly; a finding where it is not."""
        said, text = handover.said, statement(handover.said)
        pairs = [(said.current, said.public, said.countersignature)]
        if said.previous:
            pairs.append((said.previous, said.previous_public, said.signature))
        keys = [(id_, PublicKey.of_line(line), signature) for id_, line, signature in pairs]
        wrong = [id_ for id_, key, signature in keys if not (key and key.id == id_ and key.signed(signature, text))]
        if wrong:
            self.findings.append(handover.found(f"{_change(said)} is said, and key {wrong[0]} did not sign that"))
        elif said.topic != self._topic:
            self.findings.append(handover.found(f"{_change(said)}, and it was said on another topic, {said.topic}"))
        return not wrong and said.topic == self._topic

    def _reaches(self, handover: Handover) -> bool:
        """Whether a known key made one of the signatures, not only one of the same id."""
        said, text = handover.said, statement(handover.said)
        sides = ((said.previous, said.signature), (said.current, said.countersignature))
        return any(key.signed(signature, text) for id_, signature in sides if (key := self._keys.get(id_)))

    def _take(self, handover: Handover) -> None:
        said = handover.said
        if not said.previous:
            return
        before = self._gave_way.get(said.previous)
        if before is not None:
            detail = f"{_change(said)} is said, and it had given way to {before.current} before"
            self.findings.append(handover.found(detail))
            return
        self._gave_way[said.previous] = said
        for line in (said.previous_public, said.public):
            key = PublicKey.of_line(line)
            if key is not None:
                self._keys.setdefault(key.id, key)

    def _late(self, handover: Handover) -> Finding | None:
        """A key that gave way vouches for no other any more: whoever stole it could make one its predecessor."""
        said, record = handover.said, handover.record
        after = self.gave_way_before(said.current, record.partition, record.offset)
        if after is None or said.previous not in self._gave_way:
            return None
        return handover.found(f"{_change(said)} is said, and {said.current} had given way to {after.current} before")

    def _unreached(self, said: SigningKeyRotated) -> str:
        known = ", ".join(self.ids) or "none"
        whose = "neither is" if said.previous else "it is not"
        return f"{_change(said)}, by {said.by}, and {whose} among the known keys ({known})"


def _change(said: SigningKeyRotated) -> str:
    if not said.previous:
        return f"key {said.current} begins without the word of the key before it"
    return f"key {said.previous} gives way to {said.current}"
