"""What a verification found, for somebody who reads it a year later: what was looked at, what is wrong, what to do.

Says no more than what was proved: what no known key vouches for is not proved, and not altered for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlc_cli.audit.period import behind
from mlc_cli.output import say, when
from mlc_common.audit.verification import Scope, Verified
from mlc_common.audit.walk import Finding, What

_KEEP = "Keep this report, the database and the log as they are until somebody has looked."
_INDEX = (
    f"The log is whole there, the index was altered. {_KEEP} Find out who could write to PostgreSQL past the trigger; "
    "then `mlc rebuild` makes the index anew from the log."
)
_LOG = (
    f"The index is whole there, and holds the SHA-256 of the record that was. {_KEEP} Find out who could write to "
    "Kafka, or whether the topic's retention is limited; a mirror or a backup of the topic shows what the record said."
)
_THIEF = (
    f"Take the old key for stolen: whoever did this has it. {_KEEP} Find out who could read the vault and its key file "
    "before the key was changed, and let nobody rely on the old public key alone."
)
_BEFORE = "An export, or a mirror of the topic, from before shows what was there."

_WORDS: dict[What, tuple[str, str]] = {
    What.CHANGED_ROW: ("the row of the index was changed", _INDEX),
    What.MISSING_ROW: ("the row of the index is missing", _INDEX),
    What.INSERTED_ROW: ("the row of the index was put in", _INDEX),
    What.SWAPPED_ROWS: ("rows of the index changed places", _INDEX),
    What.CHANGED_RECORD: ("the record in the log was changed", _LOG),
    What.MISSING_RECORD: ("the record is missing from the log", _LOG),
    What.CHECKPOINT_CHAIN: (
        "log and index are not what was signed",
        f"Both were altered, by the same hand. {_KEEP} An export or a mirror of the topic from before shows what was "
        "there, between the offsets that are named.",
    ),
    What.CHECKPOINT_SIGNATURE: (
        "the signature of a checkpoint is wrong",
        f"A checkpoint was put on the log by somebody who does not have the key, or was altered there. {_KEEP} Find "
        "out who could write to Kafka.",
    ),
    What.CHECKPOINT_KEY: (
        "a checkpoint was signed with a key that is not known",
        "Give the public key of that id with --public-key, which may be repeated; `mlc audit key show` printed it "
        "then. If nobody kept it, the checkpoint proves nothing, and may be forged.",
    ),
    What.RETIRED_KEY: ("a checkpoint was signed with a key after it had given way to another", _THIEF),
    What.GONE: (
        "what lay here is neither in the log nor in the index",
        f"Somebody took it out of both, or a crash of the brokers lost the end of the log. {_KEEP} {_BEFORE}",
    ),
    What.KEPT_REPORT: (
        "log and index are not what a kept report saw",
        f"They were altered together after that report, at the place that is named or before it. {_KEEP} {_BEFORE}",
    ),
    What.KEY_CHANGE: (
        "a change of the signing key is not proved",
        "Where neither key is known: give the public key of either with --public-key, which may be repeated. Where a "
        "key did not sign it, or had given way before: it is forged, and the old key may be stolen.",
    ),
}
"""What a finding means, and what to do about it."""

_UNPROVED = frozenset({What.CHECKPOINT_KEY, What.KEY_CHANGE})
"""What the right public key may yet prove."""

_NO_EVENT = frozenset({What.GONE, What.KEPT_REPORT})
"""What is about a place, and not about what lies there."""


def advice(what: What) -> str:
    """What to do about a finding."""
    return _WORDS[what][1]


def say_verdict(found: Verified, scope: Scope) -> None:
    """Print what was found."""
    if scope != Scope():
        say(f"Looked at {_looked_at(scope)}.")
    for finding in found.findings:
        _say_finding(finding)
    for text in dict.fromkeys(advice(finding.what) for finding in found.findings):
        say(("What to do: ", "bold"), text)
    _say_result(found)
    _say_signatures(found)
    if found.kept and What.KEPT_REPORT not in {finding.what for finding in found.findings}:
        reports = ", ".join(when(at[:19]) + " UTC" for at in found.kept)
        say(f"What the kept {'reports' if len(found.kept) > 1 else 'report'} of {reports} saw is unchanged.")
    if found.behind:
        say(behind(found.behind))
    if found.findings:
        say("Places are topic/partition/offset in the log. Each word is explained in docs/audit.md.")


def as_json(found: Verified) -> dict[str, Any]:
    """The same for programs."""
    return {
        "ok": not found.findings,
        "rows": found.rows,
        "partitions": found.partitions,
        "checkpoints": found.checkpoints,
        "last_checkpoint": found.last_checkpoint.isoformat() if found.last_checkpoint else None,
        "keys": list(found.keys),
        "handovers": [
            {"from": one.previous, "to": one.current, "at": one.at.isoformat(), "by": one.by} for one in found.handovers
        ],
        "heads": [
            {"topic": head.topic, "partition": head.part, "offset": head.offset, "chain": head.chain}
            for head in found.heads
        ],
        "unsigned": found.unsigned,
        "behind": found.behind,
        "findings": [
            {
                "topic": finding.topic,
                "partition": finding.part,
                "offset": finding.offset,
                "event": finding.event_id,
                "what": finding.what.value,
                "detail": finding.detail,
                "advice": advice(finding.what),
            }
            for finding in found.findings
        ],
    }


def _looked_at(scope: Scope) -> str:
    said = [f"topic {scope.topic}"] if scope.topic else []
    ends = [f"from {when(scope.since.isoformat())} on"] if scope.since else []
    ends += [f"before {when(scope.until.isoformat())}"] if scope.until else []
    said += [f"what the log took {' and '.join(ends)}"] if ends else []
    return ", ".join(said)


def _say_finding(finding: Finding) -> None:
    words, _ = _WORDS[finding.what]
    say((f"{finding.topic}/{finding.part}/{finding.offset}", "bold"), f"  {words}")
    event = "" if finding.what in _NO_EVENT else f"event {finding.event_id or 'not readable'}: "
    say(f"{event}{finding.detail}", indent=2)


def _say_result(found: Verified) -> None:
    rows = f"{_count(found.rows, 'row')} of {_count(found.partitions, 'partition')} agree with the log"
    if not found.findings and not found.rows:
        say(("Nothing", "bold yellow"), " to verify: the index has no row of that.")
    elif not found.findings:
        say(("OK", "bold green"), f": {rows} and with each other.")
    elif {finding.what for finding in found.findings} <= _UNPROVED:
        places = _places(found.findings)
        say(("Not proved", "bold red"), f": {places}, where no known key vouches for what was signed. {rows}.")
    else:
        say(("Altered", "bold red"), f": {_places(found.findings)}. Of the rest, {rows}.")


def _say_signatures(found: Verified) -> None:
    if found.last_checkpoint is None:
        none = "No signed checkpoint covers this"
        why = "" if found.findings else " yet; the auditor makes one every minute in which something came"
        say(f"{none}{why}.")
        return
    last = when(found.last_checkpoint.isoformat(timespec="seconds"))
    say(f"{_count(found.checkpoints, 'signed checkpoint')} hold; the last is of {last}.")
    say(f"Known keys: {_keys(found)}.")
    if found.unsigned:
        say(f"Not signed yet, as they came after the last checkpoint: {_count(found.unsigned, 'record')}.")


def _keys(found: Verified) -> str:
    """The known keys, each with how long it signed, where another followed."""
    until = {one.previous: f" until {when(one.at.isoformat(timespec='seconds'))}" for one in found.handovers}
    changed = {one.previous: f", changed by {one.by}" for one in found.handovers}
    return "; ".join(f"{key}{until.get(key, '')}{changed.get(key, '')}" for key in found.keys)


def _places(findings: Sequence[Finding]) -> str:
    return _count(len(findings), "bad place")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
