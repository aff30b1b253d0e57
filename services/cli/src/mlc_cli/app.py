"""The `mlc` command: names the sub-commands, nothing else.

Each is loaded when it is called, so that `mlc preview` need not load what `mlc run` needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

COMMANDS = {
    "init": "init",
    "connection": "app",
    "mapping": "app",
    "preview": "preview",
    "run": "run",
    "holds": "holds",
    "audit": "app",
    "sandbox": "sandbox",
    "demo": "demo",
}
"""Sub-command (and module of this package) to what in it is the command: a function, or a group of its own."""


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
        single = typer.Typer(add_completion=False)
        single.command(cmd_name)(found)
        return typer.main.get_command(single)


app = typer.Typer(
    cls=LazyGroup,
    name="mlc",
    help="Carries web-store orders, refunds and payments into the ERP: exactly once, to the cent, with proof.",
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def mlc() -> None:
    """Carries web-store orders, refunds and payments into the ERP: exactly once, to the cent, with proof."""


def main() -> None:
    """Entry point of the `mlc` script."""
    app()
