"""`mlc connection`: add, change, list, try and rotate the secrets of stores and ERPs.

A secret comes from a hidden prompt or a file, never from the command line, where other users of the machine see it.
Whatever changes is told to the audit: who, when, and which settings from what to what.
"""

from __future__ import annotations

import asyncio
import getpass
import secrets as random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from mlc_cli import environment
from mlc_cli.asking import WEBHOOK_SECRET, ask, read_secrets, read_settings
from mlc_cli.output import Json, print_json, print_rows, say, telling_errors, trouble
from mlc_cli.telling import NOT_TOLD, told
from mlc_common.connection_types import type_of
from mlc_common.errors import ConfigurationError, Retryable
from mlc_common.runtime import Records
from mlc_common.store import connections
from mlc_common.vault.changes import Changes
from mlc_common.vault.connections import Connection

app = typer.Typer(help="Stores and ERPs that this tenant is connected to.", no_args_is_help=True, add_completion=False)

Name = Annotated[str, typer.Argument(help="Short name, as in webhook addresses and in the mapping.")]
Kind = Annotated[str, typer.Option(help="woocommerce or deltek.")]
Setting = Annotated[list[str] | None, typer.Option("--set", help="A setting, name=value; a value may be JSON.")]
Secrets = Annotated[
    Path | None, typer.Option(help="JSON file, secrets by name; you are asked without it. Delete it afterwards.")
]


@app.command()
def add(name: Name, kind: Kind, setting: Setting = None, secrets: Secrets = None, as_json: Json = False) -> None:
    """Connect a store or an ERP.

    Asks for the secrets, and puts them into the vault, encrypted. Without --set
    it tells which settings there are.

    \b
    Examples:
      mlc connection add shop --kind woocommerce --set url=https://shop.example
      mlc connection add deltek --kind deltek --set database=ACMEPROD \\
          --set url=https://acme.deltekfirst.com/acme/ --set username=ML_CONNECTOR
    """
    with telling_errors(as_json=as_json):
        settings = read_settings(type_of(kind), setting or [])
        asyncio.run(_add(name, kind, settings, secrets))
        if as_json:
            print_json({"connection": name, "kind": kind})
        else:
            say(f"{name} ({kind}) is stored. Try it: ", (f"mlc connection ping {name}", "bold"))


@app.command("set")
def change(name: Name, setting: Setting = None, as_json: Json = False) -> None:
    """Change settings of a connection; the others stay.

    `name=` without a value goes back to the default. Running parts see the
    change when they start again.

    \b
    Example:
      mlc connection set deltek --set visibility_delay_s=60
    """
    with telling_errors(as_json=as_json):
        settings = asyncio.run(_change(name, setting or []))
        if as_json:
            print_json({"connection": name, "settings": settings})
        else:
            print_rows([{"setting": key, "value": value} for key, value in settings.items()], as_json=False, title=name)


@app.command("list")
def list_connections(as_json: Json = False) -> None:
    """List connections, with the names of their secrets.

    \b
    Example:
      mlc connection list
    """
    with telling_errors(as_json=as_json):
        print_rows(asyncio.run(_list()), as_json=as_json, empty="No connections yet: mlc connection add")


@app.command()
def ping(name: Name, as_json: Json = False) -> None:
    """Sign in to a connection and say what was found.

    \b
    Example:
      mlc connection ping shop
    """
    with telling_errors(as_json=as_json):
        found = asyncio.run(_ping(name))
        if as_json:
            print_json({"connection": name, **found})
        else:
            print_rows([{"what": key, "found": value} for key, value in found.items()], as_json=False, title=name)


