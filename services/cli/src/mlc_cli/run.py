"""`mlc run`: run one part, or all of them in one process."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import signal
from collections.abc import Callable
from typing import Annotated

import structlog
import typer

from mlc_cli import environment
from mlc_cli.output import Json, first_of, print_json, say, telling_errors
from mlc_common.errors import ConfigurationError, ConnectorError
from mlc_common.runtime import Runtime, known_parts, run_parts

_log = structlog.get_logger(__name__)


def run(
    part: Annotated[str, typer.Argument(help="ingest, mapper, poller, poster-deltek, or all.")],
    as_json: Json = False,
) -> None:
    """Run one part, or all, until Ctrl-C or SIGTERM.

    `all` runs every part in this process, with the secrets of store and ERP in
    one place. Logs are JSON on stderr; with --json, one line on stdout tells the
    addresses once everything is ready.

    \b
    Example:
      MLC_PUBLIC_URL=https://hooks.example.com mlc run all
    """
    with telling_errors(as_json=as_json):
        known = known_parts()
        if part not in ("all", *known):
            raise ConfigurationError(f"there is no part {part!r}; known are {', '.join(known)}, and all")
        names = known if part == "all" else [part]
        with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
            runner.run(_run(part, names, as_json=as_json))


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed (not on Windows): a third less CPU for each order on its way."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    loop: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return loop


async def _run(name: str, parts: list[str], *, as_json: bool) -> None:
    def up(runtime: Runtime) -> None:
        told = {"parts": parts, **runtime.announced}
        if as_json:
            print_json(told)
        else:
            say(f"Running {', '.join(parts)}. Ctrl-C stops.")
            for what, address in runtime.announced.items():
                say(f"  {what:<8} {address}")

    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: task.cancel() if task else None)
    try:
        async with environment.runtime(f"mlc-{name}", quiet=False) as runtime:
            await run_parts(parts, runtime, up=up)
    except asyncio.CancelledError:
        if not as_json:
            say("Stopped.")
    except Exception as error:
        if not isinstance(first_of(error), ConnectorError):
            # A person is told kind and place alone; the log, which is redacted, keeps the rest for whoever mends it.
            _log.error("run.failed", exc_info=True)
        raise
