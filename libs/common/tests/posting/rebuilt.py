"""A tenant's poster on a real log and a real database, driven by hand, and what a rebuild makes of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from mlc_common.accounting import event_id
from mlc_common.clock import SystemClock
from mlc_common.events import Command, Envelope, Event, MappingApplied, Topics, encode
from mlc_common.log import LogProducer, ensure_topics, read_topic
from mlc_common.log.records import Record
from mlc_common.posting.engine import Engine
from mlc_common.posting.intake import CommandIntake
from mlc_common.posting.store import PostgresLedger
from mlc_common.runtime import Runtime
from mlc_common.settings import CommonSettings
from mlc_common.store import connections, mappings, outbox, positions
from mlc_common.store.pool import Pool, connect
from mlc_common.store.rebuild.folding import Fold
from mlc_common.store.rebuild.rebuilding import Report, Wanted, rebuild
from mlc_common.vault import Vault
from mlc_common.vault.keyring import create_key_file

from .bench import SETTINGS, Bench
from .fakegateway import LIMITS
from .wishes import FLOW

ERP, STORE = "erp", "wc01"
PRODUCER = f"poster-{ERP}"
AT = datetime(2026, 3, 14, tzinfo=UTC)
NONE: Sequence[Fold] = ()
_BACK = "make_interval(secs => $1)"
_TIMES = {
    "posting_orders": ("not_before", "lease_until"),
    "posting_documents": ("intent_at", "looked_at"),
    "posting_parties": ("intent_at", "looked_at"),
    "leases": ("lease_until",),
}


@dataclass
class Poster:
    """One poster; ``bench`` holds the ERP, the wire to it, and its clock."""

    runtime: Runtime
    bench: Bench

    @property
    def pool(self) -> Pool:
        """The tenant's database."""
        return self.runtime.pool

    @property
    def topic(self) -> str:
        """Where commands are."""
        return self.runtime.topics.commands(ERP)

    @property
    def brokers(self) -> str:
        """The log."""
        return self.runtime.settings.kafka_bootstrap_servers

    async def command(self, *commands: Command, times: int = 1) -> None:
        """The mapper says what documents should be, perhaps several times over."""
        for command in commands:
            for _ in range(times):
                await self.runtime.log.publish(self.topic, _sent(command))
        await self.take()

    async def take(self) -> None:
        """Read what is new on the topic of commands."""
        intake = CommandIntake(self.pool, self.runtime.topics, ERP, wake=lambda: None, bootstrap=self.brokers)
        batches: dict[int, list[Record]] = defaultdict(list)
        async for record in read_topic(self.brokers, self.topic):
            batches[record.partition].append(record)
        for part, records in batches.items():
            stands = await positions.load(self.pool, PRODUCER, self.topic, part)
            if fresh := [record for record in records if record.offset >= stands]:
                await intake.handle(self.topic, part, fresh)

    async def work(self, *commands: Command) -> None:
        """Let commands arrive and do everything that can be done, however long it takes; then tell the log."""
        await self.command(*commands)
        await self.rest()
        await self.tell()

    async def rest(self) -> None:
        """Do everything that can be done, and tell the log nothing of it."""
        for _ in range(200):
            while await self.once():
                continue
            if not await self.pool.fetchval("select exists (select 1 from posting_orders where runnable)"):
                return
            await self.pass_time(LIMITS.look_gap_s)
        raise AssertionError(f"no end: {await self.states()}")

    async def once(self) -> bool:
        """Work on one order; whether there was one."""
        ledger = PostgresLedger(self.pool, self.runtime.topics, SystemClock(), producer=PRODUCER)
        engine = Engine(ledger, self.bench.gateway, self.bench.clock, "w1", SETTINGS)
        leases = await ledger.lease_orders(ERP, "w1", 1, SETTINGS.lease_s)
        for lease in leases:
            await engine.work(lease)
        return bool(leases)

    async def tell(self) -> None:
        """Append what waits in the outbox."""
        while await outbox.publish_pending(self.pool, self.runtime.log, PRODUCER, [0]):
            continue

    async def told(self, model: type[Event]) -> list[Envelope]:
        """The events of a type on the audit topic."""
        found = [record.envelope() async for record in read_topic(self.brokers, self.runtime.topics.audit)]
        return [envelope for envelope in found if envelope.type == model.event_type]

    async def repeat(self, topic: str) -> None:
        """Append every record of a topic once more, as a producer does that was cut off."""
        for envelope in [record.envelope() async for record in read_topic(self.brokers, topic)]:
            await self.runtime.log.publish(topic, envelope)

    async def pass_time(self, seconds: float) -> None:
        """For the database and for the ERP."""
        for table, columns in _TIMES.items():
            changes = ", ".join(f"{column} = {column} - {_BACK}" for column in columns)
            await self.pool.execute(f"update {table} set {changes}", seconds)
        self.bench.clock.advance(seconds)

    async def states(self) -> list[str]:
        """Kind and state of every document, by order and place."""
        rows = await self.pool.fetch("select kind, state from posting_documents order by order_key, place, kind")
        return [f"{row['kind']} {row['state']}" for row in rows]

    async def rebuild(self, **wanted: object) -> Report:
        """Rebuild what the poster keeps."""
        return await rebuild(self.runtime, Wanted(**wanted), parts=NONE)  # type: ignore[arg-type] # by name

    async def lose_everything(self) -> None:
        """An empty database, but for what is restored from its backup."""
        for table in await self._tables():
            await self.pool.execute(f"alter table {table} disable trigger user")
            await self.pool.execute(f"truncate {table}")
        await self.pool.execute("alter sequence fencing_numbers restart")

    async def restore(self, schema: str) -> None:
        """Everything as it was when this copy of the tables was kept."""
        await self.lose_everything()
        for table in await self._tables():
            await self.pool.execute(f"insert into {table} overriding system value select * from {schema}.{table}")

    async def _tables(self) -> list[str]:
        rows = await self.pool.fetch(
            "select tablename from pg_tables where schemaname = 'public' and tablename not like '%pogo%'"
            " and tablename not in ('connections', 'vault_secrets')"
        )
        return [row["tablename"] for row in rows]


