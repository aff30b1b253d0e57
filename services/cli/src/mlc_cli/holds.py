"""`mlc holds`: what waits for a person, and what to do about it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Annotated, Any

import typer

from mlc_cli import environment
from mlc_cli.output import Json, people, print_json, telling_errors
from mlc_common.accounting import EXPLANATIONS, HoldReason
from mlc_common.errors import Undecodable
from mlc_common.log import read_topic
from mlc_common.store import holds as store


def holds(
    reason: Annotated[str, typer.Option(help="Only this reason.")] = "",
    as_json: Json = False,
) -> None:
    """List held documents and dead letters, each with its reason and the remedy.

    Example: mlc holds --reason account_unknown
    """
    with telling_errors(as_json=as_json):
        found, dead = asyncio.run(_read())
        found = [row for row in found if not reason or row["reason"] == reason]
        if as_json:
            print_json({"holds": found, "dead_letters": dead})
            return
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
        first = next(row for row in found if row["reason"] == why)
        people.print(f"[bold]{why}[/bold] ({count}): {first['sentence']}")
        people.print(f"  What to do: {first['fix']}")
        for row in (row for row in found if row["reason"] == why):
            people.print(f"  {row['order']} {row['document']} since {row['since']}: ", end="")
            people.print(row["detail"], markup=False)
    for letter in dead:
        people.print(f"[bold]dead letter[/bold] {letter['at']} ({letter['size']} bytes): ", end="")
        people.print(letter["reason"], markup=False)
    if not found and not dead:
        people.print("Nothing is held.")
