"""`mlc sandbox`: a faithful server of an outside system, to try things on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from mlc_cli.output import Json


def sandbox(
    system: Annotated[str, typer.Argument(help="woocommerce or deltek.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    config: Annotated[Path | None, typer.Option(help="JSON file with the sandbox's settings.")] = None,
    as_json: Json = False,
) -> None:
    """Run a sandbox of an outside system until Ctrl-C. Its first line of output is JSON with its address.

    Example: mlc sandbox woocommerce --port 8090
    """
    command = [sys.executable, "-m", "mlc_sandbox", system, "--port", str(port)]
    command += ["--config", str(config)] if config else []
    try:
        raise typer.Exit(subprocess.run(command, check=False).returncode)  # noqa: S603 - our own module
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
