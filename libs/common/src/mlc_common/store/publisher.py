"""Appends what waits in the outbox to the log, continuously, until cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress

import structlog

from mlc_common.clock import Clock
from mlc_common.errors import Retryable
from mlc_common.log.producer import LogProducer
from mlc_common.store import outbox
from mlc_common.store.pool import UNAVAILABLE, Pool

_log = structlog.get_logger(__name__)

_PAUSE_S = 1.0


class Publisher:
    """One process's publisher of one producer's lanes. ``wake`` after each commit that wrote to the outbox."""

    def __init__(self, pool: Pool, log: LogProducer, producer: str, clock: Clock, *, idle_s: float = 0.5) -> None:
        self._pool = pool
        self._log = log
        self._producer = producer
        self._clock = clock
        self._idle_s = idle_s
        self._awake = asyncio.Event()
        self._lanes: Collection[int] = (0,)

    def wake(self) -> None:
        """Say that something was written."""
        self._awake.set()

    def own(self, lanes: Collection[int]) -> None:
        """From now on publish these lanes and no others."""
        self._lanes = tuple(lanes)
        self.wake()

    async def run(self, after: Callable[[], Awaitable[None]] | None = None) -> None:
        """Publish until cancelled; ``after`` is called whenever everything of our lanes has been acknowledged."""
        while True:
            self._awake.clear()
            if not await self._flush():
                await self._clock.sleep(_PAUSE_S)
                continue
            if after is not None:
                await self._guarded(after)
            with suppress(TimeoutError):  # not wait_for: up to Python 3.11 it loses a cancellation that meets the event
                async with asyncio.timeout(self._idle_s):
                    await self._awake.wait()

    async def flush(self) -> None:
        """Publish everything that waits now.

        What is written meanwhile waits for the next time: following close behind a busy writer would be a transaction
        and a request to the log for each of its events, where hundreds fit into one.

        Raises:
            Retryable: the log did not acknowledge.
        """
        sent = outbox.BATCH
        while sent == outbox.BATCH:
            sent = await outbox.publish_pending(self._pool, self._log, self._producer, list(self._lanes))

    async def _flush(self) -> bool:
        return await self._guarded(self.flush)

    async def _guarded(self, act: Callable[[], Awaitable[None]]) -> bool:
        try:
            await act()
        except (Retryable, *UNAVAILABLE) as error:
            _log.warning("publisher.waiting", producer=self._producer, error=type(error).__name__, detail=str(error))
            return False
        return True
