"""Leases orders and lets the engine work on them, some at a time, until stopped. One worker per poster process.

An open circuit breaker stops leasing, not consuming. A defect holds its order and the others go on; twenty in a row
stop the worker loudly, because a bad deploy must not hold everything (architecture §2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from mlc_common.clock import Clock
from mlc_common.errors import ConnectorError
from mlc_common.posting.engine import Engine
from mlc_common.posting.ledger import LeaseLost, OrderLease
from mlc_common.store.pool import UNAVAILABLE

_log = structlog.get_logger(__name__)

DEFECTS_IN_A_ROW = 20

_GIVE_BACK_S = 2.0


class TooManyDefects(ConnectorError):  # noqa: N818
    """Order after order fails for no reason of its own; a person must look before anything else is held."""

    code = "too_many_defects"


@dataclass(frozen=True)
class WorkerSettings:
    """How much at once, and how often to look when nobody wakes us (seconds)."""

    concurrency: int = 4
    idle_s: float = 0.5
    unavailable_s: float = 1.0


class Worker:
    """Runs one engine over whatever can be worked on."""

    def __init__(self, engine: Engine, erp: str, clock: Clock, settings: WorkerSettings) -> None:
        self._engine = engine
        self._erp = erp
        self._clock = clock
        self._settings = settings
        self._awake = asyncio.Event()
        self._running: dict[asyncio.Task[None], OrderLease] = {}
        self._owed: list[OrderLease] = []
        self._defects = 0
        self._failure: BaseException | None = None

    def wake(self) -> None:
        """Say that there may be work."""
        self._awake.set()

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            TooManyDefects: twenty orders in a row failed unexpectedly.
        """
        try:
            while True:
                self._awake.clear()
                if not await self._lease():
                    await self._idle()
                self._raise_failure()
        finally:
            await self._stop()

    async def drain(self) -> None:
        """Work until nothing can be leased any more (tests and one-off runs)."""
        while await self._lease() or self._running:
            if self._running:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            self._raise_failure()

    async def _lease(self) -> bool:
        free = self._settings.concurrency - len(self._running)
        if free <= 0 or self._engine.gateway.open_for() > 0:
            return False
        try:
            engine = self._engine
            while self._owed:  # else nobody could work on these until their leases run out
                await self._release(self._owed[-1])
                self._owed.pop()
            leases = await engine.ledger.lease_orders(self._erp, engine.owner, free, engine.settings.lease_s)
        except UNAVAILABLE as error:
            _log.warning("worker.database_unavailable", error=type(error).__name__)
            await self._clock.sleep(self._settings.unavailable_s)
            return False
        self._start(leases)
        return bool(leases)

    def _start(self, leases: Sequence[OrderLease]) -> None:
        for lease in leases:
            task = asyncio.create_task(self._work(lease), name=f"post {lease.order_key}")
            self._running[task] = lease
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
        self._awake.set()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _stop(self) -> None:
        """End what is running and give its orders back; what was sent is in the ledger and will be looked up."""
        leases = list(self._running.values())
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GIVE_BACK_S):
                await asyncio.gather(*map(self._give_back, leases))

    async def _give_back(self, lease: OrderLease) -> None:
        try:
            await self._release(lease)
        except UNAVAILABLE as error:  # tried again before the next is leased; in the end it runs out by itself
            _log.warning("worker.could_not_give_back", error=type(error).__name__)
            self._owed.append(lease)

    async def _release(self, lease: OrderLease) -> None:
        await self._engine.ledger.release(lease, runnable=True, after_s=self._settings.unavailable_s)

    async def _idle(self) -> None:
        with suppress(TimeoutError):  # not wait_for: up to Python 3.11 it loses a cancellation that meets the event
            async with asyncio.timeout(self._settings.idle_s):
                await self._awake.wait()

    async def _work(self, lease: OrderLease) -> None:
        with structlog.contextvars.bound_contextvars(flow=lease.flow, order=lease.order_key):
            try:
                await self._engine.work(lease)
                self._defects = 0
            except LeaseLost:
                _log.warning("worker.lease_lost")
            except UNAVAILABLE as error:
                _log.warning("worker.database_unavailable", error=type(error).__name__)
                await self._give_back(lease)
            except Exception as error:
                await self._defect(lease, error)

    async def _defect(self, lease: OrderLease, error: Exception) -> None:
        self._defects += 1
        _log.exception("worker.defect", error=type(error).__name__)
        if self._defects >= DEFECTS_IN_A_ROW:
            raise TooManyDefects(f"{self._defects} orders in a row failed; the last: {type(error).__name__}") from error
        try:
            await self._engine.hold_for_defect(lease, f"{type(error).__name__} in the posting engine.")
        except (LeaseLost, *UNAVAILABLE) as lost:
            _log.warning("worker.could_not_hold", error=type(lost).__name__)
        except Exception as unreadable:  # a row or command of it cannot be read: when the lease has run out, once more
            _log.exception("worker.cannot_be_held", error=type(unreadable).__name__)
