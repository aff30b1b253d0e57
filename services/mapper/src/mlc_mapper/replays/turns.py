"""Whose turn it is to work replays off: one process's at a time, by a lease that is kept while the work goes on.

However the work ends, the lease is given back at once; only that of a process that was killed has to run out. It never
guards a write: the fencing number does (see ``store.guard``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass

from mlc_common.store import leases
from mlc_common.store.leases import Lease
from mlc_common.store.pool import UNAVAILABLE, Pool
from mlc_mapper.replays.store import ReplayLost

_LEASE = "mapper:replays"
_RENEWALS = 3
"""How often the lease is renewed before it would run out."""


@dataclass(frozen=True)
class Turns:
    """Takes turns with the other processes of a tenant.

    Attributes:
        pool: Of the database.
        owner: Names this process.
        seconds: After how many another process goes on in the place of one that has died.
    """

    pool: Pool
    owner: str
    seconds: float

    async def take(self, work: Callable[[int], Coroutine[None, None, bool]]) -> bool:
        """Do this with the fencing number of our turn, and end the turn.

        Returns:
            What the work says; False where it is not our turn.

        Raises:
            ReplayLost: another process took over; the work was stopped.
        """
        lease = await self._acquire()
        if lease is None:
            return False
        task = asyncio.create_task(work(lease.fencing), name=_LEASE)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=self.seconds / _RENEWALS)
                if not task.done():
                    await self._renew(lease)
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            with suppress(*UNAVAILABLE):  # it runs out by itself; an error here would hide why the work ended
                await leases.release(self.pool, lease)

    async def _acquire(self) -> Lease | None:
        return await leases.acquire(self.pool, _LEASE, self.owner, self.seconds)

    async def _renew(self, lease: Lease) -> None:
        kept = await self._acquire()
        if kept is None or kept.fencing != lease.fencing:
            raise ReplayLost("the lease of the replays was taken over")