@app.command()
def rotate(
    name: Name,
    *,
    secret: Annotated[str, typer.Option(help="Which secret, for example webhook_secret.")],
    secrets: Secrets = None,
    generate: Annotated[bool, typer.Option("--generate", help="Make a random one; for webhook_secret.")] = False,
    retire: Annotated[bool, typer.Option("--retire", help="Drop the previous value: only the new one counts.")] = False,
    as_json: Json = False,
) -> None:
    """Give a connection a new secret.

    The previous one stays valid beside it until you --retire it. The poller
    gives a new webhook_secret to the store within five minutes; retire the old
    one after that.

    \b
    Examples:
      mlc connection rotate shop --secret webhook_secret --generate
      mlc connection rotate shop --secret webhook_secret --retire
    """
    with telling_errors(as_json=as_json):
        if sum((retire, generate, secrets is not None)) > 1:
            raise ConfigurationError("--retire, --generate and --secrets exclude each other; give one of them")
        if generate and secret != WEBHOOK_SECRET:
            raise ConfigurationError(f"--generate is for {WEBHOOK_SECRET}; {secret} is what the other side gave you")
        active = asyncio.run(_rotate(name, secret, secrets, generate=generate, retire=retire))
        if as_json:
            print_json({"connection": name, "secret": secret, "active": active})
        else:
            say(f"{secret} of {name}: {'one value is' if active == 1 else f'{active} values are'} valid.")


async def _add(name: str, kind: str, settings: dict[str, Any], path: Path | None) -> None:
    async with _changing() as (records, changes):
        # Before anybody is asked to type: whether it can be stored at all.
        if name in {each.id for each in await connections.list_all(records.pool)}:
            raise ConfigurationError(
                f"there is a connection {name!r} already; change it with `mlc connection set {name}` and "
                f"`mlc connection rotate {name}`, or take another name"
            )
        connections.check(name, kind, settings)
        wanted = type_of(kind).secrets
        values = read_secrets(path, wanted) if path else await asyncio.to_thread(ask, wanted)
        await changes.add(name, kind, settings, values)


async def _change(name: str, setting: list[str]) -> dict[str, Any]:
    async with _changing() as (_, changes):
        made = await changes.settings(
            name, lambda known: read_settings(type_of(known.kind.value), setting, before=known.settings)
        )
        return dict(made.settings)


@asynccontextmanager
async def _changing() -> AsyncIterator[tuple[Records, Changes]]:
    """What changes connections in the name of who is signed in here; afterwards the log is told, if it answers."""
    async with environment.records("connection") as records:
        yield records, Changes(records.pool, records.vault, records.topics, records.clock, by=getpass.getuser())
        if not await told(records):
            say(NOT_TOLD, console=trouble)


async def _list() -> list[dict[str, Any]]:
    async with environment.records("connection") as records:
        found = await connections.list_all(records.pool)
        return [
            {
                "connection": each.id,
                "kind": each.kind.value,
                "url": each.settings.get("url", ""),
                "secrets": ", ".join(await records.vault.names(each.id)),
            }
            for each in found
        ]


async def _ping(name: str) -> dict[str, Any]:
    async with environment.records("connection") as records:
        connection = await connections.get(records.pool, name)
        try:
            found = await type_of(connection.kind.value).ping(connection, records.vault, records.clock)
        except Retryable as error:
            if error.code != "unreachable":
                raise
            url = connection.settings.get("url")
            raise type(error)(f"{error}\nIts address is {url}; change it with `mlc connection set {name}`") from None
    # What is not an amount may be a float there; JSON of ours has none.
    return {key: Decimal(str(value)) if isinstance(value, float) else value for key, value in found.items()}


async def _rotate(name: str, secret: str, path: Path | None, *, generate: bool, retire: bool) -> int:
    async with _changing() as (records, changes):
        connection = await connections.get(records.pool, name)
        await _refuse_unknown(records, connection, secret)
        if retire:
            return await changes.retire(name, secret)
        return await changes.secret(name, secret, await _new_value(secret, path, generate=generate))


async def _refuse_unknown(records: Records, connection: Connection, secret: str) -> None:
    known = {*type_of(connection.kind.value).secrets, *await records.vault.names(connection.id), WEBHOOK_SECRET}
    if secret not in known:
        raise ConfigurationError(f"{connection.id} has no secret {secret!r}; known are {', '.join(sorted(known))}")


async def _new_value(secret: str, path: Path | None, *, generate: bool) -> SecretStr:
    if generate:
        return SecretStr(random.token_hex(32))
    if path is not None:
        return read_secrets(path, {secret: ""})[secret]
    return (await asyncio.to_thread(ask, {secret: "the new one"}))[secret]
