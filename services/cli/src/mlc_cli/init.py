"""`mlc init`: a key for the vault, a settings file, the database's tables and the topics."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from mlc_cli import environment
from mlc_cli.output import Json, people, print_json, telling_errors
from mlc_common.errors import ConfigurationError
from mlc_common.vault.keyring import create_key_file


def init(
    tenant: Annotated[str, typer.Option(help="Short name of the tenant: a-z, 0-9 and '-'.")],
    kafka: Annotated[str, typer.Option(help="Kafka brokers, host:port[,host:port].")],
    database: Annotated[str, typer.Option(help="PostgreSQL address, postgresql://user:password@host:port/database.")],
    key_file: Annotated[Path, typer.Option(help="Where the vault's key goes (kept if it exists).")] = Path("vault.key"),
    as_json: Json = False,
) -> None:
    """Prepare a tenant: vault key, settings file mlc.env, tables and topics. Safe to run again.

    Example: mlc init --tenant acme --kafka localhost:9092 --database postgresql://mlc:pw@localhost/mlc
    """
    with telling_errors(as_json=as_json):
        if not key_file.exists():
            create_key_file(key_file)
        wanted = {
            "MLC_TENANT": tenant,
            "KAFKA_BOOTSTRAP_SERVERS": kafka,
            "DATABASE_URL": database,
            "MLC_VAULT_KEY_FILE": str(key_file.resolve()),
        }
        _write(environment.FILE, wanted)
        asyncio.run(_prepare())
        if as_json:
            print_json({"tenant": tenant, "settings": str(environment.FILE), "vault_key": str(key_file)})
            return
        people.print(f"Tenant [bold]{tenant}[/bold] is ready: tables and topics exist.")
        people.print(f"Settings are in {environment.FILE}; it holds the database password: keep it private.")
        people.print(f"The vault's key is {key_file}: back it up apart from the database.")
        people.print("Next: [bold]mlc connection add[/bold] for the store and for the ERP.")


def _write(path: Path, wanted: dict[str, str]) -> None:
    lines = "".join(f"{name}={value}\n" for name, value in wanted.items())
    if path.exists() and path.read_text(encoding="utf-8") != lines:
        raise ConfigurationError(f"{path} exists and says something else; move it away to start anew")
    path.touch(mode=0o600)
    path.write_text(lines, encoding="utf-8")


async def _prepare() -> None:
    async with environment.runtime("init"):
        pass
