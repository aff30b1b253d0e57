"""`mlc replay`: decide anew, from the log, about the orders that a person names."""

from __future__ import annotations

import asyncio
import getpass
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from mlc_cli import environment, following, orders
from mlc_cli.audit.period import period
from mlc_cli.differences import Look, what_if
from mlc_cli.following import Became
from mlc_cli.output import Json, counted, print_json, say, telling_errors
from mlc_cli.releasing import check_reason, check_why
from mlc_common.accounting import event_id
from mlc_common.errors import ConfigurationError
from mlc_common.events import PARTITIONS, ReplayRequested
from mlc_common.runtime import Runtime
from mlc_common.store import requests
from mlc_common.store.mappings import AppliedMapping

_RANGE = re.compile(r"(\d+):(\d+)-(\d+)")
RAW = "raw.orders"


@dataclass(frozen=True)
class Selector:
    """Which orders, as they were named on the command line."""

    orders: list[str]
    since: datetime | None
    until: datetime | None
    offsets: dict[int, tuple[int, int]]
    reason: str
    everything: bool
    flow: str

    def check(self) -> None:
        """See that it names something.

        Raises:
            ConfigurationError: it does not, or says two things at once.
        """
        named = bool(self.orders or self.since or self.until or self.offsets or self.reason)
        if named == self.everything:
            raise ConfigurationError("say which orders: --order, --from, --to, --offsets, --reason, or --all alone")
        if self.reason:
            check_reason(self.reason)


