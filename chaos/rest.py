"""Waiting until nothing is on its way any more: faults are healed, everybody has read everything and settled it.

Whether all is at rest is asked of the log's ends, our positions and queues; what is in the books then is not asked
here. Waits that only pass time (back-offs) are cut short, as if the time had passed.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from chaos.crew import Crew
from mlc_cli.demo.shopping import WEBHOOK_TOPICS
from mlc_cli.rehearsal import ERP, Rehearsal
from mlc_common.events import PollCompleted, Topics, decode
from mlc_common.events.topics import PARTITIONS
from mlc_common.log.records import Record
from mlc_common.store.pool import UNAVAILABLE, Pool, connect

_LOOK_S = 0.1
_NUMBER = re.compile(r"[0-9][0-9a-f.]*")
_AGAIN_S = 0.25

_AT_WORK = {
    "events to be published": "select count(*) from outbox where producer <> 'poller'",
    "replays": "select count(*) from replays where stage <> 'done'",
    "snapshots to be fetched": "select count(*) from fetch_queue",
    "orders to be worked on": "select count(*) from posting_orders where runnable or lease_until > now()",
}
_SOONER = (
    "update posting_orders set not_before = now() where runnable and not_before > now()",
    "update fetch_queue set not_before = now() where not_before > now()",
)


class NotAtRest(Exception):  # noqa: N818 - names what was found
    """Something is still on its way, and should not be any more."""


class Quiet:
    """Watches one tenant come to rest."""

    def __init__(self, rig: Rehearsal, crew: Crew, pool: Pool, eyes: AIOKafkaConsumer) -> None:
        self._rig, self._crew, self._pool, self._eyes = rig, crew, pool, eyes
        self._topics = Topics(rig.environment["MLC_TENANT"])
        self._walks: Counter[str] = Counter()
        self._control: dict[tuple[str, int], int] = {}

    @classmethod
    async def wait(cls, rig: Rehearsal, crew: Crew, *, within_s: float) -> Counter[str]:
        """Return once everything is at rest, twice in a row; what was waited for how long, in tenths of
        seconds.

        Raises:
            NotAtRest: it did not come to rest in time; says who is at work.
        """
        pool = await connect(rig.environment["DATABASE_URL"], application="chaos", most=2)
        eyes = AIOKafkaConsumer(bootstrap_servers=rig.environment["KAFKA_BOOTSTRAP_SERVERS"])
        try:
            await eyes.start()
            return await cls(rig, crew, pool, eyes)._wait(within_s)
        finally:
            await eyes.stop()
            await pool.close()

    async def _wait(self, within_s: float) -> Counter[str]:
        await self._watch_polls()
        began, waited, why = time.monotonic(), Counter[str](), "nobody looked"
        while (now := time.monotonic()) < began + within_s:
            self._crew.check()
            try:
                why = await self._why()
                if not why:
                    await asyncio.sleep(_AGAIN_S)
                    why = await self._why()
            except (KafkaError, *UNAVAILABLE) as error:
                why = f"{type(error).__name__} {error}"
            if not why:
                return waited
            await asyncio.sleep(_LOOK_S)
            waited[_NUMBER.sub("…", why)] += round((time.monotonic() - now) * 10)
        raise NotAtRest(why)

    async def _watch_polls(self) -> None:
        """From now on hear which walks through the shop have been completed."""
        control = [TopicPartition(self._topics.control, part) for part in range(PARTITIONS)]
        self._eyes.assign(control)
        for at, end in (await self._eyes.end_offsets(control)).items():
            self._control[at.topic, at.partition] = end
            self._eyes.seek(at, end)

    async def _why(self) -> str:
        """Who is at work, in words; empty when nobody is."""
        return await self._outside() or await self._polls() or await self._inside()

    async def _outside(self) -> str:
        for url in (self._rig.shop_url, self._rig.erp_url):
            if (await self._rig.http.get(f"{url}/_sandbox/faults")).json()["late_effects"]:
                return "an outside system still does what it was asked before"
        hooks = (await self._rig.http.get(f"{self._rig.shop_url}/_sandbox/webhooks")).json()
        if sorted(hook["topic"] for hook in hooks if hook["status"] == "active") != sorted(WEBHOOK_TOPICS):
            return f"webhooks are not all active once: {[(hook['topic'], hook['status']) for hook in hooks]}"
        waiting = (await self._rig.http.get(f"{self._rig.shop_url}/_sandbox/queue")).json()
        return f"{len(waiting)} webhooks wait" if waiting else ""

    async def _polls(self) -> str:
        """Of either kind one walk must have begun after everything was over: the second that ended since then."""
        for records in (await self._eyes.getmany(timeout_ms=20)).values():
            for record in map(Record.of, records):
                envelope = record.envelope()
                if envelope.type == PollCompleted.event_type:
                    self._walks[decode(envelope, PollCompleted).what] += 1
                else:
                    self._control[record.topic, record.partition] = record.offset + 1
        late = [what for what in ("orders", "orders-sweep") if self._walks[what] < 2]
        return f"the poller has not walked twice: {', '.join(late)}" if late else ""

    async def _inside(self) -> str:
        for statement in _SOONER:
            await self._pool.execute(statement)
        ends = await self._ends()
        why = await self._unread(ends)
        for what, query in _AT_WORK.items():
            if not why and (count := await self._pool.fetchval(query)):
                why = f"{count} {what}"
        return why or ("" if await self._ends() == ends else "the log grows")

    async def _ends(self) -> dict[tuple[str, int], int]:
        """Where each topic ends; ``control`` before the walks of the poller, which never cease."""
        topics = (self._topics.raw_orders, self._topics.commands(ERP))
        parts = [TopicPartition(topic, part) for topic in topics for part in range(PARTITIONS)]
        ends: dict[Any, int] = await self._eyes.end_offsets(parts)
        found = {(at.topic, at.partition): int(end) for at, end in ends.items()}
        return {at: end for at, end in (found | self._control).items() if end}

    async def _unread(self, ends: dict[tuple[str, int], int]) -> str:
        query = "select consumer, topic, part, next_offset from consumer_positions"
        read = {(r["consumer"], r["topic"], r["part"]): r["next_offset"] for r in await self._pool.fetch(query)}
        must = {self._topics.raw_orders: ("mapper",), self._topics.control: ("mapper", "poller")}
        for (topic, part), end in ends.items():
            known = {consumer for consumer, of, at in read if (of, at) == (topic, part)}
            for reader in sorted(known | set(must.get(topic, (f"poster-{ERP}",)))):
                if read.get((reader, topic, part), 0) < end:
                    return f"{reader} has not read {topic}/{part} to {end}"
        return ""
