"""`mlc mapping`: check a mapping file, see what it would change, and put it in force for its flow."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path
from typing import Annotated, Any

import typer

from mlc_cli import environment
from mlc_cli.differences import Look, what_if
from mlc_cli.following import bar
from mlc_cli.mappings import load_mapping
from mlc_cli.output import Json, print_json, say, telling_errors
from mlc_common.accounting import event_id
from mlc_common.errors import ConfigurationError
from mlc_common.events import MappingApplied, encode
from mlc_common.log import ensure_topics
from mlc_common.store import connections, mappings

app = typer.Typer(help="Which order becomes which document.", no_args_is_help=True, add_completion=False)

File = Annotated[Path, typer.Argument(help="The mapping file (YAML).")]


@app.command()
def check(file: File, as_json: Json = False) -> None:
    """Check a mapping file, offline.

    Every mistake is named with its line. The fields are in docs/mapping.md.

    \b
    Example:
      mlc mapping check web.yaml
    """
    with telling_errors(as_json=as_json):
        mapping = load_mapping(file)
        if as_json:
            print_json({"flow": mapping.flow, "version": mapping.version})
        else:
            say(f"{file} is in order: flow {mapping.flow}, version {mapping.version}.")


@app.command()
def apply(file: File, as_json: Json = False) -> None:
    """Put a mapping in force from now on.

    It is kept in the log, with who applied it and when. Its store and ERP must be connected.

    \b
    Example:
      mlc mapping apply web.yaml
    """
    with telling_errors(as_json=as_json):
        mapping = load_mapping(file)
        asyncio.run(_apply(mapping, file.read_text(encoding="utf-8")))
        if as_json:
            print_json({"flow": mapping.flow, "version": mapping.version})
        else:
            say(f"Flow {mapping.flow} now follows version {mapping.version}.")


@app.command()
def diff(
    file: File,
    limit: Annotated[int, typer.Option(min=0, help="Documents that are shown; 0 = all.")] = 50,
    as_json: Json = False,
) -> None:
    """Show which documents a proposed mapping would make otherwise than the one in force.

    Runs the whole log through both, beside what is in force; nothing is applied.

    \b
    Example:
      mlc mapping diff web.yaml
    """
    with telling_errors(as_json=as_json):
        mapping = load_mapping(file)
        with Look(limit) as look:
            asyncio.run(_diff(mapping, look, quiet=as_json))
            look.print(as_json=as_json)


async def _diff(mapping: Any, look: Look, *, quiet: bool) -> None:
    async with environment.runtime("mapping") as runtime:
        with bar(quiet=quiet) as progress:
            what = what_if(runtime, progress)
            await look.take(what.mapping(mapping))
            look.sums = what.sums.plain()


async def _apply(mapping: Any, text: str) -> None:
    async with environment.runtime("mapping") as runtime:
        await mappings.see_that_it_fits(runtime.pool, mapping.flow, mapping.store, mapping.erp)
        store = await connections.get(runtime.pool, mapping.store)
        erp = await connections.get(runtime.pool, mapping.erp)
        for end, kind in ((store, mapping.store_kind), (erp, mapping.erp_kind)):
            if end.kind.value != kind:
                raise ConfigurationError(
                    f"the mapping calls the connection {end.id} {kind}, and it is {end.kind.value}"
                )
        now = runtime.clock.now()
        event = MappingApplied(
            flow=mapping.flow,
            store=mapping.store,
            erp=mapping.erp,
            version=mapping.version,
            text=text,
            needs=_needs(mapping),
            since=mapping.cut_over,
            by=getpass.getuser(),
            at=now,
        )
        replication = runtime.settings.kafka_replication
        brokers = runtime.settings.kafka_bootstrap_servers
        await ensure_topics(brokers, [runtime.topics.commands(mapping.erp)], replication=replication)
        envelope = encode(
            event,
            event_id=event_id("mapping", mapping.flow, mapping.version, now.isoformat()),
            subject=f"flow:{mapping.flow}",
            source=f"/{runtime.settings.tenant}/cli",
            time=now,
        )
        await runtime.log.publish(runtime.topics.control, envelope)


def _needs(mapping: Any) -> list[str]:
    """What a snapshot must hold beyond the order for this mapping to decide."""
    asked = {"products": mapping.needs_products, "customer": mapping.needs_customer}
    return [name for name, needed in asked.items() if needed]
