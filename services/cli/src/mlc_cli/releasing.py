"""`mlc holds release` and `mlc holds resolve`: what a person asks of held documents, appended to the log.

Decides nothing: the mapper decides, the poster posts; this only asks, and tells what became of it.
"""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import typer

from mlc_cli import environment, following, orders
from mlc_cli.following import Became
from mlc_cli.output import counted, print_json, say
from mlc_common.accounting import HoldReason, event_id
from mlc_common.errors import ConfigurationError
from mlc_common.events import Event, HoldResolved, ReleaseRequested
from mlc_common.runtime import Runtime
from mlc_common.store import holds
from mlc_common.store.holds import HeldDocument

Found = Literal["posted", "absent", "closed"]


@dataclass(frozen=True)
class Wanted:
    """What is to be released.

    Attributes:
        order: One order; empty for several.
        reason: Only what is held for it.
        everything: All that is held.
        flow: Only of this flow.
    """

    order: str
    reason: str
    everything: bool
    flow: str

    def check(self) -> None:
        """See that it names something, and one thing.

        Raises:
            ConfigurationError: it does not.
        """
        if sum(map(bool, (self.order, self.reason, self.everything))) != 1:
            raise ConfigurationError("say what to release: an ORDER, or --reason, or --all")
        if self.reason:
            check_reason(self.reason)


@dataclass(frozen=True)
class Manner:
    """How a request is made: by whom, why, and whether to wait."""

    by: str
    why: str
    wait: bool
    as_json: bool

    @property
    def name(self) -> str:
        """Who asks: the user of this machine, unless said otherwise."""
        return self.by or getpass.getuser()


def check_reason(reason: str) -> None:
    """See that there is such a reason.

    Raises:
        ConfigurationError: there is none.
    """
    if reason not in set(HoldReason):
        raise ConfigurationError(f"there is no reason {reason!r}; known are {', '.join(sorted(HoldReason))}")


def check_why(why: str) -> None:
    """See that somebody who reads it a year later learns why.

    Raises:
        ConfigurationError: nothing is said.
    """
    if not why.strip():
        raise ConfigurationError("say why with --why; it is kept in the log")


def run_release(wanted: Wanted, manner: Manner, *, rebook: bool, yes: bool) -> None:
    """Release, wait, and tell."""
    wanted.check()
    check_why(manner.why)
    asyncio.run(_release(wanted, manner, rebook=rebook, yes=yes))


async def _release(wanted: Wanted, manner: Manner, *, rebook: bool, yes: bool) -> None:
    async with environment.runtime("holds") as runtime:
        documents = await _held(runtime, wanted)
        groups: dict[tuple[str, str], set[UUID]] = {}
        for one in documents:
            groups.setdefault((one.flow, one.order_key), set()).add(one.released_as or UUID(one.document_key))
        if wanted.everything and not yes and not _agreed(len(documents), len(groups), as_json=manner.as_json):
            return
        now = runtime.clock.now()
        events = [
            ReleaseRequested(
                request_id=event_id("release", *key, now.isoformat(), *sorted(map(str, keys))),
                flow=key[0],
                order_key=key[1],
                documents=sorted(keys),
                rebook=rebook,
                by=manner.name,
                why=manner.why,
                at=now,
            )
            for key, keys in groups.items()
        ]
        await _ask(runtime, [(one, one.request_id, one.flow) for one in events], manner, "released")


async def _held(runtime: Runtime, wanted: Wanted) -> list[HeldDocument]:
    found = await holds.held(runtime.pool, reason=wanted.reason, flow=wanted.flow)
    if wanted.order:
        keys = orders.keys(wanted.order, await orders.flows(runtime.pool, wanted.flow))
        found = [one for one in found if keys.get(one.flow) == one.order_key]
    elif wanted.flow:
        await orders.flows(runtime.pool, wanted.flow)
    if not found:
        of = f" of order {wanted.order}" if wanted.order else f" for {wanted.reason}" if wanted.reason else ""
        raise ConfigurationError(f"nothing{of} is held; `mlc holds list` shows what is")
    return found


def _agreed(documents: int, count: int, *, as_json: bool) -> bool:
    if as_json:
        raise ConfigurationError("--all with --json asks nothing; say --yes")
    return typer.confirm(f"Release {counted(documents, 'document')} of {counted(count, 'order')}?", abort=True)


def run_resolve(order: str, document: str, flow: str, found: Found, manner: Manner) -> None:
    """Record a person's word, wait, and tell."""
    check_why(manner.why)
    asyncio.run(_resolve(order, document, flow, found, manner))


async def _resolve(order: str, document: str, flow: str, found: Found, manner: Manner) -> None:
    async with environment.runtime("holds") as runtime:
        held = await _held(runtime, Wanted(order, "", everything=False, flow=flow))
        one = _the_one(held, document, order)
        now = runtime.clock.now()
        key = one.released_as or UUID(one.document_key)
        event = HoldResolved(
            request_id=event_id("resolve", one.flow, one.order_key, str(key), found, now.isoformat()),
            flow=one.flow,
            order_key=one.order_key,
            document_key=key,
            found=found,
            by=manner.name,
            why=manner.why,
            at=now,
        )
        await _ask(runtime, [(event, event.request_id, event.flow)], manner, "resolved")


def _the_one(held: Sequence[HeldDocument], document: str, order: str) -> HeldDocument:
    """The document that is meant.

    Raises:
        ConfigurationError: none is, or several are.
    """
    fits = [one for one in held if not document or document == one.kind or one.document_key.startswith(document)]
    if len(fits) == 1:
        return fits[0]
    listed = ", ".join(f"{one.kind} {one.document_key[:8]} ({one.reason})" for one in held)
    if not fits:
        raise ConfigurationError(f"no held document of order {order} is {document!r}; held are: {listed}")
    raise ConfigurationError(f"several documents of order {order} are held; choose with --document: {listed}")


async def _ask(runtime: Runtime, events: Sequence[tuple[Event, UUID, str]], manner: Manner, verb: str) -> None:
    ids = [request_id for _, request_id, _ in events]
    with following.bar(quiet=manner.as_json) as progress:
        await following.append(runtime, events, progress)
        if not manner.wait:
            _tell_asked(ids, manner, verb)
            return
        await following.until_answered(runtime, ids, progress)
        await following.until_at_rest(runtime, ids, progress)
    _tell(await following.what_became(runtime, ids), manner, verb)


def _tell_asked(ids: Sequence[UUID], manner: Manner, verb: str) -> None:
    if manner.as_json:
        print_json({"requests": [str(one) for one in ids]})
    else:
        say(f"Asked for: {counted(len(ids), 'order')} to be {verb}; `mlc holds list` shows what stays held.")


def _tell(found: Sequence[Became], manner: Manner, verb: str) -> None:
    counts: dict[str, int] = {}
    for one in found:
        counts[one.outcome] = counts.get(one.outcome, 0) + 1
    if manner.as_json:
        answer: dict[str, Any] = {verb: [one.plain() for one in found], "counts": counts}
        print_json(answer)
        return
    following.show_became(found)
    if len(found) > 1:
        say(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) + ".")
