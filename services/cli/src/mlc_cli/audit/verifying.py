"""`mlc audit verify`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from mlc_cli import environment
from mlc_cli.audit.period import bar, beginning, behind, end
from mlc_cli.output import Json, people, print_json, say, telling_errors, when
from mlc_common.audit.keys import public_keys
from mlc_common.audit.signing import PublicKey
from mlc_common.audit.verification import Scope, Verified
from mlc_common.audit.verification import verify as prove
from mlc_common.audit.walk import Finding

_WORDS = {
    "changed_row": "the row of the index was changed",
    "changed_record": "the record in the log was changed",
    "missing_row": "the row of the index is missing",
    "missing_record": "the record is missing from the log",
    "inserted_row": "the row of the index was put in",
    "swapped_rows": "rows of the index changed places",
    "checkpoint_signature": "the signature of a checkpoint is wrong",
    "checkpoint_key": "a checkpoint was signed with a key that is not known",
    "checkpoint_chain": "log and index are not what was signed",
    "retired_key": "a checkpoint was signed with a key after it had given way to another",
    "key_change": "a change of the signing key is not proved",
}


def verify(
    *,
    since: Annotated[str, typer.Option("--from", help="Only what the log took from this date or time on (UTC).")] = "",
    until: Annotated[str, typer.Option("--to", help="Only up to this date, whole, or this time (UTC).")] = "",
    topic: Annotated[str, typer.Option(help="Only this topic, with or without the tenant before it.")] = "",
    public_key: Annotated[
        list[Path] | None, typer.Option(help="A public key kept elsewhere, instead of the vault's; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Prove that neither the log nor its audit index was altered.

    Walks every row and its record side by side, then every signed checkpoint.
    Names the first bad place of each partition and ends with status 1 if there
    is one. An index that is behind the log is told, and no error.

    \b
    Examples:
      mlc audit verify
      mlc audit verify --from 2026-11-01 --to 2026-11-30 --public-key auditor.pem
    """
    with telling_errors(as_json=as_json):
        scope = Scope(topic=topic, since=beginning(since), until=end(until))
        keys = [PublicKey.parse(path.read_text(encoding="utf-8"), str(path)) for path in public_key or []]
        found = asyncio.run(_verify(scope, keys, show=not as_json))
        if as_json:
            print_json(_json(found))
        else:
            _say(found)
        if found.findings:
            raise typer.Exit(1)


async def _verify(scope: Scope, keys: list[PublicKey], *, show: bool) -> Verified:
    async with environment.runtime("audit") as runtime:
        keys = keys or await public_keys(runtime.vault)
        brokers = runtime.settings.kafka_bootstrap_servers
        with bar("verifying", show=show) as progress:
            return await prove(runtime.pool, brokers, runtime.topics, keys, scope, progress=progress)


def _say(found: Verified) -> None:
    for finding in found.findings:
        _say_finding(finding)
    rows = f"{found.rows:,} rows of {found.partitions} partitions agree with the log"
    if found.findings:
        count = len(found.findings)
        say(("Altered", "bold red"), f": {count} bad place{'' if count == 1 else 's'}. Of the rest, {rows}.")
    else:
        say(("OK", "bold green"), f": {rows} and with each other.")
    if found.last_checkpoint is None:
        say("No signed checkpoint covers this yet; the auditor makes one every minute in which something came.")
    else:
        names = ", ".join(found.keys)
        last = when(found.last_checkpoint.isoformat(timespec="seconds"))
        say(f"{found.checkpoints:,} signed checkpoints hold (key {names}); the last is of {last}.")
        if found.unsigned:
            say(f"{found.unsigned:,} newer records are in the index and not yet signed.")
    if found.behind:
        say(behind(found.behind))


def _say_finding(finding: Finding) -> None:
    words = _WORDS[finding.what]
    people.print(Text.assemble((f"{finding.topic}/{finding.part}/{finding.offset}", "bold"), f"  {words}"))
    say(f"event {finding.event_id or 'not readable'}: {finding.detail}", indent=2)


def _json(found: Verified) -> dict[str, Any]:
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
            }
            for finding in found.findings
        ],
    }
