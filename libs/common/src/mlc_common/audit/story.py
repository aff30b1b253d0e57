"""The story of one order, or of one connection, in plain words: from the index, and from the records that it points at.

The index says which records there are; what a person wants to read beyond the facts (the reason of a hold in words) is
taken from the record itself, after its digest was compared with the index. Reads a few records, never a whole topic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlc_common.accounting import event_id
from mlc_common.audit import CONSUMER
from mlc_common.audit.facts import Stage
from mlc_common.audit.rows import AuditRow, record_digest
from mlc_common.errors import ConfigurationError, Undecodable
from mlc_common.events import (
    Command,
    DocumentWish,
    Envelope,
    HeldWish,
    Outcome,
    ResolvedWish,
    Topics,
    VaultKeysRotated,
    decode,
    order_subject,
)
from mlc_common.log import whole
from mlc_common.log.ranges import LogRanges
from mlc_common.log.records import Record
from mlc_common.store import audit_index, connections, mappings
from mlc_common.store.pool import Pool

_FETCH_BYTES = 64 * 1024

Facts = Mapping[str, str]

_STATES = {
    "intended": "is to be in the ERP",
    "looking": "is looked for in the ERP",
    "creating": "is sent to the ERP",
    "created": "is in the ERP as a draft",
    "recounted": "was counted again in the ERP",
    "finalising": "is released in the ERP",
    "unknown": "got no answer: it is looked for until it is found or proven absent",
    "posted": "is posted",
    "verified": "is verified: the ERP's books say the same",
    "held": "is held",
    "withdrawn": "is not wanted any more",
    "superseded": "gave way to a newer wish",
    "unchanged": "stands as it is: nothing to post",
    "resolved": "was settled by hand",
}


_TELLING = ("absent", "one", "found")
"""Answers that complete the sentence."""

_WITH_TOTAL = ("intended", "posted", "verified")


@dataclass(frozen=True)
class Line:
    """One thing that happened."""

    at: datetime
    what: str
    story: str
    event: str
    topic: str
    part: int
    offset: int


@dataclass(frozen=True)
class Story:
    """What is known of an order or connection, oldest first; ``behind`` records of the log are not in the index yet."""

    subject: str
    lines: tuple[Line, ...]
    behind: int


async def story_of(pool: Pool, bootstrap: str, topics: Topics, order: str) -> Story:
    """Tell what happened to an order.

    Args:
        pool: The tenant's database.
        bootstrap: The log.
        topics: The tenant's topics.
        order: The store's id of it, or ``connection:order:id``; ``connection:`` and its name for a connection.

    Raises:
        ConfigurationError: nothing is known of it, or two stores have one of this id.
        Retryable: the broker does not answer.
    """
    async with LogRanges(bootstrap, fetch_bytes=_FETCH_BYTES) as log:
        behind = await _behind(pool, log, topics)
        found = await _rows(pool, order)
        if not found:
            raise ConfigurationError(_unknown(order, behind))
        if len(found) > 1:
            raise ConfigurationError(f"order {order} is in several stores; say which: {' or '.join(sorted(found))}")
        ((subject, rows),) = found.items()
        asked = await _asked(pool, rows)
        lines = [await _line(log, bootstrap, row, asked) for row in rows if row.stage != Stage.CHUNK]
    return Story(subject, tuple(lines), behind)


def _unknown(order: str, behind: int) -> str:
    waits = f"; {behind} records of the log are not in it yet: see that the auditor runs" if behind else ""
    return (
        f"the audit index knows nothing of {order}; give the store's id of the order, which may differ from its "
        f"number, or NAME:order:ID; of a connection, connection:NAME{waits}"
    )


async def _rows(pool: Pool, order: str) -> dict[str, list[AuditRow]]:
    """The rows of an order by its subject; several where stores share the id."""
    known = [] if ":" in order else await connections.list_all(pool)
    subjects = [order_subject(each.id, order) for each in known] or [order]
    found = {subject: await audit_index.of_subject(pool, subject) for subject in subjects}
    return {subject: rows for subject, rows in found.items() if rows}


async def _asked(pool: Pool, rows: Sequence[AuditRow]) -> dict[str, str]:
    """Who asked for the replays that commands came of, and why, by their cause: such a request names no order."""
    causes = {cause for row in rows if "replay_of" in row.said() and (cause := row.said().get("cause"))}
    ids = {str(event_id("request", cause)): cause for cause in causes}
    requests = [row for row in await audit_index.of_events(pool, list(ids)) if row.stage == Stage.REPLAYED]
    return {ids[row.event_id]: _by(row.said()) for row in requests}


async def _behind(pool: Pool, log: LogRanges, topics: Topics) -> int:
    """How many records of the log the index has not reached."""
    positions = await audit_index.positions(pool, CONSUMER)
    names = topics.all(*await mappings.erps(pool))
    ends = {(topic, part): end for topic in names for part, end in (await log.ends(topic)).items()}
    return sum(max(0, end - positions.get(place, 0)) for place, end in ends.items())


async def _line(log: LogRanges, bootstrap: str, row: AuditRow, asked: Facts) -> Line:
    record = await log.record(row.topic, row.part, row.offset)
    if record is None or record_digest(record) != row.record_digest:
        words = "the log does not hold what was indexed here; run mlc audit verify"
    else:
        words = await _words(bootstrap, record, row, asked)
    return Line(row.at, _what(row), words, row.event_id, row.topic, row.part, row.offset)


def _what(row: AuditRow) -> str:
    renamed: dict[str, str] = {Stage.ATTEMPT: "posting", Stage.DEAD_LETTER: "set aside"}
    return renamed.get(row.stage, row.stage)


async def _words(bootstrap: str, record: Record, row: AuditRow, asked: Facts) -> str:
    try:
        envelope = record.envelope()
        if envelope.type == Command.event_type:
            return _command(decode(await _whole(bootstrap, record, envelope), Command)) + _why(row, asked)
        if envelope.type == VaultKeysRotated.event_type:
            return _rotated(decode(envelope, VaultKeysRotated))
        if envelope.type == Outcome.event_type:
            return _outcome(decode(await _whole(bootstrap, record, envelope), Outcome))
    except Undecodable as error:
        return f"the record cannot be read: {error}"
    return _told(row, row.said(), len(record.value or b""))


async def _whole(bootstrap: str, record: Record, envelope: Envelope) -> Envelope:
    return await whole(bootstrap, record.topic, record.partition, envelope)


def _told(row: AuditRow, facts: Facts, size: int) -> str:
    """What the facts alone say."""
    by = _by(facts)
    proof = f"signature {facts.get('signature')}, sha256 {facts.get('sha256', '')[:12]}"
    place = "/".join(facts.get(name, "?") for name in ("of_topic", "of_partition", "of_offset"))
    said: dict[str, str] = {
        Stage.RECEIVED: f"webhook {facts.get('webhook', '')}, {facts.get('size', size)} bytes, {proof}",
        Stage.READ: f"the whole order, from the store, {size} bytes",
        Stage.ASKED: f"a fresh picture of the order was asked for: {facts.get('because', '')}",
        Stage.RELEASED: f"{by}{' (and what is posted is to be corrected)' if 'rebook' in facts else ''}",
        Stage.RESOLVED: f"as {facts.get('found', '')} {by}",
        Stage.CONNECTION: f"{by}: {_changed(facts)}",
        Stage.SIGNING_KEY: f"{by}: key {facts.get('previous', '(lost)')} gave way to {facts.get('current')}",
        Stage.DEAD_LETTER: f"{facts.get('reason', '')} (record {place})",
    }
    return said.get(row.stage, by or row.event_type)


def _by(facts: Facts) -> str:
    return f"by {facts['by']}{f': {why}' if (why := facts.get('why')) else ''}" if "by" in facts else ""


def _rotated(said: VaultKeysRotated) -> str:
    if said.retired:
        return f"by {said.by}: keys dropped: {', '.join(said.retired)}; everything is under key {said.current}"
    new = "the new key" if said.added else "key"
    return f"by {said.by}: secrets sealed anew: {said.rewrapped}, under {new} {said.current}"


def _changed(facts: Facts) -> str:
    """What was done to a connection: settings with their old and new values, secrets by their names."""
    valid = [name.removeprefix("valid.") for name in facts if name.startswith("valid.")]
    names = sorted({name.partition(".")[2] for name in facts if name.startswith(("before.", "after."))})
    if facts.get("change") == "added":
        settings = ", ".join(f"{name} {facts.get(f'after.{name}', '')}" for name in names)
        return f"added, with {settings or 'no settings'}; secrets: {', '.join(valid) or 'none'}"
    if facts.get("change") in ("secret", "retired"):
        done = "a new value of {}" if facts["change"] == "secret" else "the old values of {} dropped"
        return "; ".join(f"{done.format(name)}, valid now: {facts[f'valid.{name}']}" for name in valid)
    before, after = ({name: facts.get(f"{side}.{name}", "(not set)") for name in names} for side in ("before", "after"))
    return ", ".join(f"{name} from {before[name]} to {after[name]}" for name in names)


def _why(row: AuditRow, asked: Facts) -> str:
    """Why it was decided when nothing new had come."""
    facts = row.said()
    if "replay_of" not in facts or row.stage == Stage.RESOLVED:
        return ""
    if by := asked.get(facts.get("cause", "")):
        return f" (decided again, from the log, {by})"
    return " (a person released it)" if "released" in facts else " (decided again, from the log)"


def _command(command: Command) -> str:
    wish = command.wish
    kind = command.kind.replace("_", " ")
    said = f"by mapping {command.mapping_version}, wish {command.seq}: {kind} "
    if isinstance(wish, DocumentWish):
        said += f"{wish.document.number} of {wish.document.total} {wish.document.currency}"
    elif isinstance(wish, HeldWish):
        said += f"held, {wish.reason}: {wish.detail}"
    elif isinstance(wish, ResolvedWish):
        said += f"resolved as {wish.found} by {wish.by}: {wish.why}"
    else:
        said += f"not wanted ({wish.rule})"
    return said


def _outcome(outcome: Outcome) -> str:
    name = f"{outcome.kind.replace('_', ' ')} {outcome.number}".strip()
    answer = outcome.response_class if outcome.response_class not in ("", outcome.state) else ""
    said = [f"{name} {_STATES.get(outcome.state, outcome.state)}{f': {answer}' if answer in _TELLING else ''}"]
    said += [f"answer {answer}"] if answer and answer not in (*_TELLING, "equal") else []
    said += (
        [f"{outcome.total} {outcome.currency}"] if outcome.total is not None and outcome.state in _WITH_TOTAL else []
    )
    said += [f"request sha256 {outcome.request_digest[:12]}"] if outcome.request_digest else []
    said += [f"{outcome.reason}: {outcome.detail}"] if outcome.reason else []
    said += [_ids(outcome)] if outcome.erp_ids and outcome.state == "posted" else []
    return "; ".join(said)


def _ids(outcome: Outcome) -> str:
    return ", ".join(f"{name} {value}" for name, value in outcome.erp_ids.items())
