"""Proves the audit index: every row against its record and the row before, every checkpoint against the chains.

Reads one snapshot of the database and the log up to where it ends then; memory is bounded, whatever the length. Changes
nothing. Rule: reliability R20.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlc_common.audit import CONSUMER
from mlc_common.audit.checkpoints import Checked, CheckpointCheck, Place
from mlc_common.audit.kept import Head, Kept, not_as_kept
from mlc_common.audit.rows import genesis
from mlc_common.audit.signing import PublicKey
from mlc_common.audit.succession import SUBJECT, Handover, KnownKeys
from mlc_common.audit.walk import Finding, Span, Walked, What, walk
from mlc_common.errors import ConfigurationError, Undecodable
from mlc_common.events import SigningKeyRotated, Topics, decode
from mlc_common.log.ranges import LogRanges
from mlc_common.log.records import Record
from mlc_common.store import audit_index, mappings
from mlc_common.store.pool import Connection, Pool

Progress = Callable[[int, int], None]
"""Called with (done, total), in records."""

_TELL_EVERY = 250
_NO_END = 2**62


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What is verified: one topic or all, what the log took from ``since`` to before ``until`` or everything."""

    topic: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What a verification found.

    Attributes:
        rows: Rows that agree with the log and the row before.
        partitions: Partitions with anything in them.
        checkpoints: Checkpoints whose signature and chains hold; ``last_checkpoint`` when the newest was made.
        unsigned: Records behind the last checkpoint that covers their partition.
        behind: Records of the log that the index has not reached yet.
        keys: Ids of the keys that may sign: those given and those that they lead to, in their order.
        handovers: How keys gave way to each other, by their ids.
        heads: The last row of each partition that agrees, which rests on all before it: a kept report proves them.
        kept: When the kept reports were made that everything was compared with.
        findings: At most one per partition, its first, by topic and partition; empty = nothing was altered.
    """

    rows: int
    partitions: int
    checkpoints: int
    last_checkpoint: datetime | None
    unsigned: int
    behind: int
    keys: tuple[str, ...]
    handovers: tuple[SigningKeyRotated, ...]
    findings: tuple[Finding, ...]
    heads: tuple[Head, ...] = ()
    kept: tuple[str, ...] = ()


async def verify(
    pool: Pool,
    bootstrap: str,
    topics: Topics,
    keys: Sequence[PublicKey],
    scope: Scope,
    *,
    kept: Sequence[Kept] = (),
    progress: Progress = lambda done, total: None,
) -> Verified:
    """Walk chains and log side by side, then the checkpoints.

    Raises:
        ConfigurationError: the scope names a topic that is none of ours.
        Retryable: the broker does not answer.
    """
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
        LogRanges(bootstrap) as log,
    ):
        spans = await _spans(connection, log, topics, scope)  # the first query: everything else sees the same moment
        work = _Work(spans, progress)
        walked = {span.place: await _walk(connection, log, topics.tenant, span, work) for span in spans}
        upto = await log.ends(topics.audit)  # before the log's ends: a later checkpoint may speak of later records
        ends = await _ends(log, spans)
        cut = _cut_off(spans, await audit_index.read_to(connection), ends)
        positions = {span.place: span.position for span in spans}
        known = KnownKeys(keys, topics.audit, await _handovers(connection, log, topics.audit))
        check = CheckpointCheck(connection, known, {span.topic for span in spans}, positions=positions, ends=ends)
        checked = await _checkpoints(check, log, topics.audit, scope.since, upto)
        only = spans[0].topic if scope.topic and spans else scope.topic
        otherwise = await not_as_kept(connection, kept, positions, ends, topic=only)
    of_walks = [one.finding for one in walked.values() if one.finding is not None]
    findings = _first_of_each([*of_walks, *known.findings, *checked.findings.values(), *cut, *otherwise])
    return Verified(
        rows=sum(one.rows for one in walked.values()),
        partitions=sum(1 for one in walked.values() if one.rows or one.finding),
        checkpoints=checked.holding,
        last_checkpoint=checked.last_at,
        unsigned=sum(_unsigned(span, checked) for span in spans),
        behind=sum(max(0, span.end - max(span.position, span.start)) for span in spans),
        keys=tuple(known.ids),
        handovers=known.handovers,
        findings=findings,
        heads=tuple(Head(*place, one.offset, one.chain.hex()) for place, one in walked.items() if one.rows),
        kept=tuple(report.at for report in kept),
    )


def _cut_off(spans: Sequence[Span], read: Mapping[Place, int], ends: Mapping[Place, int]) -> list[Finding]:
    """Partitions of which more was once read, by whomever, than the log has now."""
    found = []
    for span in spans:
        end, further = ends.get(span.place, 0), read.get(span.place, 0)
        if span.stop == _NO_END and further > end:
            detail = f"the log ends here, and it has been read to {further}: what came after is gone"
            found.append(Finding(span.topic, span.part, end, "", What.GONE, detail))
    return found


def _first_of_each(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The first bad place of each partition, by topic and partition."""
    first: dict[Place, Finding] = {}
    for finding in sorted(findings, key=lambda one: one.offset):
        first.setdefault((finding.topic, finding.part), finding)
    return tuple(finding for _, finding in sorted(first.items(), key=lambda item: item[0]))


