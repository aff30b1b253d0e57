"""The lease around writes of one company: its login state is shared by all who use the API user (facts §10).

Taken separately around a create and around a posting, never while looking or unknown. It expires, so a dead holder
blocks nobody for long; what a frozen holder may still do is caught by comparing what was stored with what was asked.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mlc_common.clock import Clock
from mlc_common.errors import Retryable
from mlc_common.store import leases
from mlc_common.store.pool import Pool
from mlc_vendors.deltek import DeltekClient

_SPARE_S = 30.0
_FRESH = 2 / 3
_WAIT_S = 0.05


class CompanyLease:
    """One company of one tenant, for one process.

    The lease is kept while writers of this process queue for it, so that a busy poster does not ask the database for
    every write. Its note says which company and period were set; calls that would set the same again are spared. A
    person who moves them meanwhile is noticed by the comparison after the write: then ``doubt`` what the note says.

    Args:
        pool: Where leases are kept.
        client: Sets company and period.
        clock: Where time comes from.
        connection: The connection's id.
        company: Company code; empty where the tenant has one only.
        owner: Names this process.
        spare_s: Seconds that the lease outlives a write's time limit; it is renewed when two thirds of them are gone.
    """

    def __init__(
        self,
        pool: Pool,
        client: DeltekClient,
        clock: Clock,
        *,
        connection: str,
        company: str,
        owner: str,
        spare_s: float = _SPARE_S,
    ) -> None:
        budget = client.contract.http
        self._pool = pool
        self._client = client
        self._clock = clock
        self._name = f"company:{connection}:{company or 'only'}"
        self._company = company
        self._owner = owner
        self._most = budget.writers_per_company
        self._lease_s, self._fresh_s = budget.post_timeout_s + spare_s, spare_s * _FRESH
        self.patience_s = budget.queue_timeout_s
        self._gate = asyncio.Lock()
        self._changed = asyncio.Condition()
        self._writers = 0
        self._lease: leases.Lease | None = None
        self._renew_at = 0.0
        self._period: int | None = None
        self._doubted = True

    @asynccontextmanager
    async def writing(self, period: int, *, anew: bool = False) -> AsyncIterator[None]:
        """Hold the lease with company and period set.

        Args:
            period: ``yyyypp``.
            anew: Set the period even where we set the same before: nothing that the write answers with could show in
                time that somebody moved it.

        Raises:
            Retryable: the turn did not come in time (``patience_s``); nothing may be sent any more.
        """
        await self._enter(period, anew=anew)
        try:
            yield
        finally:
            self._writers -= 1
            await self._release_if_idle()

    def doubt(self) -> None:
        """Somebody else moved the login state: set it again before the next write."""
        self._doubted = True

    async def _enter(self, period: int, *, anew: bool) -> None:
        asked = self._clock.monotonic()
        try:
            async with self._gate:  # whoever waits here goes first, so no period starves
                async with self._changed:
                    await self._changed.wait_for(lambda: self._admits(period))
                await self._hold()
                await self._set(period, anew=anew)
                if self._clock.monotonic() - asked > self.patience_s:
                    raise Retryable(f"the turn to write to {self._name} came too late", after=1.0)
                self._writers += 1
        except BaseException:
            await self._release_if_idle()
            raise

    def _admits(self, period: int) -> bool:
        same = self._period == period and not self._doubted
        return not self._writers or (same and self._writers < self._most)

    async def _hold(self) -> None:
        if self._lease is not None and self._clock.monotonic() < self._renew_at:
            return
        extended, until = self._lease is not None, self._clock.monotonic() + self.patience_s
        anew = not extended  # a release that was cut off may still arrive: it must not end what is taken now
        while (lease := await leases.acquire(self._pool, self._name, self._owner, self._lease_s, anew=anew)) is None:
            if self._clock.monotonic() > until:
                raise Retryable(f"another poster is writing to {self._name}", after=1.0)
            await self._clock.sleep(_WAIT_S)
        if not extended or self._lease is None or lease.fencing != self._lease.fencing:
            self._period = self._noted(lease.note)
        self._lease, self._renew_at = lease, self._clock.monotonic() + self._fresh_s

    def _noted(self, note: str) -> int | None:
        company, period = json.loads(note) if note else (None, None)
        return period if company == self._company else None

    async def _set(self, period: int, *, anew: bool) -> None:
        if self._doubted or self._period is None:
            self._period = None
            if self._company:
                await self._client.set_company(self._company)
        if anew or self._period != period:
            self._period = None
            await self._client.set_period(period)
        self._period, self._doubted = period, False

    async def _release_if_idle(self) -> None:
        async with self._changed:
            self._changed.notify_all()
        if self._writers or self._gate.locked():
            return
        async with self._gate:  # else who enters meanwhile acquires the very lease that is being given back
            if self._writers or self._lease is None:
                return
            lease, self._lease = self._lease, None
            note = "" if self._period is None else json.dumps([self._company, self._period])
            try:
                await leases.release(self._pool, lease, note=note)
            except BaseException:
                self.doubt()  # the note may still be the one before
                raise
