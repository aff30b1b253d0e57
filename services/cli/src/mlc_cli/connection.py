"""`mlc connection`: add, list, try and rotate the secrets of stores and ERPs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr, ValidationError

from mlc_cli import environment
from mlc_cli.output import Json, people, print_json, print_rows, telling_errors
from mlc_common import exactjson
from mlc_common.connection_types import ConnectionType, type_of
from mlc_common.errors import ConfigurationError
from mlc_common.store import connections

app = typer.Typer(help="Stores and ERPs that this tenant is connected to.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Short name of the connection, as in webhook addresses.")]
Secrets = Annotated[
    Path | None,
    typer.Option(help="JSON file with the secrets by name; without it you are asked. Delete it afterwards."),
]


@app.command()
def add(
    name: Name,
    kind: Annotated[str, typer.Option(help="woocommerce, deltek, ...")],
    setting: Annotated[list[str], typer.Option("--set", help="A setting, name=value; a value may be JSON.")],
    secrets: Secrets = None,
    as_json: Json = False,
) -> None:
    """Connect a store or an ERP. Secrets go to the vault, encrypted.

    Example: mlc connection add shop --kind woocommerce --set url=https://shop.example
    """
    with telling_errors(as_json=as_json):
        kept = type_of(kind)
        settings = _checked(kept, dict(_pair(text) for text in setting))
        values = _secrets(kept, secrets)
        asyncio.run(_add(name, kind, settings, values))
        if as_json:
            print_json({"connection": name, "kind": kind})
        else:
            people.print(f"{name} ({kind}) is stored. Try it: [bold]mlc connection ping {name}[/bold]")


@app.command("list")
def list_connections(as_json: Json = False) -> None:
    """List connections and the names of their secrets, never the values.

    Example: mlc connection list
    """
    with telling_errors(as_json=as_json):
        print_rows(asyncio.run(_list()), as_json=as_json, empty="No connections yet: mlc connection add")


@app.command()
def ping(name: Name, as_json: Json = False) -> None:
    """Sign in to a connection and say what was found.

    Example: mlc connection ping shop
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
    secret: Annotated[str, typer.Option(help="Which secret, for example webhook_secret.")],
    secrets: Secrets = None,
    retire: Annotated[bool, typer.Option(help="Drop the previous value now instead of accepting both.")] = False,
    as_json: Json = False,
) -> None:
    """Give a connection a new secret; the previous one stays valid until you --retire it.

    Example: mlc connection rotate shop --secret webhook_secret
    """
    with telling_errors(as_json=as_json):
        active = asyncio.run(_rotate(name, secret, secrets, retire=retire))
        if as_json:
            print_json({"connection": name, "secret": secret, "active": active})
        else:
            people.print(f"{secret} of {name}: {active} value(s) active.")


def _pair(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator:
        raise ConfigurationError(f"--set {text!r} is no name=value")
    if value[:1] not in ("[", "{") and value not in ("true", "false", "null"):
        return name, value
    try:
        return name, json.loads(value)  # settings hold no money
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"--set {name}: not JSON: {error.msg} at character {error.pos}") from None


def _checked(kind: ConnectionType, settings: dict[str, Any]) -> dict[str, Any]:
    try:
        kind.settings.model_validate(settings)
    except ValidationError as error:
        wanted = "; ".join(
            f"{name}: {field.description}" for name, field in kind.settings.model_fields.items() if field.is_required()
        )
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise ConfigurationError(f"{said}. A {kind.kind} connection needs --set for: {wanted}") from None
    return settings


def _secrets(kind: ConnectionType, path: Path | None) -> dict[str, SecretStr]:
    if path is None:
        asked = {name: typer.prompt(f"{name} ({what})", hide_input=True) for name, what in kind.secrets.items()}
        return {name: SecretStr(value) for name, value in asked.items()}
    given = _read(path)
    missing = sorted(set(kind.secrets) - set(given))
    if missing:
        raise ConfigurationError(f"{path} lacks {', '.join(missing)}")
    return given


def _read(path: Path) -> dict[str, SecretStr]:
    try:
        found = exactjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"{path} must be a JSON object of names and secrets")
    return {str(name): SecretStr(str(value)) for name, value in found.items()}


async def _add(name: str, kind: str, settings: dict[str, Any], secrets: dict[str, SecretStr]) -> None:
    async with environment.runtime("connection") as runtime:
        await connections.add(runtime.pool, name, kind, settings)
        for secret, value in secrets.items():
            await runtime.vault.put(name, secret, value)


async def _list() -> list[dict[str, Any]]:
    async with environment.runtime("connection") as runtime:
        found = await connections.list_all(runtime.pool)
        return [
            {
                "connection": each.id,
                "kind": each.kind.value,
                "url": each.settings.get("url", ""),
                "secrets": ", ".join(await runtime.vault.names(each.id)),
            }
            for each in found
        ]


async def _ping(name: str) -> dict[str, Any]:
    async with environment.runtime("connection") as runtime:
        connection = await connections.get(runtime.pool, name)
        return dict(await type_of(connection.kind.value).ping(connection, runtime.vault, runtime.clock))


async def _rotate(name: str, secret: str, path: Path | None, *, retire: bool) -> int:
    async with environment.runtime("connection") as runtime:
        connection = await connections.get(runtime.pool, name)
        if retire:
            await runtime.vault.retire_old(name, secret)
        else:
            value = _read(path).get(secret) if path else SecretStr(typer.prompt(f"new {secret}", hide_input=True))
            if value is None:
                raise ConfigurationError(f"{path} lacks {secret}")
            await runtime.vault.put(connection.id, secret, value, keep_previous=True)
        return (await runtime.vault.names(name)).get(secret, 0)