async def _handovers(connection: Connection, log: LogRanges, topic: str) -> list[Handover]:
    """Every change of the signing key: those that the index knows, and those among what it has not read yet.

    Asked for after the end of what is checked, so that no checkpoint is signed with a key that is told of later.
    """
    positions = await audit_index.positions(connection, CONSUMER)
    rows = [row for row in await audit_index.of_subject(connection, SUBJECT) if row.topic == topic]
    places = [(row.part, row.offset, row.offset + 1) for row in rows]
    places += [(part, positions.get((topic, part), 0), end) for part, end in (await log.ends(topic)).items()]
    found = []
    for part, start, end in sorted(places):
        async for record in log.records(topic, part, start, end):
            found += _handover(record)
    return found


def _handover(record: Record) -> list[Handover]:
    """The change of keys that a record tells; what is none is looked at in the walk."""
    try:
        envelope = record.envelope()
        if envelope.type != SigningKeyRotated.event_type:
            return []
        return [Handover(record, envelope.id, decode(envelope, SigningKeyRotated))]
    except Undecodable:
        return []


class _Work:
    """How much of the whole is done."""

    def __init__(self, spans: Sequence[Span], progress: Progress) -> None:
        self._total = sum(max(0, min(span.end, span.position) - span.start) for span in spans)
        self._done = 0
        self._progress = progress
        progress(0, self._total)

    def passed(self) -> None:
        """One more row."""
        self._done += 1
        if self._done % _TELL_EVERY == 0 or self._done == self._total:
            self._progress(self._done, self._total)


async def _spans(connection: Connection, log: LogRanges, topics: Topics, scope: Scope) -> list[Span]:
    positions = await audit_index.positions(connection, CONSUMER)
    known = {(head.topic, head.part) for head in await audit_index.heads(connection)}
    names = set(topics.all(*await mappings.erps(connection))) | {topic for topic, _ in known}
    if scope.topic:
        names = {_named(scope.topic, names, topics)}
    spans = []
    for topic in sorted(names):
        ends = await log.ends(topic)
        starts = await log.offsets_at(topic, scope.since) if scope.since else {}
        stops = await log.offsets_at(topic, scope.until) if scope.until else {}
        for part in sorted(set(ends) | {part for name, part in known if name == topic}):
            end = ends.get(part, 0)
            stop = stops.get(part, _NO_END)
            stop = _NO_END if stop >= end else stop  # nothing came later: rows of what was cut off belong to it
            start = await _begun(log, topic, part, starts.get(part, 0))
            spans.append(Span(topic, part, start, stop, min(stop, end), positions.get((topic, part), 0)))
    return spans


async def _begun(log: LogRanges, topic: str, part: int, start: int) -> int:
    """Where to begin; from the very beginning where the log has lost what lay right before."""
    return start if start and await log.record(topic, part, start - 1) is not None else 0


def _named(said: str, names: set[str], topics: Topics) -> str:
    """A topic by its name, with or without the tenant before it."""
    for name in (said, f"{topics.tenant}.{said}"):
        if name in names:
            return name
    short = ", ".join(sorted(name.removeprefix(f"{topics.tenant}.") for name in names))
    raise ConfigurationError(f"there is no topic {said!r}; known are {short}")


async def _walk(connection: Connection, log: LogRanges, tenant: str, span: Span, work: _Work) -> Walked:
    before = await audit_index.chain_before(connection, span.topic, span.part, span.start)
    return await walk(
        audit_index.of_partition(connection, span.topic, span.part, span.start, span.stop),
        log.records(span.topic, span.part, span.start, span.end),
        start=before or genesis(tenant, span.topic, span.part),
        span=span,
        passed=work.passed,
    )


async def _checkpoints(
    check: CheckpointCheck, log: LogRanges, topic: str, since: datetime | None, upto: Mapping[int, int]
) -> Checked:
    """Of the whole log, or of those that were made since the period began: later ones sign what is in it, too."""
    starts = await log.offsets_at(topic, since) if since else {}
    for part, end in sorted(upto.items()):
        await check.take(log.records(topic, part, starts.get(part, 0), end))
    return check.checked


async def _ends(log: LogRanges, spans: Sequence[Span]) -> Mapping[Place, int]:
    """Where the log ends now: a checkpoint that was written meanwhile may speak of records that came meanwhile."""
    ends = {topic: await log.ends(topic) for topic in {span.topic for span in spans}}
    return {(topic, part): end for topic, parts in ends.items() for part, end in parts.items()}


def _unsigned(span: Span, checked: Checked) -> int:
    reached = min(span.end, span.position)
    return max(0, reached - max(checked.signed.get(span.place, -1) + 1, span.start))
