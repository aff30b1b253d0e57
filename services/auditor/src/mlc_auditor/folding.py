"""The audit index folded from the log: the same rows and the same chains, because a row rests on nothing else (R20)."""

from __future__ import annotations

from mlc_auditor.index import AuditIndex
from mlc_common.store import mappings
from mlc_common.store.rebuild.folding import Fold, Folding
from mlc_common.store.rebuild.recorded import AUDIT_INDEX


async def fold(folding: Folding) -> None:
    """Index every record of every topic."""
    index = AuditIndex(folding.pool, folding.topics.tenant)
    for topic in folding.topics.all(*await mappings.erps(folding.pool)):
        async for batch in folding.batches(f"audit of {topic.removeprefix(folding.topics.tenant + '.')}", topic):
            await index.handle(topic, batch[0].partition, batch)


FOLD = Fold(fold, (AUDIT_INDEX,))
