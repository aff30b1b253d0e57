"""``python -m mlc_sandbox woocommerce|deltek``: one sandbox as a process of its own.

It prints one line of JSON with its address when it listens, and ends cleanly on SIGTERM and Ctrl-C.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from mlc_sandbox.server import run_forever

SANDBOXES = ("woocommerce", "deltek")


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and serve until told to stop; the exit status is 0 then, 2 for a wrong command line."""
    parser = argparse.ArgumentParser(prog="python -m mlc_sandbox", description="Run one sandbox.")
    parser.add_argument("sandbox", choices=SANDBOXES, help="which outside system to play")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--config", type=Path, help="a JSON file with the sandbox's settings")
    chosen = parser.parse_args(arguments)
    try:
        config = json.loads(chosen.config.read_text("utf-8"), parse_float=Decimal) if chosen.config else {}
    except (OSError, ValueError) as error:
        parser.error(f"cannot read {chosen.config}: {error}")
    module = importlib.import_module(f"mlc_sandbox.{chosen.sandbox}.app")
    run_forever(module.create_app(config), chosen.host, chosen.port, chosen.sandbox)
    return 0


if __name__ == "__main__":
    sys.exit(main())
