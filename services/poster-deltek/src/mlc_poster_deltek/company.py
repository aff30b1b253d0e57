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

_LEASE_S = 150.0
_WAIT_S = 0.05
_PATIENCE_S = 30.0


class CompanyLease:
    """One company of one tenant, for one process.

    The lease's note says which company and period its last holder set; the calls that would set the same again are
    spared. A person who moves them meanwhile is noticed by the comparison after the write; ``doubt`` clears the note.
    """

    def __init__(
        self, pool: Pool, client: DeltekClient, clock: Clock, *, connection: str, company: str, owner: str
    ) -> None:
        self._pool = pool
        self._client = client
        self._clock = clock
        self._name = f"company:{connection}:{company or 'only'}"
        self._company = company
        self._owner = owner
        self._local = asyncio.Lock()
        self._doubted = True

    @asynccontextmanager
    async def writing(self, period: int) -> AsyncIterator[None]:
        """Hold the lease with company and period set.

        Raises:
            Retryable: another process holds it for too long.
        """
        async with self._local:
            lease = await self._acquire()
            note = json.dumps([self._company, period])
            try:
                if self._doubted or lease.note != note:
                    self._doubted = False
                    await self._set(period)
                yield
            except BaseException:
                note = ""
                raise
            finally:
                await leases.release(self._pool, lease, note="" if self._doubted else note)

    def doubt(self) -> None:
        """Somebody else moved the login state: set it again before the next write."""
        self._doubted = True

    async def _set(self, period: int) -> None:
        if self._company:
            await self._client.set_company(self._company)
        await self._client.set_period(period)

    async def _acquire(self) -> leases.Lease:
        until = self._clock.monotonic() + _PATIENCE_S
        while (lease := await leases.acquire(self._pool, self._name, self._owner, _LEASE_S)) is None:
            if self._clock.monotonic() > until:
                raise Retryable(f"another poster is writing to {self._name}", after=1.0)
            await self._clock.sleep(_WAIT_S)
        return lease
