"""The `mlc` command: wires the sub-commands, nothing else."""

from __future__ import annotations

import typer

from mlc_cli import audit, connection, demo, holds, init, mapping, preview, run, sandbox

app = typer.Typer(
    name="mlc",
    help="Carries web-store orders, refunds and payments into the ERP: exactly once, to the cent, with proof.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)

app.command("init")(init.init)
app.add_typer(connection.app, name="connection")
app.add_typer(mapping.app, name="mapping")
app.command("run")(run.run)
app.add_typer(audit.app, name="audit")
app.command("holds")(holds.holds)
app.command("preview")(preview.preview)
app.command("sandbox")(sandbox.sandbox)
app.command("demo")(demo.demo)


def main() -> None:
    """Entry point of the `mlc` script."""
    app()
