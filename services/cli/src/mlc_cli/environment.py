"""Where the command finds its settings: the environment, else the file ``mlc.env`` in the current folder."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mlc_common.clock import SystemClock
from mlc_common.runtime import Runtime, open_runtime
from mlc_common.settings import CommonSettings, load
from mlc_common.telemetry import configure_logs, configure_tracing

FILE = Path("mlc.env")


def read_file(path: Path = FILE) -> None:
    """Put the file's settings into the environment where they are not set already."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        name, separator, value = line.partition("=")
        if separator and not name.lstrip().startswith("#"):
            os.environ.setdefault(name.strip(), value.strip())


def settings() -> CommonSettings:
    """The settings of this process.

    Raises:
        ConfigurationError: names each variable that is missing or wrong.
    """
    read_file()
    return load(CommonSettings)


@asynccontextmanager
async def runtime(service: str, *, quiet: bool = True) -> AsyncIterator[Runtime]:
    """Everything a command needs of database and log.

    Args:
        service: Name in logs and leases.
        quiet: Log warnings only, for commands whose output a person reads.
    """
    common = settings()
    configure_logs(service, common.tenant, level="warning" if quiet else common.log_level)
    tracing = configure_tracing(service, common.tenant)
    owner = f"{service}@{socket.gethostname()}:{os.getpid()}"
    try:
        async with open_runtime(common, owner=owner, clock=SystemClock()) as opened:
            yield opened
    finally:
        tracing.shutdown()
