"""`mlc holds`: what waits for a person, and what to do about it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Annotated, Any

import typer

from mlc_cli import environment
from mlc_cli.output import Json, print_json, say, telling_errors, when
from mlc_common.accounting import EXPLANATIONS, HoldReason
from mlc_common.errors import ConfigurationError, Undecodable
from mlc_common.log import read_topic
from mlc_common.store import holds as store


def holds(
    reason: Annotated[str, typer.Option(help="Only this reason; docs/holds.md lists them.")] = "",
    as_json: Json = False,
) -> None:
    """List what is held, each with its reason and the remedy.

    Held documents, and dead letters: records that no reader understands.

    \b
    Example:
      mlc holds --reason account_unknown
    """
    with telling_errors(as_json=as_json):
        if reason and reason not in set(HoldReason):
            raise ConfigurationError(f"there is no reason {reason!r}; known are {', '.join(sorted(HoldReason))}")
        found, dead = asyncio.run(_read())
        found = [row for row in found if not reason or row["reason"] == reason]
        dead = [] if reason else dead
        if as_json:
            print_json({"holds": found, "dead_letters": dead})
        else:
            _show(found, dead)


async def _read() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    async with environment.runtime("holds") as runtime:
        found = [_row(each) for each in await store.held(runtime.pool)]
        dead = []
        async for record in read_topic(runtime.settings.kafka_bootstrap_servers, runtime.topics.dead_letter):
            try:
                said = record.envelope().extensions
            except Undecodable as error:
                said = {"reason": str(error)}
            place = "/".join(said.get(name, "?") for name in ("deadtopic", "deadpartition", "deadoffset"))
            dead.append({"at": place, "reason": said.get("reason", ""), "size": len(record.value or b"")})
        return found, dead


def _row(held: store.HeldDocument) -> dict[str, Any]:
    known = EXPLANATIONS.get(HoldReason(held.reason)) if held.reason in set(HoldReason) else None
    return {
        "flow": held.flow,
        "order": held.order_key,
        "document": held.kind,
        "reason": held.reason,
        "detail": held.detail,
        "sentence": known.sentence if known else "",
        "fix": held.fix or (known.remedy if known else ""),
        "posted_before": held.posted,
        "since": held.since.isoformat(timespec="seconds"),
    }


def _show(found: list[dict[str, Any]], dead: list[dict[str, Any]]) -> None:
    for why, count in Counter(row["reason"] for row in found).most_common():
        rows = [row for row in found if row["reason"] == why]
        say((why, "bold"), f" ({count}): {rows[0]['sentence']}")
        say(f"What to do: {rows[0]['fix']}", indent=2)
        for row in rows:
            say((row["order"], "bold"), f" {row['document'].replace('_', ' ')}, since {when(row['since'])}", indent=2)
            say(row["detail"], indent=4)
    for letter in dead:
        say(("dead letter", "bold"), f" {letter['at']} ({letter['size']} bytes): {letter['reason']}")
    if not found and not dead:
        say("Nothing is held.")
