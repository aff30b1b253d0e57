"""Takes every record of the log into the audit index: the row, the chain and the position in one transaction.

Decides nothing and refuses nothing: what cannot be read gets a row that says so. Two auditors on one partition cannot
both add a row; who is overtaken drops what it did (architecture §2). A row that somebody else put where ours belongs
stops the index, loudly, and nothing else: orders go on.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from mlc_common.audit import CONSUMER, AuditRow, genesis, row_of
from mlc_common.log.records import Record
from mlc_common.store import audit_index, positions
from mlc_common.store.pool import Pool

_log = structlog.get_logger(__name__)


class AuditIndex:
    """Handler of every topic (see ``mlc_common.log.consumer.Handler``)."""

    def __init__(self, pool: Pool, tenant: str) -> None:
        self._pool = pool
        self._tenant = tenant

    async def position(self, topic: str, partition: int) -> int:
        """See ``Handler``."""
        return await positions.load(self._pool, CONSUMER, topic, partition)

    async def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        """See ``Handler``. Nothing to prepare."""

    async def handle(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        """See ``Handler``."""
        first, last = records[0].offset, records[-1].offset
        async with self._pool.acquire() as connection, connection.transaction():
            # First, because it waits for whoever is at the same partition, and fails before a row is added twice.
            await positions.advance(connection, CONSUMER, topic, partition, expected=first, next_offset=last + 1)
            before = await audit_index.chain_before(connection, topic, partition, first)
            start = before or genesis(self._tenant, topic, partition)
            try:
                await audit_index.append(connection, rows_of(records, start))
            except audit_index.RowInTheWay as error:
                _log.error("auditor.row_in_the_way", detail=str(error))
                raise


def rows_of(records: Sequence[Record], start: bytes) -> list[AuditRow]:
    """The rows of records of one partition, in order, the first after a chain that stands at ``start``."""
    rows = []
    for record in records:
        rows.append(row_of(record, start))
        start = rows[-1].chain
    return rows
