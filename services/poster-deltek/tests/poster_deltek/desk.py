"""A poster at work for one Deltek connection, on real Kafka and PostgreSQL, and the ERP sandbox with its own truth.

What a test claims about money it reads from the sandbox's own tables (`Desk.truth`), never from ours.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
from pydantic import SecretStr

from mlc_common.events import Command, encode
from mlc_common.http import SilentObserver
from mlc_common.log import ensure_topics
from mlc_common.posting.gateway import Plan
from mlc_common.runtime import Runtime
from mlc_common.store import connections, holds
from mlc_common.store.holds import HeldDocument
from mlc_common.telemetry import MetricsRegistry
from mlc_poster_deltek.app import post_for
from mlc_poster_deltek.connection import open_client
from mlc_poster_deltek.files import file_of
from mlc_sandbox.deltek.app import create_app
from mlc_sandbox.server import serve
from mlc_vendors.deltek import DeltekClient, InvoiceFile

from .documents import Document, Shop

FAST: dict[str, Any] = {
    "max_rps": None,
    "absence_gap_s": 0.1,
    "post_timeout_s": 0.7,
    "read_timeout_s": 0.7,
    "queue_timeout_s": 0.3,
    "breaker_open_s": 0.5,
}
VISIBILITY_S, MARGIN_S = 0.2, 0.5
WINDOW_S: float = MARGIN_S + FAST["queue_timeout_s"] * 2 + FAST["post_timeout_s"] + VISIBILITY_S
"""How long after its intent a write counts as possible: a successor waits so long before it creates."""

PATIENCE_S = 30.0
CREATE, POST = ("POST", r"DataEntry/inControl$"), ("PUT", r"DataEntry/PostTransFile$")

_numbers = itertools.count(1)


def file_for(document: Document) -> InvoiceFile:
    """What the poster sends for a document on the web project."""
    resolved = {"project": "STORE.WEB01", "period": "202611", "company": "00", "invoice": document.number}
    return file_of(document, Plan(document.reference, document.number, resolved))


OpenDesk = Callable[..., AbstractAsyncContextManager["Desk"]]


@dataclass(frozen=True)
class Office:
    """What all tests of a run share: a tenant on the broker, a database, a vault."""

    runtime: Runtime
    http: httpx.AsyncClient

    @asynccontextmanager
    async def desk(
        self, erp: dict[str, Any] | None = None, *, contract: dict[str, Any] | None = None, **settings: Any
    ) -> AsyncIterator[Desk]:
        """A connection of its own to a sandbox of its own.

        Args:
            erp: Settings of the sandbox.
            contract: What differs from the default tenant contract, beside the short times of tests.
            settings: Settings of the connection.
        """
        app = create_app({"rate_limit": None, "start": "2026-11-20T09:00:00+00:00"} | (erp or {}))
        name = f"erp{next(_numbers)}"
        own = contract or {}
        async with serve(app) as running:
            given = {
                "url": f"{running.url}/Acme/",
                "database": "ACMEPROD",
                "username": "ML_CONNECTOR",
                "company": "00",
                "contract": {**own, "http": FAST | own.get("http", {})},
                "visibility_delay_s": VISIBILITY_S,
                "margin_s": MARGIN_S,
                "allow_private": True,
                "allow_http": True,
            }
            await connections.add(self.runtime.pool, name, "deltek", given | settings)
            for secret, value in SECRETS.items():
                await self.runtime.vault.put(name, secret, SecretStr(value))
            brokers = self.runtime.settings.kafka_bootstrap_servers
            await ensure_topics(brokers, [self.runtime.topics.commands(name)])
            runtime = dataclasses.replace(self.runtime, metrics=MetricsRegistry(), owner=f"test-{name}")
            yield Desk(runtime, name, running.url, self.http)


SECRETS = {"password": "sandbox-password", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}


class Desk(Shop):
    """One connection: what is asked of it, what the ERP holds, what waits for a person."""

    def __init__(self, runtime: Runtime, erp: str, url: str, http: httpx.AsyncClient) -> None:
        super().__init__(f"flow-{erp}")
        self.runtime = runtime
        self.erp = erp
        self.url = url
        self._http = http
        self._wished = 0

    # -- our side

    async def wish(self, *commands: Command) -> None:
        """Append commands to the log, as the mapper does."""
        for command in commands:
            envelope = encode(
                command,
                event_id=command.command_id,
                subject=command.order_key,
                source="/test/mapper",
                time=self.runtime.clock.now(),
                extensions={
                    "documentkey": str(command.document_key),
                    "seq": str(command.seq),
                    "flow": command.flow,
                    "kind": command.kind,
                },
            )
            await self.runtime.log.publish(self.runtime.topics.commands(self.erp), envelope)
        self._wished += len(commands)

    def expect(self, commands: int) -> None:
        """So many different commands were wished, however often each was appended."""
        self._wished = commands

    @asynccontextmanager
    async def posting(self, owner: str = "") -> AsyncIterator[None]:
        """A poster at work while the block runs."""
        runtime = dataclasses.replace(self.runtime, owner=owner) if owner else self.runtime
        connection = await connections.get(runtime.pool, self.erp)
        task = asyncio.create_task(post_for(connection, runtime))
        try:
            yield
            if task.done():
                task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def post(self, *commands: Command) -> None:
        """Wish these and let a poster work until nothing more can be done."""
        await self.wish(*commands)
        async with self.posting():
            await self.quiet()

    async def quiet(self) -> None:
        """Until every wish has arrived and no order can be worked on."""
        await self.until(self._is_quiet)

    async def until(self, holds_true: Callable[[], Awaitable[bool]]) -> None:
        """Wait, but not for ever.

        Raises:
            AssertionError: it does not come; says how the documents stand.
        """
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not await holds_true():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"still not: {await self._documents()}") from None

    async def states(self) -> dict[str, str]:
        """The state of each document by its reference in the ERP (its kind where it has none)."""
        return {row["reference"] or row["kind"]: row["state"] for row in await self._documents()}

    async def holds(self) -> list[HeldDocument]:
        """What waits for a person."""
        return [one for one in await holds.held(self.runtime.pool) if one.flow == self.flow]

    async def reasons(self) -> list[str]:
        """Why documents wait for a person."""
        return [one.reason for one in await self.holds()]

    def metric(self, name: str, **labels: str) -> float | None:
        """A figure of our metrics."""
        return self.runtime.metrics.registry.get_sample_value(name, {"connection": self.erp, **labels})

    async def _is_quiet(self) -> bool:
        query = """
            select (select count(*) from posting_queue where flow = $1) as arrived,
                (select count(*) from posting_orders
                    where flow = $1 and (runnable or lease_until > now())) as busy
        """
        row = await self.runtime.pool.fetchrow(query, self.flow)
        return row is not None and row["arrived"] == self._wished and row["busy"] == 0

    async def _documents(self) -> list[dict[str, Any]]:
        query = """
            select kind, coalesce(plan::json ->> 'reference', '') as reference, state, reason, detail, attempts
            from posting_documents where flow = $1 order by place
        """
        return [dict(row) for row in await self.runtime.pool.fetch(query, self.flow)]

    # -- the ERP's side

    async def truth(self) -> dict[str, Any]:
        """What the ERP holds."""
        found: dict[str, Any] = (await self._http.get(f"{self.url}/_sandbox/dump")).json()
        return found

    async def tell(self, action: str, **body: Any) -> Any:
        """Use the sandbox's control API."""
        answer = await self._http.post(f"{self.url}/_sandbox/{action}", json=body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    @asynccontextmanager
    async def client(self) -> AsyncIterator[DeltekClient]:
        """The ERP's API as another process with our login has it."""
        connection = await connections.get(self.runtime.pool, self.erp)
        async with await open_client(connection, self.runtime.vault, self.runtime.clock, SilentObserver()) as client:
            yield client

    async def fault(self, kind: str, call: tuple[str, str], **more: Any) -> None:
        """Plan what happens to calls; ``times`` 1 unless said otherwise."""
        await self.tell("faults", kind=kind, match={"method": call[0], "path": call[1]}, **more)

    async def heal(self) -> None:
        """Take all faults away."""
        await self._http.delete(f"{self.url}/_sandbox/faults")

    async def calls(self) -> dict[str, int]:
        """Calls that reached the ERP since the last time this was asked, by endpoint."""
        counted = (await self._http.get(f"{self.url}/_sandbox/calls")).json()["calls"]
        await self._http.delete(f"{self.url}/_sandbox/calls")
        return {f"{one['method']} {one['path']}": one["count"] for one in counted}

    async def batches(self) -> list[str]:
        """The posted files, in the order of their posting."""
        return [one["batch"] for one in (await self.truth())["posting_log"] if one["result"] == "1"]

    async def drafts(self) -> list[str]:
        """The files that are not posted."""
        return [file["batch"] for file in (await self.truth())["drafts"]]

    async def open_amount(self, order: int = 1001, project: str = "STORE.WEB01") -> Decimal | None:
        """What the ERP says is open on an order's invoice; None where it knows no such invoice."""
        found = (await self.truth())["ar"].get(f"{project}|WA{order:05}")
        return None if found is None else Decimal(found["Balance"])

    async def net_booked(self) -> dict[str, Decimal]:
        """What all batches together say by account, credits negative; generated offsets left out."""
        net: dict[str, Decimal] = {}
        for row in (await self.truth())["ledger"]:
            if row["AutoEntry"] == "N":
                net[row["Account"]] = net.get(row["Account"], Decimal(0)) + Decimal(row["TransactionAmount"])
        return net

    async def booked(self, batch: str) -> list[tuple[str, Decimal]]:
        """The ledger's own rows of a batch: account and amount, credits negative; generated offsets left out."""
        rows = [row for row in (await self.truth())["ledger"] if row["Batch"] == batch and row["AutoEntry"] == "N"]
        return sorted((row["Account"], Decimal(row["TransactionAmount"])) for row in rows)
