"""`mlc audit show`."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from mlc_cli import environment
from mlc_cli.audit.period import behind
from mlc_cli.output import Json, harmless, people, print_json, say, telling_errors, when
from mlc_common.audit.story import Line, Story, story_of


def show(
    order: Annotated[str, typer.Argument(help="The store's id of the order, or connection:NAME.")],
    as_json: Json = False,
) -> None:
    """Tell the story of one order, or of a connection, oldest first.

    Takes the store's id, as in the address of the order's page; the number that
    the buyer sees may differ. Where two stores share it: NAME:order:ID. Reads
    the audit index and the records that it points at.

    \b
    Examples:
      mlc audit show 1001
      mlc audit show connection:shop
    """
    with telling_errors(as_json=as_json):
        story = asyncio.run(_story(order))
        if as_json:
            print_json([_line(line) for line in story.lines])
            return
        _show(story)


async def _story(order: str) -> Story:
    async with environment.runtime("audit") as runtime:
        brokers = runtime.settings.kafka_bootstrap_servers
        return await story_of(runtime.pool, brokers, runtime.topics, order)


def _line(line: Line) -> dict[str, Any]:
    return {
        "at": line.at.isoformat(timespec="seconds"),
        "what": line.what,
        "story": line.story,
        "event": line.event,
        "place": f"{line.topic}/{line.part}/{line.offset}",
    }


def _show(story: Story) -> None:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for line in story.lines:
        table.add_row(when(line.at.isoformat(timespec="seconds")), harmless(line.what), Text(harmless(line.story)))
    people.print(table)
    if story.behind:
        say(f"{behind(story.behind)} What they tell is not shown.")
