"""Where the command finds its settings: the environment, else the file ``mlc.env`` in the current folder."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mlc_common.clock import SystemClock
from mlc_common.errors import ConfigurationError
from mlc_common.runtime import Runtime, open_runtime
from mlc_common.settings import CommonSettings, load
from mlc_common.telemetry import configure_logs, configure_tracing

FILE = Path("mlc.env")


def read_file(path: Path = FILE) -> None:
    """Put the file's settings into the environment where they are not set already.

    Raises:
        ConfigurationError: a line is no ``NAME=value``.
    """
    if not path.is_file():
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, separator, value = line.partition("=")
        if not separator:
            raise ConfigurationError(f"{path}, line {number}, is no NAME=value")
        os.environ.setdefault(name.strip(), value.strip())


def settings() -> CommonSettings:
    """The settings of this process.

    Raises:
        ConfigurationError: names each variable that is missing or wrong.
    """
    read_file()
    try:
        return load(CommonSettings)
    except ConfigurationError as error:
        if FILE.is_file():
            raise
        place = f"{FILE} is not in this folder ({Path.cwd()}): go to where it is, or write it with `mlc init`"
        raise ConfigurationError(f"{error}\n{place}") from None


@asynccontextmanager
async def runtime(service: str, *, quiet: bool = True, common: CommonSettings | None = None) -> AsyncIterator[Runtime]:
    """Everything a command needs of database and log.

    Args:
        service: Name in logs and leases.
        quiet: No log lines, for commands whose output a person reads (but at MLC_LOG_LEVEL=debug).
        common: Instead of the settings of this process.
    """
    common = common or settings()
    silent = quiet and common.log_level != "debug"
    configure_logs(service, common.tenant, level="critical" if silent else common.log_level)
    tracing = configure_tracing(service, common.tenant)
    owner = f"{service}@{socket.gethostname()}:{os.getpid()}"
    try:
        async with open_runtime(common, owner=owner, clock=SystemClock()) as opened:
            yield opened
    finally:
        tracing.shutdown()
