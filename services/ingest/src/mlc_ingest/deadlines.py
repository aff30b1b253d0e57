"""Time limits for very many short waits: one timer for all of them instead of one each.

What ``asyncio.timeout`` does costs more than checking a signature; here a wait costs a dictionary entry. A wait is cut
off between its limit and an eighth of that later. Nothing runs while nobody waits.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

_PRECISION = 8

Task = asyncio.Task[object]


class Deadlines:
    """``with deadlines: await …`` raises TimeoutError when that takes too long. Not nested within one task.

    Args:
        seconds: How long each wait may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: dict[Task, float] = {}
        self._late: dict[Task, int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._waiting[_current_task()] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._sweep)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        task = _current_task()
        if self._waiting.pop(task, None) is not None:
            return
        # Cut off: only our own cancellation becomes a timeout, as in asyncio.timeout.
        if task.uncancel() <= self._late.pop(task) and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _sweep(self) -> None:
        """End what took too long; all waits are of one length, so the oldest are first."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for task, ends_at in list(self._waiting.items()):
            if ends_at > now:
                break
            del self._waiting[task]
            self._late[task] = task.cancelling()
            task.cancel()
        self._timer = loop.call_later(self._seconds / _PRECISION, self._sweep) if self._waiting else None


def _current_task() -> Task:
    task = asyncio.current_task()
    assert task is not None
    return task
