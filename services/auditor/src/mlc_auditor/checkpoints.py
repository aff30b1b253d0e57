"""Signs how far the chains are and says so on the audit topic, every so often, where something new came.

The index holds the same chains for ever, so a checkpoint by an auditor that was overtaken is late, never wrong. That
checkpoints are records of the audit topic themselves is no news to sign.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby

import structlog

from mlc_common.accounting import event_id
from mlc_common.audit.keys import given_way, retired, signing_key
from mlc_common.audit.signing import SigningKey
from mlc_common.audit.telling import PRODUCER
from mlc_common.errors import ConfigurationError, Retryable
from mlc_common.events import ChainCheckpoint, encode
from mlc_common.runtime import Runtime
from mlc_common.store import audit_index, leases, outbox
from mlc_common.store.audit_index import Head
from mlc_common.store.pool import UNAVAILABLE

_log = structlog.get_logger(__name__)

_LEASE = "auditor:checkpoints"


class Checkpoints:
    """The tenant's one writer of checkpoints, as long as it holds the lease."""

    def __init__(self, runtime: Runtime, every_s: float) -> None:
        self._runtime = runtime
        self._every_s = every_s
        self._told: dict[tuple[str, str], Mapping[int, int]] = {}
        """The offsets of the last checkpoint by key and topic: a new key signs every chain anew, however old it is.

        What only a key has signed that gave way, whoever steals that one could sign otherwise."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._runtime.clock.sleep(self._every_s)
            try:
                await self.tell()
            except (Retryable, ConfigurationError, *UNAVAILABLE) as error:
                _log.warning("auditor.checkpoint_postponed", error=type(error).__name__, detail=str(error))

    async def tell(self) -> int:
        """Append a checkpoint of each topic that has grown; returns how many.

        Raises:
            Retryable: the log did not acknowledge, or does not know yet what people changed.
            ConfigurationError: the vault does not open, or has come back with a key that gave way.
        """
        runtime = self._runtime
        if await leases.acquire(runtime.pool, _LEASE, runtime.owner, self._every_s * 3) is None:
            return 0
        await signing_key(runtime.pool, runtime.vault)  # made before, because whoever makes it waits for no signer
        async with audit_index.signing(runtime.pool):
            return await self._tell(await self._key())

    async def _key(self) -> SigningKey:
        """The key that signs now, once the log knows of it."""
        runtime = self._runtime
        await outbox.publish_pending(runtime.pool, runtime.log, PRODUCER, [0])
        if not await outbox.is_empty(runtime.pool, PRODUCER, 0):
            raise Retryable("what people changed is not on the log yet; nothing is signed with a key that it lacks")
        key = await signing_key(runtime.pool, runtime.vault)
        if after := await given_way(runtime.pool, key.public.id):
            raise ConfigurationError(retired(key.public.id, after))
        return key

    async def _tell(self, key: SigningKey) -> int:
        heads = await audit_index.heads(self._runtime.pool)
        grown = [
            (topic, found)
            for topic, found in ((topic, list(group)) for topic, group in groupby(heads, key=lambda head: head.topic))
            if await self._has_grown(key.public.id, topic, found)
        ]
        for topic, found in grown:
            await self._append(key, topic, found)
        return len(grown)

    async def _has_grown(self, key: str, topic: str, heads: Sequence[Head]) -> bool:
        if (key, topic) not in self._told:
            self._told[key, topic] = await self._last(key, topic)
        told = self._told[key, topic]
        further = [head for head in heads if head.offset > told.get(head.part, -1)]
        if topic != self._runtime.topics.audit:
            return bool(further)
        pool, ours = self._runtime.pool, ChainCheckpoint.event_type
        for head in further:
            if await audit_index.has_other_since(pool, topic, head.part, told.get(head.part, -1), ours):
                return True
        return False

    async def _last(self, key: str, topic: str) -> dict[int, int]:
        """The offsets of the last checkpoint that is in the index; none where another key signed it."""
        found = await audit_index.last_facts(self._runtime.pool, _subject(topic), ChainCheckpoint.event_type)
        facts: dict[str, str] = json.loads(found) if found else {}
        if facts.get("key") != key:
            return {}
        return {int(name.partition(".")[2]): int(text) for name, text in facts.items() if name.startswith("offset.")}

    async def _append(self, key: SigningKey, topic: str, heads: Sequence[Head]) -> None:
        runtime = self._runtime
        offsets = {head.part: head.offset for head in heads}
        at = runtime.clock.now()
        checkpoint = key.checkpoint(topic, offsets, {head.part: head.chain for head in heads}, at)
        named = ",".join(f"{head.part}:{head.offset}:{head.chain.hex()}" for head in heads)
        envelope = encode(
            checkpoint,
            event_id=event_id("chain-checkpoint", key.public.id, topic, named),
            subject=_subject(topic),
            source=f"/{runtime.topics.tenant}/auditor",
            time=at,
        )
        await runtime.log.publish(runtime.topics.audit, envelope)
        self._told[key.public.id, topic] = offsets
        _log.info("auditor.checkpoint", topic=topic, offsets=offsets)


def _subject(topic: str) -> str:
    return f"auditor:chain:{topic}"
