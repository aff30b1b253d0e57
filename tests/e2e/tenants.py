"""A tenant for a test module: both sandboxes and our parts as real processes, connected through the command line.

Tests act as shopper, merchant or bookkeeper and read what came of it from the sandboxes' own tables. Holds are the one
thing that only we can tell; they are read as `mlc holds` reads them, without the price of a process for each look.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic import SecretStr

from mlc_cli.demo.connecting import connect
from mlc_cli.demo.shopping import WEBHOOK_TOPICS
from mlc_cli.rehearsal import ERP, STORE, Process, Rehearsal, rehearsal
from mlc_common.events import Envelope, PollCompleted, Topics, decode
from mlc_common.events.topics import PARTITIONS
from mlc_common.log import read_topic
from mlc_common.store import holds
from mlc_common.store.pool import Pool
from mlc_common.store.pool import connect as connect_pool
from mlc_common.vault import Vault
from mlc_localstack.planted import plant_address, planted, search
from mlc_vendors.woocommerce.signature import sign

from . import books
from .waiting import settled, until

NEVER_S = "86400"
BREAD = {"sku": "BREAD", "quantity": 1}
"""3.33, of a tax class without a rate: an amount that can be reckoned by head."""
DONATION = {"sku": "DONATION", "quantity": 1}
"""25.00, not taxed."""


_AT_WORK = {
    "events to be published": "select count(*) from outbox",
    "snapshots to be fetched": "select count(*) from fetch_queue",
    "orders to be worked on": "select count(*) from posting_orders where runnable or lease_until > now()",
}


@dataclass
class Tenant:
    """One tenant at work.

    Attributes:
        rig: Its processes.
        pool: Its database, for what only we know: holds, and how far everyone has read.
        eyes: Sees where the log ends.
        keys: Of the shop's REST API.
    """

    rig: Rehearsal
    pool: Pool
    eyes: AIOKafkaConsumer
    keys: Mapping[str, str]

    @property
    def topics(self) -> Topics:
        """The tenant's topics."""
        return Topics(self.rig.environment["MLC_TENANT"])

    async def sell(self, *, settle: bool = True, **wish: Any) -> dict[str, Any]:
        """Place an order (one loaf, unless said otherwise); by default its webhooks have been delivered after."""
        order: dict[str, Any] = await self.rig.act("orders", **({"items": [BREAD]} | wish))
        if settle:
            await self.rig.act("queue/settle")
        return order

    async def on_order(self, order_id: int, act: str, *, settle: bool = True, **wish: Any) -> dict[str, Any]:
        """Do something to an order: ``refunds``, ``cancel``, ``edit``, ``status``, ``trash``, ``restore``."""
        done: dict[str, Any] = await self.rig.act(f"orders/{order_id}/{act}", **wish)
        if settle:
            await self.rig.act("queue/settle")
        return done

    async def delete(self, path: str) -> None:
        """Delete something in the shop for good, silently."""
        (await self.rig.http.delete(f"{self.rig.shop_url}/_sandbox/{path}")).raise_for_status()

    async def books(self, order_id: int) -> dict[str, Decimal]:
        """Batch → amount of every posted file of the order, from the ERP's own tables."""
        return books.posted(await self.rig.erp_truth(), order_id)

    async def booked(self, order_id: int, wanted: Mapping[str, str], *, within: float = 60.0) -> None:
        """Wait until the ERP holds exactly these files of an order: invoice ``IN``, credits ``R<refund>``, ``X<seq>``.

        Its receivable must then say the same, the trial balance must be in balance, and no draft may be left.
        """
        amounts = {_batch(order_id, name): Decimal(amount) for name, amount in wanted.items()}

        async def look() -> dict[str, Decimal]:
            return await self.books(order_id)

        await settled(look, amounts, f"files of order {order_id}", within=within)
        truth = await self.rig.erp_truth()
        assert books.balance(truth, order_id) == sum(amounts.values())
        assert books.drafts(truth, order_id) == []
        assert books.ledger_balances(truth)

    async def held(self, order_id: int) -> dict[str, str]:
        """Reason of every held document of the order, by kind."""
        found = await holds.held(self.pool)
        return {one.kind: one.reason for one in found if one.order_key.endswith(f":order:{order_id}")}

    async def is_held(self, order_id: int, wanted: Mapping[str, str]) -> None:
        """Wait until exactly these documents of an order are held, for these reasons."""

        async def look() -> dict[str, str]:
            return await self.held(order_id)

        await settled(look, dict(wanted), f"holds of order {order_id}")

    async def at_rest(self) -> None:
        """Wait until nothing is on its way: the log read to its end by everyone, every document final or held."""

        why = ""

        async def idle() -> bool:
            nonlocal why
            before = await self._ends()
            why = await self._busy(before) or ("" if await self._ends() == before else "the log grows")
            return not why

        try:
            await until(idle, "nothing on its way any more")
        except AssertionError as error:
            raise AssertionError(f"{error}; {why}") from None

    async def _ends(self) -> dict[tuple[str, int], int]:
        """Where each partition of the topics that our parts consume ends."""
        topics = (self.topics.raw_orders, self.topics.control, self.topics.commands(ERP))
        parts = [TopicPartition(topic, part) for topic in topics for part in range(PARTITIONS)]
        ends = await self.eyes.end_offsets(parts)
        return {(at.topic, at.partition): int(end) for at, end in ends.items() if end}

    async def _busy(self, ends: Mapping[tuple[str, int], int]) -> str:
        """Who is still at work, in words; empty when nobody is."""
        query = "select consumer, topic, part, next_offset from consumer_positions"
        read = {(r["consumer"], r["topic"], r["part"]): r["next_offset"] for r in await self.pool.fetch(query)}
        readers = {self.topics.raw_orders: ("mapper",), self.topics.control: ("mapper", "poller")}
        for (topic, part), end in ends.items():
            for reader in readers.get(topic, (f"poster-{ERP}",)):
                if read.get((reader, topic, part), 0) < end:
                    return f"{reader} has not read {topic}/{part} to {end}"
        for what, query in _AT_WORK.items():
            if count := await self.pool.fetchval(query):
                return f"{count} {what}"
        return ""

    async def log(self, topic: str) -> list[Envelope]:
        """Everything on a topic."""
        brokers = self.rig.environment["KAFKA_BOOTSTRAP_SERVERS"]
        return [record.envelope() async for record in read_topic(brokers, topic)]

    async def log_of(self, topic: str, order_id: int) -> list[Envelope]:
        """Everything on a topic about an order, in order."""
        return [event for event in await self.log(topic) if event.subject.endswith(f":order:{order_id}")]

    async def commands(self, order_id: int, count: int) -> list[Envelope]:
        """Wait until the mapper has said so many times what a document of the order should be; the commands."""

        async def look() -> list[Envelope]:
            found = await self.log_of(self.topics.commands(ERP), order_id)
            return found if len(found) >= count else []

        return await until(look, f"{count} commands of order {order_id}")

    @asynccontextmanager
    async def one_second(self) -> AsyncIterator[None]:
        """The shop's clock stands still meanwhile: whatever happens carries the same modification time."""
        clock = f"{self.rig.shop_url}/_sandbox/clock"
        now = (await self.rig.http.get(clock)).json()["now"]
        (await self.rig.http.post(clock, json={"freeze": now})).raise_for_status()
        try:
            yield
        finally:
            (await self.rig.http.post(clock, json={"freeze": None})).raise_for_status()

    async def delivered(self, order_id: int) -> list[tuple[bytes, dict[str, str]]]:
        """Body and headers of every webhook that the shop sent about an order, as they went over the wire."""
        answer = await self.rig.http.get(f"{self.rig.shop_url}/_sandbox/deliveries?bodies=1")
        sent = (one for one in answer.json() if one["kind"] == "delivery" and one["argument"] == order_id)
        return [(one["body"].encode(), dict(one["headers"])) for one in sent]

    async def send(self, body: bytes, headers: Mapping[str, str]) -> int:
        """Send a webhook to our gateway as the shop would; the status of the answer."""
        answer = await self.rig.http.post(self.hook_url, content=body, headers=dict(headers), timeout=30)
        return answer.status_code

    async def signed(self, body: bytes, *, topic: str = "order.updated") -> dict[str, str]:
        """Headers for a body as the shop would send them, signed with the secret that we gave it."""
        name, key_file = self.rig.environment["MLC_TENANT"], Path(self.rig.environment["MLC_VAULT_KEY_FILE"])
        vault = await Vault.start(self.pool, key_file, name)
        secret: SecretStr = await vault.get(STORE, "webhook_secret")
        planted(secret.get_secret_value(), what="the webhook secret of the shop")
        return {
            "Content-Type": "application/json",
            "X-WC-Webhook-Topic": topic,
            "X-WC-Webhook-Resource": topic.partition(".")[0],
            "X-WC-Webhook-Event": topic.partition(".")[2],
            "X-WC-Webhook-Signature": sign(secret.get_secret_value(), body),
            "X-WC-Webhook-ID": "3",
            "X-WC-Webhook-Delivery-ID": secrets.token_hex(16),
        }

    async def hear(self, body: bytes, *, topic: str = "order.updated") -> int:
        """Send a signed webhook with this body; the status of the answer."""
        return await self.send(body, await self.signed(body, topic=topic))

    @property
    def hook_url(self) -> str:
        """Where our gateway takes this shop's webhooks."""
        part = self.rig.parts.get("ingest") or self.rig.parts["all"]
        return f"{part.told['ingest']}/hooks/{STORE}"

    async def reveals_nothing(self) -> None:
        """Fail the run if a secret that was planted is in an event of ours or in what the health port shows."""
        await self.signed(b"")
        for topic in self.topics.all(ERP):
            async for record in read_topic(self.rig.environment["KAFKA_BOOTSTRAP_SERVERS"], topic):
                head = b"\n".join(value for _, value in record.headers)
                search(head + b"\n" + (record.value or b""), f"{record.topic}/{record.partition}/{record.offset}")
        for part in self.rig.parts.values():
            if part.running and "health" in part.told:
                page = await self.rig.http.get(f"{part.told['health']}/metrics")
                search(page.content, f"the metrics of {part.name}")

    async def webhooks_active(self) -> None:
        """Wait until the shop knows every webhook of ours, each once and active."""

        async def look() -> bool:
            hooks = (await self.rig.shop_truth())["webhooks"]
            return len(hooks) == len(WEBHOOK_TOPICS) and all(hook["status"] == "active" for hook in hooks)

        await until(look, "the poller has registered our webhooks")

    async def polls(self, count: int, *, what: str = "orders") -> None:
        """Wait until so many walks through the shop's orders (``orders``, ``orders-sweep``) were read whole."""

        async def look() -> bool:
            done = [event for event in await self.log(self.topics.control) if event.type == PollCompleted.event_type]
            return sum(decode(event, PollCompleted).what == what for event in done) >= count

        await until(look, f"{count} walks of {what}")

    async def restart(self, name: str, **environment: str) -> Process:
        """End a part gently and start it again, with other settings where given."""
        await self.rig.parts[name].stop()
        part = self.rig.part(name, **environment)
        await part.start()
        return part

    async def fault(self, where: str, **fault: Any) -> int:
        """Plan a fault of the ``shop`` or the ``erp``; its id."""
        act = self.rig.act if where == "shop" else self.rig.tell_erp
        planned: dict[str, Any] = await act("faults", **fault)
        return int(planned["id"])

    async def hits(self, where: str, fault_id: int) -> int:
        """How many calls a fault has hit."""
        faults = (await self.rig.http.get(f"{self._url(where)}/_sandbox/faults")).json()["faults"]
        return int(next(fault["hits"] for fault in faults if fault["id"] == fault_id))

    async def heal(self, where: str) -> None:
        """Take all faults out."""
        (await self.rig.http.delete(f"{self._url(where)}/_sandbox/faults")).raise_for_status()

    def _url(self, where: str) -> str:
        return self.rig.shop_url if where == "shop" else self.rig.erp_url


