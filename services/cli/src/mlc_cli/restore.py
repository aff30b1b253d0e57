"""`mlc restore`: connections and sealed secrets back from their backup, before a lost database is rebuilt."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path
from typing import Annotated

import typer

from mlc_cli import environment
from mlc_cli.output import Json, print_json, say, telling_errors, trouble
from mlc_cli.telling import NOT_TOLD, told
from mlc_common.errors import ConfigurationError
from mlc_common.store import backup as store
from mlc_common.vault import KeyRing


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `mlc backup` wrote.")],
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Drop the connections that are there.")] = False,
    as_json: Json = False,
) -> None:
    """Bring connections and sealed secrets back from a backup.

    Makes the tables where the database is empty. The vault's key file must be
    the one that was in use, or hold its keys.

    \b
    Example:
      mlc restore acme-2026-11-21.json
    """
    with telling_errors(as_json=as_json):
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise ConfigurationError(f"{file} is no backup; give a file that `mlc backup` wrote") from None
        done = asyncio.run(_restore(text, replace=replace))
        if as_json:
            print_json({"connections": len(done.connections), "secrets": len(done.secrets)})
            return
        counts = f"{len(done.connections)} connections and {len(done.secrets)} secrets"
        say(f"{counts} of {done.at:%Y-%m-%d %H:%M} UTC are back.")
        say("Next: mlc rebuild.")


async def _restore(text: str, *, replace: bool) -> store.Backup:
    async with environment.records("restore") as records:
        found = store.read(text, records.settings.tenant)
        how = store.Restoring(records.topics, getpass.getuser(), records.clock.now(), replace)
        await store.restore(records.pool, found, KeyRing.load(records.settings.vault_key_file), how)
        if not await told(records):
            say(NOT_TOLD, console=trouble)
        return found
