"""The life of a server that is a child process: started, stopped, killed, destroyed, always at the same address.

What Kafka and PostgreSQL have in common. One directory belongs to one server and to one living process at a time
(`ownership`); a start that fails leaves nothing running.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import ClassVar, Self

from mlc_localstack.errors import StackError
from mlc_localstack.ownership import Ownership
from mlc_localstack.processes import end, tail

START_SECONDS = 60.0
STOP_SECONDS = 20.0

Report = Callable[[str], None]
"""Called with what is being done now."""


class Server(ABC):
    """One server in one directory; its address stays the same over restarts of this object."""

    NAME: ClassVar[str]
    """What people call it."""
    STOP_SIGNAL: ClassVar[signal.Signals]
    """What ends it in order."""
    FAILED_SIGNAL: ClassVar[signal.Signals]
    """What ends it where its start has failed."""

    def __init__(self, directory: Path, report: Report | None) -> None:
        """Prepare a server; nothing starts yet.

        Args:
            directory: where everything of this server lives; kept between runs.
            report: called with what is being done.
        """
        self._directory = directory
        self._report = report or (lambda _: None)
        self._ownership = Ownership(directory)
        self._process: subprocess.Popen[bytes] | None = None
        self._abandoned = Event()

    @property
    def pid(self) -> int | None:
        """The process id of the running server."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def log_file(self) -> Path:
        """What the server prints: warnings and errors."""
        return self._directory / f"{self.NAME.lower()}.log"

    def start(self) -> None:
        """Start and return once clients can connect; does nothing if it runs.

        Raises:
            StackError: it did not start; the message ends with its last log lines.
        """
        if self.pid is not None:
            return
        self._ownership.take()
        try:
            self._prepare()
            self.log_file.unlink(missing_ok=True)
            self._launch()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop in order, or by SIGKILL where that takes too long."""
        self._end(self.STOP_SIGNAL)
        self._ownership.release()

    def abandon(self) -> None:
        """Let a start that is under way in another thread fail as soon as it can; this object is not started again."""
        self._abandoned.set()

    def kill(self) -> None:
        """End by SIGKILL, as a crash would; start() brings it back with its data and its address."""
        self._end(signal.SIGKILL)

    def destroy(self) -> None:
        """Stop it and delete its data.

        Raises:
            StackError: another living process runs it.
        """
        if not self._directory.exists():
            return
        self._ownership.take()
        self.stop()
        shutil.rmtree(self._directory)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _prepare(self) -> None:
        """Make what the server needs before it can start."""

    @abstractmethod
    def _has_address(self) -> bool:
        """Whether the address is known, and kept from now on."""

    @abstractmethod
    def _choose_address(self) -> None:
        """Take free ports in place of those that were taken."""

    @abstractmethod
    def _spawn(self) -> subprocess.Popen[bytes]:
        """Start the process at the address."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Whether clients can connect."""

    def _launch(self) -> None:
        # A fixed address is kept; a fresh one may have been taken since it was looked for, so three are tried.
        tries = 1 if self._has_address() else 3
        for number in range(tries):
            if number or not self._has_address():
                self._choose_address()
            self._report("starting")
            self._process = self._spawn()
            self._ownership.remember(self._process.pid)
            if self._wait_until_ready(self._process):
                return
            self._end(self.FAILED_SIGNAL)
        raise StackError(f"{self.NAME} did not start; the end of {self.log_file}:\n{tail(self.log_file)}")

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            self._go_on()
            if self._is_ready():
                return True
            time.sleep(0.02)
        return False

    def _go_on(self) -> None:
        if self._abandoned.is_set():
            raise StackError(f"the start of {self.NAME} was given up")

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            end(process, how, patience=STOP_SECONDS)
