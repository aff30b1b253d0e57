"""Child processes that never outlive us: started from one lasting thread, in a session of their own, tied to our life.

A child gets a session of its own so that Ctrl-C in a terminal reaches only us, and we stop it in order. Linux delivers
the death signal when the *thread* that forked ends, not the process: hence one thread starts every child and lasts
until the process ends. A SIGKILL of us therefore still ends every child.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread

import psutil

from mlc_localstack.errors import StackError

LAUNCHER = Path(__file__).with_name("launch.py")

# Below Linux' range for outgoing connections (32768 and up): a server that is stopped for a while in a test finds its
# port still free when it comes back.
PORTS = range(20_000, 32_000)


@dataclass(frozen=True)
class Account:
    """An operating system account that a child runs as."""

    name: str
    uid: int
    gid: int


class _Spawner:
    """The one thread that forks; it never ends by itself, so that no death signal is sent too early."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._pid = 0

    def run(self, command: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        """Run `command` on the lasting thread and hand back what it gives, or raise what it raises."""
        answers: SimpleQueue[subprocess.Popen[bytes] | BaseException] = SimpleQueue()

        def task() -> None:
            try:
                answers.put(command())
            except BaseException as error:  # handed to the caller, whatever it is
                answers.put(error)

        self._ensure_thread()
        self._tasks.put(task)
        answer = answers.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _ensure_thread(self) -> None:
        with self._lock:
            if self._pid == os.getpid():
                return
            self._tasks = SimpleQueue()
            self._pid = os.getpid()
            Thread(target=self._loop, args=(self._tasks,), name="mlc-localstack-spawner", daemon=True).start()

    @staticmethod
    def _loop(tasks: SimpleQueue[Callable[[], None]]) -> None:
        while True:
            tasks.get()()


_spawner = _Spawner()


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    environment: Mapping[str, str],
    account: Account | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own that ends when this process ends.

    Args:
        command: the absolute path of the program, then its arguments.
        log: file that standard output and error are appended to.
        cwd: working directory; `account` must be able to enter it.
        environment: the whole environment of the child.
        account: whom to run as; None stays who we are.
        death_signal: what the child gets when this process ends without stopping it.
    """
    identity = ["-", "-"] if account is None else [str(account.uid), str(account.gid)]
    arguments = [
        sys.executable,
        "-I",
        "-S",
        str(LAUNCHER),
        str(os.getpid()),
        str(int(death_signal)),
        *identity,
        *command,
    ]

    def start() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=dict(environment),
                start_new_session=True,
            )

    return _spawner.run(start)


def end(process: subprocess.Popen[bytes], how: signal.Signals, *, patience: float) -> None:
    """Send `how`, wait `patience` seconds, then SIGKILL; returns once the child and its children are gone."""
    family = _family(process.pid)
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        _end_all(family)


def end_leftover(pid: int, started: float) -> bool:
    """End a process that an earlier, killed run left behind; True if there was one.

    The start time is compared too, so that a process id that was given out anew is left alone.
    """
    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - started) > 1:
            return False
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return False
    _end_all(family)
    return True


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _end_all(processes: Iterable[psutil.Process]) -> None:
    members = [process for process in processes if process.is_running()]
    for process in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + 10
    while (alive := [process for process in members if _runs(process)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    if alive:
        numbers = ", ".join(str(process.pid) for process in alive)
        raise StackError(f"processes {numbers} do not end although they were killed; end them by hand and try again")


def _runs(process: psutil.Process) -> bool:
    # An orphan that ended stays a zombie until the first process of the machine gets round to it.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now, and that no outgoing connection is given."""
    for _ in range(200):
        port = random.choice(PORTS)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise StackError(
        f"no free port between {PORTS.start} and {PORTS.stop} on 127.0.0.1; end some servers and try again"
    )


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log, for an error message."""
    if not log.exists():
        return "(no log was written)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
