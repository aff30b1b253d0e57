"""A tenant of this test's own on real servers, with something on its log, and hands to tamper with its index."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mlc_auditor.app import run
from mlc_auditor.checkpoints import Checkpoints
from mlc_auditor.index import AuditIndex
from mlc_common.accounting import event_id
from mlc_common.audit import CONSUMER, AuditRow, chained, genesis
from mlc_common.audit.kept import Kept
from mlc_common.audit.keys import public_keys
from mlc_common.audit.signing import PublicKey
from mlc_common.audit.verification import Scope, Verified, verify
from mlc_common.events import RAW_WEBHOOK, Envelope, MappingApplied
from mlc_common.log import Record, read_topic
from mlc_common.runtime import Runtime, open_runtime
from mlc_common.settings import CommonSettings, load
from mlc_common.store import audit_index, mappings
from mlc_common.store.pool import Connection
from mlc_common.vault.keyring import create_key_file

AT = datetime(2026, 11, 21, 14, tzinfo=UTC)
WITHIN_S = 60


def webhook(name: str, order: int = 1, *, at: datetime = AT) -> Envelope:
    """A webhook as the gateway lets it in."""
    return Envelope(
        id=str(event_id("webhook", name)),
        type=RAW_WEBHOOK,
        source="/acme/shop",
        subject=f"shop:order:{order}",
        time=at,
        data=b'{"id":%d,"name":"%s"}' % (order, name.encode()),
        extensions={"whtopic": "order.updated", "whsignature": "c2ln", "sha256": "ab" * 32, "size": "20"},
    )


class Tenant:
    """The tenant and what a test does to it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.topics = runtime.topics
        self.checkpoints = Checkpoints(runtime, 60)

    @property
    def brokers(self) -> str:
        """The log."""
        return self.runtime.settings.kafka_bootstrap_servers

    async def append(self, topic: str, *events: Envelope) -> None:
        """Put events on the log."""
        await self.runtime.log.publish_all([(topic, event) for event in events])

    async def log(self, topic: str) -> list[Record]:
        """What the log holds."""
        return [record async for record in read_topic(self.brokers, topic)]

    async def index(self, *, batch: int = 500, seen_as: Callable[[Record], Record] = lambda record: record) -> None:
        """Index everything as the part does, without a consumer group.

        Args:
            batch: Records at a time.
            seen_as: What the auditor saw instead of what is on the log now.
        """
        handler = AuditIndex(self.runtime.pool, self.topics.tenant)
        for topic in self.topics.all(*await mappings.erps(self.runtime.pool)):
            parts: dict[int, list[Record]] = {}
            for record in await self.log(topic):
                parts.setdefault(record.partition, []).append(seen_as(record))
            for part, records in parts.items():
                fresh = records[await handler.position(topic, part) :]
                for i in range(0, len(fresh), batch):
                    await handler.handle(topic, part, fresh[i : i + batch])

    async def rows(self, topic: str, part: int) -> list[AuditRow]:
        """What the index holds of a partition."""
        async with self.runtime.pool.acquire() as connection, connection.transaction():
            return [row async for row in audit_index.of_partition(connection, topic, part, 0, 2**62)]

    async def busy(self, topic: str) -> int:
        """The partition of a topic that holds most."""
        parts = [record.partition for record in await self.log(topic)]
        return max(parts, key=parts.count)

    async def verify(
        self, scope: Scope | None = None, *, keys: Sequence[PublicKey] | None = None, kept: Sequence[Kept] = ()
    ) -> Verified:
        """As `mlc audit verify` does."""
        known = keys if keys is not None else await public_keys(self.runtime.vault)
        return await verify(self.runtime.pool, self.brokers, self.topics, known, scope or Scope(), kept=kept)

    async def tamper(self, query: str, *values: Any) -> None:
        """Change the index past its trigger, as somebody does who has the database."""
        async with self._forging() as connection:
            assert await connection.execute(query, *values) != "UPDATE 0"

    async def replace(self, topic: str, part: int, rows: Sequence[AuditRow]) -> None:
        """Put other rows in the place of a partition's."""
        async with self._forging() as connection:
            await connection.execute("delete from audit_index where topic = $1 and part = $2", topic, part)
            await audit_index.append(connection, rows)

    async def everything(self) -> list[AuditRow]:
        """What the index holds."""
        heads = await audit_index.heads(self.runtime.pool)
        return [row for head in heads for row in await self.rows(head.topic, head.part)]

    async def restore(self, rows: Sequence[AuditRow]) -> None:
        """Make the index hold this and nothing else."""
        async with self._forging() as connection:
            await connection.execute("delete from audit_index")
            await audit_index.append(connection, rows)

    async def forget(self) -> None:
        """Empty the index, as before a rebuild."""
        async with self._forging() as connection:
            await connection.execute("delete from audit_index")
            await connection.execute("delete from consumer_positions where consumer = $1", CONSUMER)

    @asynccontextmanager
    async def _forging(self) -> AsyncIterator[Connection]:
        async with self.runtime.pool.acquire() as connection, connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            yield connection

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(WITHIN_S):
            while not await condition():
                await self.runtime.clock.sleep(0.05)

    async def is_indexed(self, *topics: str) -> bool:
        """Whether the index has everything of these topics."""
        positions = await audit_index.positions(self.runtime.pool, CONSUMER)
        for topic in topics:
            for record in await self.log(topic):
                if positions.get((topic, record.partition), 0) <= record.offset:
                    return False
        return True

    @asynccontextmanager
    async def auditor(self) -> AsyncIterator[None]:
        """The part at work, until the block ends."""
        task = asyncio.create_task(run(self.runtime))
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def rechained(tenant: str, rows: Sequence[AuditRow]) -> list[AuditRow]:
    """Rows of one partition with every chain computed anew."""
    made: list[AuditRow] = []
    for row in rows:
        previous = made[-1].chain if made else genesis(tenant, row.topic, row.part)
        made.append(dataclasses.replace(row, previous=previous, chain=chained(previous, row)))
    return made


def a_mapping(erp: str) -> MappingApplied:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    return MappingApplied(flow="web", store="shop", erp=erp, version="1", text="", by="test", at=at)


@asynccontextmanager
async def opened(brokers: str, dsn: str, name: str, folder: Path) -> AsyncIterator[Tenant]:
    """A tenant with an empty log."""
    key_file = folder / "vault.key"
    create_key_file(key_file)
    settings = load(
        CommonSettings, tenant=name, kafka_bootstrap_servers=brokers, database_url=dsn, vault_key_file=key_file
    )
    async with open_runtime(settings, owner="test") as runtime:
        yield Tenant(runtime)


@pytest.fixture
async def acme(
    kafka_bootstrap: str, database: str, tenant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Tenant]:
    """A tenant with an empty log, whose settings are in the environment."""
    async with opened(kafka_bootstrap, database, tenant, tmp_path) as made:
        monkeypatch.setenv("MLC_TENANT", tenant)
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap)
        monkeypatch.setenv("DATABASE_URL", database)
        monkeypatch.setenv("MLC_VAULT_KEY_FILE", str(tmp_path / "vault.key"))
        yield made
