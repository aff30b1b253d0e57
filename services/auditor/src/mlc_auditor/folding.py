"""The audit index folded from the log: the same rows and the same chains, because a row rests on nothing else (R20)."""

from __future__ import annotations

from mlc_auditor.index import AuditIndex
from mlc_common.audit import CONSUMER
from mlc_common.store import mappings
from mlc_common.store.rebuild.comparison import Compared
from mlc_common.store.rebuild.folding import Fold, Folding


async def fold(folding: Folding) -> None:
    """Index every record of every topic."""
    index = AuditIndex(folding.pool, folding.topics.tenant)
    for topic in folding.topics.all(*await mappings.erps(folding.pool)):
        async for batch in folding.batches(f"audit of {topic.removeprefix(folding.topics.tenant + '.')}", topic):
            await index.handle(topic, batch[0].partition, batch)


INDEX = Compared(
    "audit_index",
    ("topic", "part", "record_offset"),
    {
        name: f"r.{name}"
        for name in (
            "event_id",
            "event_type",
            "subject",
            "at",
            "stage",
            "facts",
            "record_digest",
            "previous",
            "chain",
            "format",
        )
    },  # fmt: skip
    # What the auditor had not read yet, the old index cannot have.
    where=f"""old.there is not null or exists (
        select 1 from consumer_positions p where p.consumer = '{CONSUMER}' and p.topic = fresh.k_topic
            and p.part = fresh.k_part and p.next_offset > fresh.k_record_offset)""",
)

FOLD = Fold(fold, (INDEX,))