def replay(
    *,
    why: Annotated[str, typer.Option(help="Why; it is kept in the log. Needed but for --dry-run.")] = "",
    order: Annotated[list[str] | None, typer.Option(help="An order: the store's id, or connection:order:id.")] = None,
    since: Annotated[str, typer.Option("--from", help="Orders with an event from this date or time on (UTC).")] = "",
    until: Annotated[
        str, typer.Option("--to", help="Orders with an event up to this date, whole, or before this time (UTC).")
    ] = "",
    offsets: Annotated[
        list[str] | None, typer.Option(help="Orders with an event here: partition:first-last, as 0:10-20.")
    ] = None,
    topic: Annotated[str, typer.Option(help="The topic of --offsets, --from and --to.")] = RAW,
    reason: Annotated[str, typer.Option(help="Orders that are held for this reason.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="All orders of the log.")] = False,
    flow: Annotated[str, typer.Option(help="Only of this flow.")] = "",
    rebook: Annotated[bool, typer.Option("--rebook", help="Correct also what is posted otherwise.")] = False,
    by: Annotated[str, typer.Option(help="Who asks; the user of this machine if not given.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="Documents that --dry-run shows; 0 = all.")] = 50,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for what becomes of it.")] = False,
    as_json: Json = False,
) -> None:
    """Decide anew, from the log, by the mapping that is in force.

    Takes the orders that match all that is given. Only what differs from the last
    decision is handed on; what is posted stays, unless --rebook asks otherwise.

    \b
    Example:
      mlc replay --reason account_unknown --why "accounts were corrected"
    """
    with telling_errors(as_json=as_json):
        if topic != RAW:
            raise ConfigurationError(f"documents are decided from the topic {RAW} alone; --topic {topic} holds none")
        chosen = Selector(order or [], *period(since, until), _offsets(offsets or []), reason, everything, flow)
        chosen.check()
        if dry_run:
            asyncio.run(_dry_run(chosen, rebook=rebook, limit=limit, as_json=as_json))
        else:
            check_why(why)
            manner = (by or getpass.getuser(), why)
            asyncio.run(_replay(chosen, manner, rebook=rebook, wait=not no_wait, as_json=as_json))


def _offsets(texts: list[str]) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for text in texts:
        match = _RANGE.fullmatch(text)
        if not match or int(match[1]) >= PARTITIONS or int(match[2]) > int(match[3]) or int(match[1]) in found:
            raise ConfigurationError(
                f"--offsets {text}: write partition:first-last once per partition (0 to {PARTITIONS - 1}), as 0:10-20"
            )
        found[int(match[1])] = (int(match[2]), int(match[3]))
    return found


async def _requests(
    runtime: Runtime, chosen: Selector, manner: tuple[str, str], *, rebook: bool
) -> list[ReplayRequested]:
    """One request per flow, so that each stands behind the mappings that were applied before."""
    now = runtime.clock.now()
    flows = await orders.flows(runtime.pool, chosen.flow)
    named = [orders.keys(each, flows) for each in chosen.orders]
    return [
        _request(each, chosen, [keys[each.flow] for keys in named if each.flow in keys], manner, rebook=rebook, now=now)
        for each in flows
        if not named or any(each.flow in keys for keys in named)
    ]


def _request(
    flow: AppliedMapping, chosen: Selector, keys: list[str], manner: tuple[str, str], *, rebook: bool, now: datetime
) -> ReplayRequested:
    by, why = manner
    return ReplayRequested(
        request_id=event_id("replay", flow.flow, now.isoformat(), by, *keys),
        flow=flow.flow,
        orders=keys,
        since=chosen.since,
        until=chosen.until,
        offsets=chosen.offsets,
        reason=chosen.reason,
        rebook=rebook,
        mapping_version=flow.version,
        by=by,
        why=why,
        at=now,
    )


async def _dry_run(chosen: Selector, *, rebook: bool, limit: int, as_json: bool) -> None:
    with Look(limit) as look:
        async with environment.runtime("replay") as runtime:
            with following.bar(quiet=as_json) as progress:
                what = what_if(runtime, progress)
                for request in await _requests(runtime, chosen, ("", ""), rebook=rebook):
                    await look.take(what.replay(request))
                look.sums = what.sums.plain()
        look.print(as_json=as_json)


async def _replay(chosen: Selector, manner: tuple[str, str], *, rebook: bool, wait: bool, as_json: bool) -> None:
    async with environment.runtime("replay") as runtime:
        asked = await _requests(runtime, chosen, manner, rebook=rebook)
        ids = [each.request_id for each in asked]
        with following.bar(quiet=as_json) as progress:
            await following.append(runtime, [(each, each.request_id, each.flow) for each in asked], progress)
            if wait:
                await following.until_replayed(runtime, ids, progress)
                await following.until_at_rest(runtime, ids, progress)
        if not wait:
            _tell_asked(ids, as_json=as_json)
            return
        told = [await requests.replay_progress(runtime.pool, each) for each in ids]
        became = await following.what_became(runtime, ids)
        unknown = _unknown(chosen, await orders.flows(runtime.pool, chosen.flow), became)
    counts = {
        "orders": sum(each.orders for each in told if each) - sum(each.outcome == "refused" for each in became),
        "commands": sum(each.commands for each in told if each),
    }
    if as_json:
        answer: dict[str, Any] = {**counts, "documents": [each.plain() for each in became]}
        print_json(answer)
    else:
        following.show_became(became)
        decided, handed_on = counted(counts["orders"], "order"), counted(counts["commands"], "document")
        say(f"{decided} decided anew, {handed_on} {'compared with the books' if rebook else 'otherwise than before'}.")
    if unknown:
        raise typer.Exit(1)


def _unknown(chosen: Selector, flows: Sequence[AppliedMapping], became: Sequence[Became]) -> list[str]:
    """The orders that were named and that no flow knows."""
    refused = {(each.flow, each.order) for each in became if each.outcome == "refused"}
    return [each for each in chosen.orders if refused.issuperset(orders.keys(each, flows).items())]


def _tell_asked(ids: list[UUID], *, as_json: bool) -> None:
    if as_json:
        print_json({"requests": [str(each) for each in ids]})
    else:
        say("The replay is asked for; `mlc audit show ORDER` tells what came of it.")
