"""`mlc sandbox`: a faithful server of an outside system, to try things on."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mlc_cli.output import Json, telling_errors
from mlc_common.errors import ConfigurationError


class System(StrEnum):
    """What can be played."""

    WOOCOMMERCE = "woocommerce"
    DELTEK = "deltek"


def sandbox(
    system: Annotated[System, typer.Argument(help="The outside system.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 0,
    config: Annotated[Path | None, typer.Option(help="JSON file with the sandbox's settings.")] = None,
    as_json: Json = False,
) -> None:
    """Play a store or an ERP, until Ctrl-C.

    Its first line of output is JSON with its address. Settings, sign-in and
    what a shopper can do: docs/sandbox-woocommerce.md, docs/sandbox-deltek.md.

    \b
    Example:
      mlc sandbox woocommerce --port 8090
    """
    with telling_errors(as_json=as_json):
        if importlib.util.find_spec("mlc_sandbox") is None:
            raise ConfigurationError("the sandbox is not installed; it is in the folder `sandbox` of the source")
        if config is not None and not config.is_file():
            raise ConfigurationError(f"{config} is no file; leave --config out, or name a JSON file")
        _refuse_taken(port)
    command = [sys.executable, "-m", "mlc_sandbox", system.value, "--port", str(port)]
    command += ["--config", str(config)] if config else []
    # In our place rather than as a child, so that whoever ends this process ends the sandbox.
    os.execv(sys.executable, command)  # noqa: S606 - our own module


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigurationError(
                f"port {port} of 127.0.0.1 cannot be had ({error.strerror}); choose another, or none for a free one"
            ) from None
