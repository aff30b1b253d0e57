"""`mlc backup`: connections and sealed secrets into one small file, the only records that the log does not hold."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from mlc_cli import environment
from mlc_cli.output import Json, print_json, say, telling_errors
from mlc_common.errors import ConfigurationError
from mlc_common.store import backup as store


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
    as_json: Json = False,
) -> None:
    """Write connections and sealed secrets to a file.

    Everything else of the database can be rebuilt from the log. Secrets stay
    sealed: keep the vault's key file elsewhere. Make one after every change of
    a connection and after `mlc vault rotate`; it may run at any time.

    \b
    Example:
      mlc backup acme-2026-11-21.json
    """
    with telling_errors(as_json=as_json):
        if file.exists():
            raise ConfigurationError(f"{file} exists already; give another name")
        made = asyncio.run(_make())
        _write(file, made.model_dump_json(indent=1) + "\n")
        counts = {"connections": len(made.connections), "secrets": len(made.secrets)}
        if as_json:
            print_json({"file": str(file), **counts})
            return
        say((str(file), "bold"), f" holds {counts['connections']} connections and {counts['secrets']} sealed secrets.")
        say("It opens with the vault's key file alone: keep that elsewhere.")


async def _make() -> store.Backup:
    async with environment.records("backup") as records:
        return await store.make(records.pool, records.settings.tenant, records.clock.now())


def _write(file: Path, text: str) -> None:
    """Readable by its owner alone, and on the disk when this returns."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
