"""`mlc audit`: the story of an order, from the log itself."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from mlc_cli import environment
from mlc_cli.output import Json, people, print_json, telling_errors, when
from mlc_common.errors import ConfigurationError, Undecodable
from mlc_common.events import (
    RAW_WEBHOOK,
    Command,
    DocumentWish,
    Envelope,
    HeldWish,
    OrderSnapshot,
    Outcome,
    ResolvedWish,
    decode,
)
from mlc_common.log import read_topic
from mlc_common.runtime import Runtime
from mlc_common.store import mappings

app = typer.Typer(help="What happened to an order, from the log itself.", no_args_is_help=True, add_completion=False)


@app.callback()
def audit() -> None:
    """What happened to an order, from the log itself."""


@app.command()
def show(
    order: Annotated[str, typer.Argument(help="The store's id of the order, or connection:order:id.")],
    as_json: Json = False,
) -> None:
    """Tell what the log knows of one order, oldest first.

    Takes the store's id, as in the address of the order's page; the number that
    the buyer sees may differ.

    \b
    Example:
      mlc audit show 1001
    """
    with telling_errors(as_json=as_json):
        events = asyncio.run(_events(order))
        if not events:
            raise ConfigurationError(
                f"the log knows nothing of order {order}; give the store's id of it, which may differ from its number"
            )
        if as_json:
            print_json(events)
            return
        _show(events)


def _show(events: list[dict[str, Any]]) -> None:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for event in events:
        table.add_row(when(event["at"]), event["what"], Text(event["story"]))
    people.print(table)


async def _events(order: str) -> list[dict[str, Any]]:
    async with environment.runtime("audit") as runtime:
        topics = [runtime.topics.raw_orders, *await _command_topics(runtime), runtime.topics.outcomes]
        found = []
        for step, topic in enumerate(topics):
            async for record in read_topic(runtime.settings.kafka_bootstrap_servers, topic):
                subject = (record.key or b"").decode("utf-8", "replace")
                if subject != order and not subject.endswith(f":order:{order}"):
                    continue
                try:
                    envelope = record.envelope()
                    found.append((envelope.time, min(step, 2), record.offset, _told(envelope)))
                except Undecodable as error:
                    found.append((runtime.clock.now(), 3, record.offset, _line(None, "unreadable", str(error))))
        return [line for *_, line in sorted(found, key=lambda item: item[:3])]


async def _command_topics(runtime: Runtime) -> list[str]:
    return sorted({runtime.topics.commands(each.erp) for each in await mappings.current(runtime.pool)})


def _told(envelope: Envelope) -> dict[str, Any]:
    ext = envelope.extensions
    if envelope.type == RAW_WEBHOOK:
        proof = f"signature verified, sha256 {ext.get('sha256', '')[:12]}"
        story = f"{ext.get('whtopic', '')}, {len(envelope.data)} bytes, {proof}"
        return _line(envelope, "received", story)
    if envelope.type == OrderSnapshot.event_type:
        return _line(envelope, "read", f"from the store, {len(envelope.data)} bytes")
    if envelope.type == Command.event_type:
        return _line(envelope, "mapped", _wish(decode(envelope, Command)))
    if envelope.type == Outcome.event_type:
        return _line(envelope, "posting", _outcome(decode(envelope, Outcome)))
    return _line(envelope, "event", envelope.type)


def _line(envelope: Envelope | None, what: str, story: str) -> dict[str, Any]:
    at = envelope.time.isoformat(timespec="seconds") if envelope else ""
    return {"at": at, "what": what, "story": story, "event": envelope.id if envelope else ""}


def _wish(command: Command) -> str:
    wish = command.wish
    said = f"{command.kind.replace('_', ' ')}, wish {command.seq}, mapping {command.mapping_version}: "
    if isinstance(wish, DocumentWish):
        return f"{said}{wish.document.number} of {wish.document.total} {wish.document.currency}"
    if isinstance(wish, HeldWish):
        return f"{said}held, {wish.reason}: {wish.detail}"
    if isinstance(wish, ResolvedWish):
        return f"{said}resolved as {wish.found} by {wish.by}: {wish.why}"
    return f"{said}not wanted ({wish.rule})"


def _outcome(outcome: Outcome) -> str:
    parts = [f"{outcome.kind.replace('_', ' ')} {outcome.number} {outcome.state}"]
    parts += [outcome.response_class] if outcome.response_class not in ("", None, outcome.state) else []
    parts += [f"{outcome.total} {outcome.currency}"] if outcome.total is not None else []
    parts += [f"{outcome.reason}: {outcome.detail}"] if outcome.reason else []
    parts += [", ".join(f"{name} {value}" for name, value in outcome.erp_ids.items())] if outcome.erp_ids else []
    return "; ".join(parts)
