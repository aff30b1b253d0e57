"""A consumer that runs beside a test, and the clocks that hurry it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mlc_common.clock import SystemClock
from mlc_common.log.consumer import LOOK_BACK_S, LogConsumer
from mlc_common.telemetry import MetricsRegistry

from .recorder import Recorder


class Waits(SystemClock):
    """Notes how long somebody wants to wait, and does not."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    async def sleep(self, seconds: float) -> None:
        if seconds != LOOK_BACK_S:  # which it does all the time
            self.waited.append(seconds)
        await asyncio.sleep(0.01)


class Hurries(SystemClock):
    """Waits only for a moment, whoever wants to wait."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.05)


class CommitsEachTime(SystemClock):
    """Seconds go by between two looks at it."""

    _now = 0.0

    def monotonic(self) -> float:
        self._now += 10
        return self._now


class Reading:
    """A consumer that runs beside the test."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        recorder: Recorder,
        clock: SystemClock | None = None,
        session_s: float = 10.0,
    ) -> None:
        consumer = LogConsumer(
            bootstrap,
            [topic],
            group=f"{topic}.test",
            handler=recorder,
            clock=clock or SystemClock(),
            metrics=MetricsRegistry(),
            session_s=session_s,
        )
        self.ready = asyncio.Event()
        self.task = asyncio.create_task(consumer.run(self.ready))

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


Start = Callable[..., Reading]
