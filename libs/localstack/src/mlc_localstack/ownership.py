"""Who owns a server's data directory: one process at a time, and whatever a dead owner left running is ended.

The lock is the kernel's (flock), so it falls when its holder ends in any way; the pid file names the server that the
holder started. Never trust a pid alone: it is compared with the process' start time.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import IO

import psutil

from mlc_localstack.errors import StackError
from mlc_localstack.processes import end_leftover


class Ownership:
    """The right to run one server in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock: IO[str] | None = None

    @property
    def _pid_file(self) -> Path:
        return self._directory / "server.json"

    def take(self) -> None:
        """Lock the directory and end a server that a killed owner left behind.

        Raises:
            StackError: another living process runs a server in this directory.
        """
        if self._lock is not None:
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        lock = (self._directory / "owner.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise StackError(
                f"{self._directory} is in use by process {holder}: end that one first, or choose another data directory"
            ) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock
        self._end_leftover()

    def remember(self, pid: int) -> None:
        """Write down the server that was started, for whoever comes after us."""
        started = psutil.Process(pid).create_time()
        self._pid_file.write_text(json.dumps({"pid": pid, "started": started}))

    def release(self) -> None:
        """Give the directory back; the server must have ended."""
        if self._lock is None:
            return
        self._pid_file.unlink(missing_ok=True)
        self._lock.close()
        self._lock = None

    def _end_leftover(self) -> None:
        try:
            left = json.loads(self._pid_file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return
        end_leftover(int(left["pid"]), float(left["started"]))
        self._pid_file.unlink(missing_ok=True)
