"""`mlc audit`: the story of an order, the proof that nothing was altered, a period for the auditor, the public key.

Reads and prints alone; what it shows is made in ``mlc_common.audit``.
"""

from __future__ import annotations

import typer

from mlc_cli.audit import key
from mlc_cli.audit.exporting import export
from mlc_cli.audit.showing import show
from mlc_cli.audit.verifying import verify

_ABOUT = "What happened, and the proof of it."

app = typer.Typer(help=_ABOUT, no_args_is_help=True, add_completion=False)


@app.callback(help=_ABOUT)
def audit() -> None:
    """See ``_ABOUT``."""


for command in (show, verify, export):
    app.command()(command)
app.add_typer(key.app, name="key")
