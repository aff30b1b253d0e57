"""`mlc run`: run one part, or all of them in one process."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import signal
from collections.abc import Callable
from functools import partial
from typing import Annotated

import structlog
import typer

from mlc_cli import environment
from mlc_cli.output import Json, first_of, print_json, say, telling_errors
from mlc_common.errors import ConfigurationError, ConnectorError
from mlc_common.runtime import Surroundings, known_parts, run_parts, start_without_servers

_log = structlog.get_logger(__name__)

_PATIENCE_S = 3.0
"""How long a part that starts without its servers waits for them before it tells its address."""


def run(
    part: Annotated[str, typer.Argument(help="ingest, mapper, poller, poster-deltek, auditor, reconciler, or all.")],
    as_json: Json = False,
) -> None:
    """Run one part, or all, until Ctrl-C or SIGTERM.

    `all` runs every part in this process, with the secrets of store and ERP in
    one place. Logs are JSON on stderr; with --json, one line on stdout tells the
    addresses once everything is ready. `ingest` starts without Kafka and
    PostgreSQL, too, and answers 503 until they are there.

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
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: task.cancel() if task else None)
    try:
        await _with_what_they_need(f"mlc-{name}", parts, as_json=as_json)
    except asyncio.CancelledError:
        if not as_json:
            say("Stopped.")
    except Exception as error:
        if not isinstance(first_of(error), ConnectorError):
            # A person is told kind and place alone; the log, which is redacted, keeps the rest for whoever mends it.
            _log.error("run.failed", exc_info=True)
        raise


async def _with_what_they_need(service: str, parts: list[str], *, as_json: bool) -> None:
    """The gateway alone must not wait for its servers: whoever sends it something gets an answer from the start."""
    if start_without_servers(parts):
        with environment.unconnected(service) as around:
            await run_parts(parts, around, up=partial(_tell, parts, around, as_json), within_s=_PATIENCE_S)
        return
    async with environment.runtime(service, quiet=False) as runtime:
        await run_parts(parts, runtime, up=partial(_tell, parts, runtime, as_json))


def _tell(parts: list[str], around: Surroundings, as_json: bool) -> None:
    if as_json:
        print_json({"parts": parts, **around.announced})
        return
    say(f"Running {', '.join(parts)}. Ctrl-C stops.")
    for what, address in around.announced.items():
        say(f"  {what:<8} {address}")