@asynccontextmanager
async def poster(folder: Path, *, kafka: str, database: str, tenant: str) -> AsyncIterator[Poster]:
    """A tenant with one flow, whose connections are configured."""
    create_key_file(folder / "vault.key")
    settings = CommonSettings(
        tenant=tenant,
        kafka_bootstrap_servers=kafka,
        database_url=SecretStr(database),
        vault_key_file=folder / "vault.key",
    )
    topics = Topics(tenant)
    await ensure_topics(kafka, topics.all(ERP))
    pool = await connect(database, application="test", most=6)
    try:
        vault = await Vault.start(pool, settings.vault_key_file, tenant)
        for name, kind in ((STORE, "woocommerce"), (ERP, "deltek")):
            await connections.add(pool, name, kind, {})
            await vault.put(name, "password", SecretStr("none"))
        async with LogProducer(kafka, client_id="test") as log:
            runtime = Runtime(
                settings=settings,
                topics=topics,
                clock=SystemClock(),
                owner="test@here",
                pool=pool,
                vault=vault,
                log=log,
            )
            event = MappingApplied(flow=FLOW, store=STORE, erp=ERP, version="1", text="-", by="ada", at=AT)
            await log.publish(topics.control, _applied(event, tenant))
            async with pool.acquire() as connection, connection.transaction():
                await mappings.apply(connection, event)
            yield Poster(runtime, Bench("handles"))  # the ERP that refuses no second draft
    finally:
        await pool.close()


def _applied(event: MappingApplied, tenant: str) -> Envelope:
    source = f"/{tenant}/cli"
    return encode(event, event_id=event_id("mapping", FLOW), subject=f"{FLOW}:mapping", source=source, time=AT)


def _sent(command: Command) -> Envelope:
    extensions = {
        "documentkey": str(command.document_key), "seq": str(command.seq), "flow": command.flow, "kind": command.kind,
    }  # fmt: skip
    return encode(
        command, event_id=command.command_id, subject=command.order_key, source="/t1/mapper", time=AT,
        extensions=extensions,
    )  # fmt: skip
