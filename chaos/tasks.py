"""Where every task of a process stands, written by the process itself when it is asked by a signal (SIGUSR1).

A run that does not come to rest is asked for this before it is ended: what waits for ever logs nothing.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

ASK = signal.SIGUSR1


def tell_when_asked() -> None:
    """From now on write all tasks to standard error when the signal comes."""
    signal.signal(ASK, lambda *_: _tell())


def _tell() -> None:
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:  # no loop runs
        return
    told = [f"task {task.get_name()}: {' <- '.join(_waits(task.get_coro()))}" for task in tasks]
    os.write(2, ("\n".join(["tasks:", *told]) + "\n").encode())


_FRAMES = ("cr_frame", "gi_frame", "ag_frame")
_AWAITED = ("cr_await", "gi_yieldfrom", "ag_await")


def _waits(waiting: Any) -> Iterator[str]:
    """Each awaiter, then what it awaits, to the innermost."""
    while waiting is not None:
        frame = next((found for name in _FRAMES if (found := getattr(waiting, name, None))), None)
        if frame is None:
            yield repr(waiting)[:120]
            return
        yield f"{frame.f_code.co_qualname} {os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
        waiting = next((inner for name in _AWAITED if (inner := getattr(waiting, name, None))), None)
