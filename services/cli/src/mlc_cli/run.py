"""`mlc run`: run one part, or all of them in one process."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import signal
from collections.abc import Callable
from typing import Annotated

import typer

from mlc_cli import environment
from mlc_cli.output import Json, people, print_json, telling_errors
from mlc_common.runtime import Runtime, known_parts, run_parts


def run(
    part: Annotated[str, typer.Argument(help="ingest, mapper, poller, poster-deltek, or all.")],
    as_json: Json = False,
) -> None:
    """Run a part until Ctrl-C or SIGTERM. `all` runs every part in this process (one trust domain).

    Example: mlc run all
    """
    with telling_errors(as_json=as_json):
        names = known_parts() if part == "all" else [part]
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
            people.print(f"Running {', '.join(parts)}; health at {runtime.announced['health']}. Ctrl-C stops.")

    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: task.cancel() if task else None)
    try:
        async with environment.runtime(f"mlc-{name}", quiet=False) as runtime:
            await run_parts(parts, runtime, up=up)
    except asyncio.CancelledError:
        return
