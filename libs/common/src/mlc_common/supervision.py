"""Runs one task per connection and keeps it in step with the configuration: added, changed, removed.

A connection that is misconfigured is said loudly and tried again; it does not take the others down. Anything else that
ends a task ends the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Generic, TypeVar

import structlog

from mlc_common.clock import Clock
from mlc_common.errors import ConfigurationError, Retryable
from mlc_common.store.pool import UNAVAILABLE

_log = structlog.get_logger(__name__)

WhatT = TypeVar("WhatT")

_EVERY_S = 2.0
_AGAIN_S = 15.0


class Supervisor(Generic[WhatT]):
    """Keeps ``serve(key, what)`` running for everything that ``wanted`` names; a changed ``what`` restarts it."""

    def __init__(
        self,
        wanted: Callable[[], Awaitable[Mapping[str, WhatT]]],
        serve: Callable[[str, WhatT], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._wanted = wanted
        self._serve = serve
        self._clock = clock
        self._running: dict[str, tuple[WhatT, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._step()
                await self._clock.sleep(_EVERY_S)
        finally:
            for name in list(self._running):
                await self._stop(name)

    async def _step(self) -> None:
        for _, task in self._running.values():
            if task.done():
                task.result()
        try:
            wanted = await self._wanted()
        except UNAVAILABLE as error:
            _log.warning("supervisor.database_unavailable", error=type(error).__name__)
            return
        for name in [name for name, (what, _) in self._running.items() if wanted.get(name) != what]:
            await self._stop(name)
        for name, what in wanted.items():
            if name not in self._running:
                self._running[name] = (what, asyncio.create_task(self._keep(name, what), name=f"serve {name}"))

    async def _keep(self, name: str, what: WhatT) -> None:
        while await self._tried(name, what):
            await self._clock.sleep(_AGAIN_S)

    async def _tried(self, name: str, what: WhatT) -> bool:
        """Serve until there is trouble; whether to try again."""
        try:
            await self._serve(name, what)
        except* (ConfigurationError, Retryable, *UNAVAILABLE) as trouble:
            for error in _single(trouble):
                _log.error("connection.cannot_work", connection=name, error=type(error).__name__, detail=str(error))
        task = asyncio.current_task()
        return task is None or not task.cancelling()  # told to end, and tidying up ran into trouble

    async def _stop(self, name: str) -> None:
        _, task = self._running.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _single(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """The errors in a group: what serves a connection may consist of several tasks."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _single(error)
        else:
            yield error
