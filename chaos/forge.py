"""Forks our parts, the sandboxes and `mlc` commands from one process that has loaded everything already.

A part is killed and started again hundreds of times in a long run; loading Python and its modules anew would be most
of the time. What is forked is a process like any other: own environment, own session, killed and frozen alone. Ends
all it forked when its input ends. Run by ``processes.Forge``; speaks JSON lines on stdin and stdout.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import sys
from contextlib import suppress
from typing import Any, NoReturn

_LOADED = (
    "mlc_cli.app",
    "mlc_auditor.app",
    "mlc_ingest.app",
    "mlc_mapper.app",
    "mlc_poller.app",
    "mlc_poster_deltek.app",
    "mlc_sandbox.deltek.app",
    "mlc_sandbox.woocommerce.app",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.auto",
    "mlc_common.store.migrations",
)
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Fork what is asked for until the input ends."""
    for name in _LOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes)
    living: set[int] = set()
    _tell({"ready": True})
    try:
        _serve(woken, living)
    finally:
        for pid in living:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _serve(woken: int, living: set[int]) -> None:
    waiting = b""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            with suppress(BlockingIOError):
                os.read(woken, 4096)
            _reap(living)
        if 0 in ready:
            more = os.read(0, 65536)
            if not more:
                return
            *lines, waiting = (waiting + more).split(b"\n")
            for line in lines:
                asked = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    _become(asked)
                living.add(pid)
                _tell({"id": asked["id"], "pid": pid})


def _reap(living: set[int]) -> None:
    while living:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        living.discard(pid)
        _tell({"pid": pid, "ended": os.waitstatus_to_exitcode(status)})


def _tell(what: dict[str, Any]) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def _become(asked: dict[str, Any]) -> NoReturn:
    """Be the program that was asked for; never returns."""
    status = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        os.setsid()
        _redirect(asked)
        _, module, *arguments = asked["arguments"]
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _redirect(asked: dict[str, Any]) -> None:
    files = {0: (os.devnull, os.O_RDONLY), 1: (asked["out"], _APPEND), 2: (asked["log"], _APPEND)}
    for number, (path, how) in files.items():
        opened = os.open(path, how, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # a text file, as in every program
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    from chaos.tasks import tell_when_asked
    from mlc_common import crash

    crash.arm(os.environ)
    tell_when_asked()


_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND

if __name__ == "__main__":
    main()
