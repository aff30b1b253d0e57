"""The `mlc` command: names the sub-commands, nothing else.

Each is loaded when it is called, so that `mlc preview` need not load what `mlc run` needs. No traceback of rich ever
prints: it would show variables, and those may hold secrets.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mlc_cli.output import telling_errors
from mlc_common.errors import ConfigurationError

COMMANDS = {
    "init": "init",
    "connection": "app",
    "vault": "app",
    "mapping": "app",
    "preview": "preview",
    "run": "run",
    "holds": "app",
    "replay": "replay",
    "reconcile": "reconcile",
    "audit": "app",
    "backup": "backup",
    "restore": "restore",
    "rebuild": "rebuild",
    "sandbox": "sandbox",
    "demo": "demo",
}
"""Sub-command (and module of this package) to what in it is the command: a function, or a group of its own."""

PLAIN: dict[str, Any] = {"add_completion": False, "pretty_exceptions_enable": False}
"""How every group of ours is made."""


class LazyGroup(TyperGroup):
    """Loads a sub-command's module when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The sub-command; None when there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        found = getattr(import_module(f"mlc_cli.{cmd_name}"), COMMANDS[cmd_name])
        if isinstance(found, typer.Typer):
            group = typer.main.get_command(found)
            group.name = cmd_name
            return group
        single = typer.Typer(**PLAIN)
        single.command(cmd_name)(found)
        return typer.main.get_command(single)


app = typer.Typer(cls=LazyGroup, name="mlc", no_args_is_help=True, **PLAIN)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mlc {version('mlc-cli')}")
        raise typer.Exit


@app.callback()
def mlc(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Carries web-store orders and refunds into the ERP: exactly once, to the cent, with proof.

    Settings come from the environment, or from the file mlc.env in the current folder, which `mlc init` writes.
    Exit status: 0 done, 1 an error (one sentence says what to do), 2 a wrong command line, 130 Ctrl-C.
    """


def see_that_it_is_text(arguments: Sequence[str]) -> None:
    """What is typed is kept in the log and looked for in the database, and neither takes anything but text.

    Raises:
        ConfigurationError: an argument is none in this terminal's encoding.
    """
    for argument in arguments:
        if not argument.isprintable() and any("\ud800" <= each <= "\udfff" for each in argument):
            raise ConfigurationError(
                f"{argument!a} is no text in the encoding of this terminal ({sys.getfilesystemencoding()}); type "
                "it again, or correct LANG"
            )


def main() -> None:
    """Entry point of the `mlc` script."""
    try:
        with telling_errors():
            see_that_it_is_text(sys.argv[1:])
            app()
    except typer.Exit as ending:  # what failed before a command could be found
        sys.exit(ending.exit_code)
