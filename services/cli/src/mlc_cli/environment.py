"""Where the command finds its settings: the environment, else the file ``mlc.env`` in the current folder."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from mlc_common.errors import ConfigurationError
from mlc_common.runtime import Records, Runtime, Surroundings, open_records, open_runtime, surroundings
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
    with _told(service, common, quiet=quiet) as owner:
        async with open_runtime(common, owner=owner) as opened:
            yield opened


@asynccontextmanager
async def records(service: str) -> AsyncIterator[Records]:
    """Database and vault alone, for commands that the broker's absence must not stop."""
    common = settings()
    with _told(service, common, quiet=True) as owner:
        async with open_records(common, owner=owner) as opened:
            yield opened


@contextmanager
def unconnected(service: str) -> Iterator[Surroundings]:
    """What a part needs that waits for broker and database by itself."""
    common = settings()
    with _told(service, common, quiet=False) as owner:
        yield surroundings(common, owner=owner)


@contextmanager
def _told(service: str, common: CommonSettings, *, quiet: bool) -> Iterator[str]:
    """Logs and traces of this process go where they belong; the name that it has in leases."""
    silent = quiet and common.log_level != "debug"
    configure_logs(service, common.tenant, level="critical" if silent else common.log_level)
    tracing = configure_tracing(service, common.tenant)
    try:
        yield f"{service}@{socket.gethostname()}:{os.getpid()}"
    finally:
        tracing.shutdown()
