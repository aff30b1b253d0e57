"""`mlc audit key`: the public key that proves the checkpoints, and a new one in its place.

Never: a private key on the screen or in a file. They are made in the vault and stay there.
"""

from __future__ import annotations

import asyncio
import getpass
from typing import Annotated

import typer

from mlc_cli import environment
from mlc_cli.output import Json, print_json, say, telling_errors
from mlc_cli.telling import told
from mlc_common.audit.keys import KeyChange, signing_key
from mlc_common.audit.signing import PublicKey
from mlc_common.events import SigningKeyRotated

app = typer.Typer(help="The key that signs checkpoints.", no_args_is_help=False, add_completion=False)


@app.callback(invoke_without_command=True)
def key(context: typer.Context, as_json: Json = False) -> None:
    """The key that signs checkpoints. Without a command: show."""
    if context.invoked_subcommand is None:
        _show(as_json=as_json)


@app.command()
def show(as_json: Json = False) -> None:
    """Print the public key that proves the checkpoints.

    Give it to your auditor (as a file: > auditor.pem), who keeps it elsewhere:
    whoever holds it can tell a forged checkpoint, even one by somebody who has
    all of our servers. The private key is made on first use and never leaves
    the vault. `mlc audit key` alone does the same.

    \b
    Example:
      mlc audit key show
    """
    _show(as_json=as_json)


@app.command()
def rotate(
    *,
    unproved: Annotated[
        bool, typer.Option("--unproved", help="Begin anew without the old key, because it is lost.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Let a new key sign from now on.

    The old key signs the change, and is deleted; so does the new one. Whoever
    holds the public key of either can follow the chain of keys both ways: what
    the old key signed stays proved. The auditor takes the new key by itself.
    Back the vault up afterwards: `mlc backup`.

    \b
    Example:
      mlc audit key rotate
    """
    with telling_errors(as_json=as_json):
        done, is_told = asyncio.run(_rotate(proved=not unproved))
        if as_json:
            print_json(done.model_dump(mode="json") | {"pem": _public(done).pem()})
            return
        if done.previous:
            say(f"Key {done.previous} has signed that ", (done.current, "bold"), " signs from now on.")
            say(
                "The old public key goes on proving everything. Only where the old key may be stolen, let your auditor "
                "keep the new one instead: mlc audit key show"
            )
        else:
            say("Key ", (done.current, "bold"), " signs from now on, and no other leads to it.")
            say("Let your auditor keep it beside the one before: mlc audit key show")
        if not is_told:
            say("Kafka did not take the event: the auditor appends it, and signs nothing before that.")
        say("Back the vault up: mlc backup")


def _show(*, as_json: bool) -> None:
    with telling_errors(as_json=as_json):
        public = asyncio.run(_key())
        if as_json:
            print_json({"key": public.id, "pem": public.pem()})
            return
        typer.echo(public.pem(), nl=False)


async def _key() -> PublicKey:
    async with environment.records("audit") as records:
        return (await signing_key(records.pool, records.vault)).public


async def _rotate(*, proved: bool) -> tuple[SigningKeyRotated, bool]:
    async with environment.runtime("audit") as runtime:
        brokers = runtime.settings.kafka_bootstrap_servers
        change = KeyChange(runtime.pool, runtime.vault, runtime.topics, brokers, runtime.clock, by=getpass.getuser())
        done = await change.make(proved=proved)
        return done, await told(runtime)


def _public(done: SigningKeyRotated) -> PublicKey:
    found = PublicKey.of_line(done.public)
    assert found is not None
    return found
