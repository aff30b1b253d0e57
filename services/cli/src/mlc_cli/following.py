"""Follows what came of requests: until the mapper has dealt with them, and their documents have come to rest.

Only looks. A request stands in the log, whoever follows it; Ctrl-C ends the following, not the request.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mlc_cli.output import say, trouble
from mlc_common.accounting import event_id
from mlc_common.events import Event, Topics, encode
from mlc_common.runtime import Runtime
from mlc_common.store import holds, requests
from mlc_common.store.holds import LedgerDocument

_LOOK_S = 0.3
_BATCH = 500
_LONG = 50
"""Looks after which it is asked whether the mapper runs at all."""

_IN_WORDS = {
    "verified": "posted",
    "adjusted": "posted, and what changed since is adjusted",
    "unchanged": "posted before, and nothing to change",
    "withdrawn": "not wanted any more",
    "superseded": "replaced by a newer one",
    "resolved": "settled by hand",
}


@contextmanager
def bar(*, quiet: bool) -> Iterator[Progress]:
    """A progress bar on stderr, gone when it is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=trouble, transient=True, disable=quiet) as progress:
        yield progress


async def append(runtime: Runtime, events: Sequence[tuple[Event, UUID, str]], progress: Progress) -> None:
    """Append requests to the control topic.

    Args:
        runtime: Of this command.
        events: Each with its id and its flow: requests of one flow stay in order, also with its mappings.
        progress: Where to show how far it is.
    """
    task = progress.add_task("writing to the log", total=len(events))
    topics: Topics = runtime.topics
    now = runtime.clock.now()
    for start in range(0, len(events), _BATCH):
        part = events[start : start + _BATCH]
        batch = [
            (
                topics.control,
                encode(
                    event,
                    event_id=event_id("request", str(request)),
                    subject=f"flow:{flow}",
                    source=f"/{topics.tenant}/cli",
                    time=now,
                ),
            )
            for event, request, flow in part
        ]
        await runtime.log.publish_all(batch)
        progress.advance(task, len(part))
    progress.remove_task(task)


async def until_answered(runtime: Runtime, request_ids: Sequence[UUID], progress: Progress) -> None:
    """Wait until the mapper has dealt with these requests, one order each."""
    task = progress.add_task("the mapper decides", total=len(request_ids))
    for look in count():
        done = len({each.request_id for each in await requests.answers(runtime.pool, request_ids)})
        progress.update(task, completed=done)
        if done == len(request_ids):
            break
        if look == _LONG and not done:
            progress.update(task, description="waiting for the mapper (does it run? `mlc run mapper`)")
        await runtime.clock.sleep(_LOOK_S)
    progress.remove_task(task)


async def until_replayed(runtime: Runtime, request_ids: Sequence[UUID], progress: Progress) -> None:
    """Wait until these replays are worked off."""
    stages = {"asked": "finding the orders", "selected": "folding the log", "folded": "deciding"}
    for request_id in request_ids:
        task = progress.add_task("waiting for the mapper (`mlc run mapper`)", total=None)
        while not (told := await requests.replay_progress(runtime.pool, request_id)) or not told.done:
            if told is not None:
                known = told.orders if told.stage == "folded" else None
                progress.update(task, description=stages[told.stage], total=known, completed=told.decided)
            await runtime.clock.sleep(_LOOK_S)
        progress.remove_task(task)


async def until_at_rest(runtime: Runtime, request_ids: Sequence[UUID], progress: Progress) -> None:
    """Wait until what these requests commanded is settled or held."""
    total = sum(bool(each.commands) for each in await requests.answers(runtime.pool, request_ids))
    if not total:
        return
    task = progress.add_task("the poster posts", total=total)
    while left := await requests.orders_at_work(runtime.pool, request_ids):
        progress.update(task, completed=max(0, total - left))
        await runtime.clock.sleep(_LOOK_S)
    progress.remove_task(task)


@dataclass(frozen=True)
class Became:
    """What became of one document.

    Attributes:
        outcome: ``posted``, ``held``, ``waiting``, ``resolved``, ``withdrawn`` or ``refused``.
        sentence: The same for a person, with numbers and reasons.
    """

    flow: str
    order: str
    document: str
    number: str
    outcome: str
    sentence: str

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


async def what_became(runtime: Runtime, request_ids: Sequence[UUID]) -> list[Became]:
    """What became of every document that these requests commanded something about."""
    found: list[Became] = []
    for said in await requests.answers(runtime.pool, request_ids):
        if not said.commands:
            found.append(Became(said.flow, said.order_key, "", "", "refused", said.note))
            continue
        commanded = await requests.documents_of_commands(runtime.pool, said.commands)
        documents = await holds.documents_of(runtime.pool, said.flow, said.order_key)
        found += [became(one) for one in documents if {one.document_key, one.adjusts} & commanded]
    return found


def became(one: LedgerDocument) -> Became:
    """What became of a document, by the ledger."""
    name = one.kind.replace("_", " ")
    if one.state == "held":
        outcome, sentence = "held", f"held again, {one.reason}: {one.detail}"
    elif not one.settled:
        outcome, sentence = "waiting", "waits: something of its order is held before it"
    elif one.posted_total and one.state != "resolved":
        ids = ", ".join(f"{key} {value}" for key, value in one.erp_ids.items())
        outcome = "posted"
        sentence = f"{_IN_WORDS.get(one.state, one.state)}, {one.posted_total}" + (f" ({ids})" if ids else "")
    else:
        outcome = "resolved" if one.state == "resolved" else "withdrawn"
        sentence = _IN_WORDS.get(one.state, one.state)
    return Became(one.flow, one.order_key, name, one.number, outcome, sentence)


def show_became(found: Sequence[Became]) -> None:
    """Tell what became of each."""
    styles = {"posted": "green", "resolved": "green", "held": "yellow", "refused": "red"}
    for one in found:
        what = " ".join(filter(None, (one.order, one.document, one.number)))
        say((what, "bold"), " ", (one.sentence, styles.get(one.outcome, "")))
