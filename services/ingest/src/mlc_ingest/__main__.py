"""``python -m mlc_ingest``: the gateway as a process of its own, on uvloop where that exists.

Says ``{"url": …}`` on standard output once it listens; ends on SIGTERM or SIGINT after what is in work.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from mlc_common.errors import ConfigurationError
from mlc_common.settings import load
from mlc_common.telemetry import configure_logs, configure_tracing
from mlc_ingest.app import run_alone
from mlc_ingest.settings import IngestSettings

if sys.platform == "win32":
    from asyncio import run
else:
    from uvloop import run


def main() -> None:
    """Run until told to stop; exit status 2 where a person must change something first."""
    try:
        settings = load(IngestSettings)
        configure_logs("ingest", settings.tenant, level=settings.log_level)
        tracing = configure_tracing("ingest", settings.tenant)
        try:
            run(_serve(settings))
        finally:
            tracing.shutdown()
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


async def _serve(settings: IngestSettings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run_alone(settings, stop, _say)


def _say(where: dict[str, str]) -> None:
    sys.stdout.write(f"{json.dumps(where)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