def _batch(order_id: int, name: str) -> str:
    """``IN`` → ``IN-WC01-17``; ``R25`` → ``CM-WC01-17-R25``; ``X1`` → ``IN-WC01-17-X1``, ``A1`` → ``IN-WC01-17-A1``."""
    if name == "IN":
        return f"IN-WC01-{order_id}"
    return f"{'CM' if name.startswith('R') else 'IN'}-WC01-{order_id}-{name}"


@asynccontextmanager
async def opened(
    folder: Path,
    *,
    kafka: str,
    server_dsn: str,
    shop: Mapping[str, Any] | None = None,
    erp: Mapping[str, Any] | None = None,
    mapping: str | None = None,
    contract: dict[str, Any] | None = None,
    erp_settings: Mapping[str, str] | None = None,
    parts: Sequence[str] = ("all",),
    **environment: str,
) -> AsyncIterator[Tenant]:
    """A connected tenant at work; see ``rehearsal`` and ``connect`` for the arguments.

    The poller reads the store once at the start and never again, unless ``environment`` says otherwise.

    Args:
        parts: What is started, one process each; ``all`` = all in one.
    """
    passwords = {name: planted(what=f"the {name} of the ERP") for name in ("password", "client_secret")}
    login = {
        "users": {"ML_CONNECTOR": {"password": passwords["password"]}},
        "client_secret": passwords["client_secret"],
    }
    plant_address(server_dsn, what="the password of the database")
    keys = {f"consumer_{name}": f"c{name[0]}_{_planted_hex(name)}" for name in ("key", "secret")}
    quiet = dict.fromkeys(("MLC_POLLER_INTERVAL_SECONDS", "MLC_POLLER_SWEEP_SECONDS"), NEVER_S)
    async with rehearsal(
        folder,
        kafka=kafka,
        server_dsn=server_dsn,
        tenant=f"e2e-{secrets.token_hex(4)}",
        shop={"auto_run": True, "keys": [keys], **(shop or {})},
        erp={"rate_limit": None, **login, **(erp or {})},
        **(quiet | environment),
    ) as rig:
        await asyncio.gather(
            connect(
                rig,
                mapping=mapping,
                contract=contract,
                erp_settings=erp_settings,
                erp_secrets=passwords,
                shop_secrets=keys,
            ),
            *(rig.part(name).start() for name in parts),
        )
        async with _insight(rig) as (pool, eyes):
            tenant = Tenant(rig, pool, eyes, keys)
            if "all" in parts or "poller" in parts:
                await tenant.webhooks_active()
                await tenant.polls(2)  # at the start, and because the webhooks were missing
            yield tenant
            await tenant.reveals_nothing()


def _planted_hex(what: str) -> str:
    """As a store makes its keys: they have no prefix of ours, but are looked for all the same."""
    return planted(secrets.token_hex(20), what=f"the consumer {what} of the shop")


@asynccontextmanager
async def _insight(rig: Rehearsal) -> AsyncIterator[tuple[Pool, AIOKafkaConsumer]]:
    pool = await connect_pool(rig.environment["DATABASE_URL"], application="test", most=2)
    eyes = AIOKafkaConsumer(bootstrap_servers=rig.environment["KAFKA_BOOTSTRAP_SERVERS"])
    try:
        await eyes.start()
        yield pool, eyes
    finally:
        await eyes.stop()
        await pool.close()
