"""`mlc vault`: which keys the secrets are under, and a new key while everything works.

Never: a key on the screen. They are in the key file and nowhere else.
"""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mlc_cli import environment
from mlc_cli.output import Json, print_json, print_rows, say, telling_errors, trouble
from mlc_common.errors import ConfigurationError
from mlc_common.events import VaultKeysRotated
from mlc_common.runtime import Records
from mlc_common.store.outbox import publish_pending
from mlc_common.vault.rotation import PRODUCER, KeyState, Rotation
from mlc_common.vault.store import Progress as Told

app = typer.Typer(help="The keys that the secrets are sealed under.", no_args_is_help=True, add_completion=False)


@app.callback()
def vault() -> None:
    """The keys that the secrets are sealed under."""


@app.command()
def status(as_json: Json = False) -> None:
    """Say which keys there are and how many secrets each seals.

    \b
    Example:
      mlc vault status
    """
    with telling_errors(as_json=as_json):
        states = asyncio.run(_status())
        if as_json:
            print_json({"keys": [vars(state) for state in states], "unfinished": _left_behind(states) > 0})
            return
        print_rows([vars(state) for state in states], as_json=False)
        say(_advice(states))


@app.command()
def rotate(
    *,
    no_new_key: Annotated[
        bool, typer.Option("--no-new-key", help="The key file begins with the new key already: add none.")
    ] = False,
    retire: Annotated[
        bool, typer.Option("--retire", help="Instead, drop the keys that no secret is under any more.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put every secret under a new key, while everything works.

    Adds a key to the key file, which becomes the current one, and seals the
    secrets under it; a rotation that was cut off goes on where it was. Running
    parts take the new key from the file by themselves. The old key stays in the
    file, because backups of the database need it: drop it with --retire when
    the last of those is gone. Who did what, and when, is in the audit.

    \b
    Examples:
      mlc vault rotate
      mlc vault rotate --retire
    """
    with telling_errors(as_json=as_json):
        if retire and no_new_key:
            raise ConfigurationError("--retire and --no-new-key exclude each other; give one of them")
        done = asyncio.run(_retire() if retire else _rotate(new_key=not no_new_key, show=not as_json))
        if as_json:
            print_json(done.model_dump(mode="json"))
        else:
            _say(done, retire=retire)


async def _status() -> list[KeyState]:
    async with environment.records("vault") as records:
        return await _rotation(records).status()


async def _rotate(*, new_key: bool, show: bool) -> VaultKeysRotated:
    async with environment.runtime("vault") as runtime:
        with _bar(show=show) as progress:
            done = await _rotation(runtime).rotate(new_key=new_key, progress=progress)
        await publish_pending(runtime.pool, runtime.log, PRODUCER, [0])
        return done


async def _retire() -> VaultKeysRotated:
    async with environment.runtime("vault") as runtime:
        done = await _rotation(runtime).retire()
        await publish_pending(runtime.pool, runtime.log, PRODUCER, [0])
        return done


def _rotation(records: Records) -> Rotation:
    key_file = records.settings.vault_key_file
    return Rotation(records.pool, records.vault, key_file, records.topics, records.clock, by=getpass.getuser())


@contextmanager
def _bar(*, show: bool) -> Iterator[Told | None]:
    if not show:
        yield None
        return
    columns = (TextColumn("sealing secrets anew"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=trouble, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _say(done: VaultKeysRotated, *, retire: bool) -> None:
    if retire:
        say(f"{_count(len(done.retired), 'key')} dropped: {', '.join(done.retired) or 'each is in use'}.")
        return
    new = " (new)" if done.added else ""
    say(f"{_count(done.rewrapped, 'secret')} sealed anew. Everything is under key ", (done.current, "bold"), f"{new}.")
    if done.added:
        say(
            "Back the key file up, apart from the database. The old keys stay in it: backups of the database need them."
        )


def _advice(states: list[KeyState]) -> str:
    if left := _left_behind(states):
        return f"{_count(left, 'secret')} not yet under the current key: run `mlc vault rotate`, which goes on."
    if any(not state.current for state in states):
        return "The other keys open backups alone; `mlc vault rotate --retire` drops them."
    return "Everything is under the current key."


def _left_behind(states: list[KeyState]) -> int:
    return sum(state.secrets for state in states if not state.current)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
