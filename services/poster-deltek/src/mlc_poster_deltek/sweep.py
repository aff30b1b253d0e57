"""Clears away drafts of ours whose document already stands in the books, or was withdrawn (architecture §5, step 4).

A sender that was frozen and woke up may create a file again after its successor posted it, where the tenant guards the
names of unposted files only, or after its document was withdrawn. A person who posts such a file would double the
revenue, or book what was cancelled. Nothing is removed on our word alone: the ledger must show the whole document; or
nothing of it, and the file be exactly what we sent for a document that is withdrawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from mlc_common.clock import Clock
from mlc_common.errors import ConnectorError
from mlc_common.posting.gateway import Found
from mlc_common.store.pool import UNAVAILABLE, Pool
from mlc_poster_deltek import store
from mlc_poster_deltek.books import Books
from mlc_vendors.deltek import DeltekClient

_log = structlog.get_logger(__name__)

EVERY_S = 600.0


class Sweep:
    """Looks through one connection's unposted files from time to time."""

    def __init__(
        self, client: DeltekClient, pool: Pool, clock: Clock, *, connection: str, every_s: float = EVERY_S
    ) -> None:
        self._client = client
        self._books = Books(client, clock)
        self._pool = pool
        self._clock = clock
        self._connection = connection
        self._every_s = every_s

    async def run(self) -> None:
        """Until cancelled; what fails now is tried again next time."""
        while True:
            await self._clock.sleep(self._every_s)
            try:
                await self.once()
            except (ConnectorError, *UNAVAILABLE) as error:
                _log.warning("deltek.sweep_postponed", connection=self._connection, error=type(error).__name__)

    async def once(self) -> list[str]:
        """Remove what is left over now; the names of the files that were.

        Raises:
            ConnectorError: the tenant did not answer as expected.
        """
        waiting = [row.batch for row in await self._client.unposted_files()]
        if not waiting:
            return []
        removed = []
        for settled in await store.settled_for_good(self._pool, self._connection, waiting):
            found = await self._books.look(settled.document, settled.plan)
            batch = settled.plan.reference
            if _is_left_over(found, posted=settled.posted) and await self._client.delete_file(batch):
                _log.warning("deltek.draft_left_over", connection=self._connection, batch=batch)
                removed.append(batch)
        return removed


def _is_left_over(found: Sequence[Found], *, posted: bool) -> bool:
    """Whether our draft is one too many: its document is in the books, or was given up and this is what we sent."""
    drafts = [one for one in found if one.status == "draft" and one.ours]
    if posted:
        return bool(drafts) and any(one.status == "posted" and one.equal and one.ours for one in found)
    return len(found) == 1 and bool(drafts) and drafts[0].equal
