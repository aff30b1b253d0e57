"""Wires the scheduled part: once a day, for each flow, by lease, the last days are compared again.

The lease's note says which day was compared last, so that a restart compares nothing twice; a flow without one begins
on the next day. What fails is said and tried again until it succeeds: a comparison that could not
be read whole is no result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, timedelta

import structlog

from mlc_common.errors import ConnectorError
from mlc_common.runtime import Runtime
from mlc_common.settings import load
from mlc_common.store import leases, mappings
from mlc_common.store.leases import Lease
from mlc_common.store.mappings import AppliedMapping
from mlc_common.store.pool import UNAVAILABLE
from mlc_common.supervision import Supervisor
from mlc_reconciler.comparing import Asked, compared
from mlc_reconciler.rules import Rules
from mlc_reconciler.schedule import due_day, seconds_until_due
from mlc_reconciler.settings import ReconcilerSettings

_log = structlog.get_logger(__name__)

_RENEWALS = 3
_LOOK_S = 60.0
"""Clocks are moved and zones change: the schedule is looked at this often, however far away the next day is."""


async def run(runtime: Runtime) -> None:
    """Compare every flow daily, until cancelled."""
    settings = load(ReconcilerSettings)

    async def wanted() -> Mapping[str, AppliedMapping]:
        return {mapping.flow: mapping for mapping in await mappings.current(runtime.pool)}

    async def serve(_: str, mapping: AppliedMapping) -> None:
        await Schedule(runtime, settings, mapping).run()

    await Supervisor(wanted, serve, runtime.clock).run()


class Schedule:
    """The daily comparison of one flow."""

    def __init__(self, runtime: Runtime, settings: ReconcilerSettings, mapping: AppliedMapping) -> None:
        self.runtime = runtime
        self._settings = settings
        self._flow = mapping.flow
        self._local_date = Rules.of(mapping.body).mapping.local_date
        self._name = f"reconciler:{mapping.flow}"
        self._owner = f"{runtime.owner}:reconciler"

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                wait = await self.once()
            except (ConnectorError, *UNAVAILABLE) as error:
                _log.warning("reconcile.failed", flow=self._flow, error=type(error).__name__, detail=str(error))
                wait = self._failed()
            except Exception as error:  # a defect of the comparison must not end the parts that post
                _log.exception("reconcile.defect", flow=self._flow, error=type(error).__name__)
                wait = self._failed()
            await self.runtime.clock.sleep(wait)

    def _failed(self) -> float:
        self.runtime.metrics.reconciles.labels(self._flow, "failed").inc()
        return self._settings.reconciler_retry_seconds

    async def once(self) -> float:
        """Compare if it is due and nobody else does; seconds until to look again.

        Raises:
            ConnectorError: a side could not be read whole.
        """
        lease = await self._leased()
        if lease is None:
            return self._settings.reconciler_lease_seconds
        note, at = lease.note, self._settings.reconciler_at
        try:
            now = self.runtime.clock.now()
            due, done = due_day(now, at, self._local_date), _day(note)
            if done is not None and done < due and not await self._compare(due):
                return self._settings.reconciler_lease_seconds
            note = due.isoformat()
            return min(_LOOK_S, seconds_until_due(now, at, self._local_date))
        finally:
            with suppress(*UNAVAILABLE):
                await leases.release(self.runtime.pool, lease, note=note)

    async def _compare(self, due: date) -> bool:
        """The days before the day that is due; the lease is kept meanwhile. False where it was lost."""
        asked = Asked(
            flow=self._flow,
            first=due - timedelta(days=self._settings.reconciler_days),
            last=due - timedelta(days=1),
            by="schedule",
        )
        work = asyncio.create_task(compared(self.runtime, asked), name=self._name)
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=self._settings.reconciler_lease_seconds / _RENEWALS)
                if not work.done() and await self._leased() is None:
                    _log.warning("reconcile.taken_over", flow=self._flow)
                    return False
            result = work.result()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        self.runtime.metrics.reconciles.labels(self._flow, "done").inc()
        say = _log.error if result.tally.unexplained else _log.info
        say("reconcile.completed", flow=self._flow, unexplained=result.tally.unexplained, **result.tally.counts)
        return True

    async def _leased(self) -> Lease | None:
        seconds = self._settings.reconciler_lease_seconds
        return await leases.acquire(self.runtime.pool, self._name, self._owner, seconds)


def _day(note: str) -> date | None:
    try:
        return date.fromisoformat(note)
    except ValueError:
        return None
