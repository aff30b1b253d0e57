"""Wires the webhook gateway together and runs it; nothing else does.

It holds its own connections to broker and database, because it must outlive both, and starts before they are there:
until both were seen it answers 503, and whoever sends something gets an answer from the first moment.
"""

from __future__ import annotations

import asyncio
import secrets as randomness
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from mlc_common.clock import Clock
from mlc_common.events import Topics
from mlc_common.runtime import Surroundings
from mlc_common.serving import serving
from mlc_common.settings import load
from mlc_common.telemetry import MetricsRegistry
from mlc_ingest import server
from mlc_ingest.bodies import Bodies
from mlc_ingest.broker import Broker
from mlc_ingest.counting import Counting
from mlc_ingest.gateway import Gateway
from mlc_ingest.pages import pages
from mlc_ingest.refusals import Refusals
from mlc_ingest.secrets import DistantVault, Secrets, SecretSource
from mlc_ingest.settings import IngestSettings

_LAST_WORDS_S = 2.0


async def run(around: Surroundings) -> None:
    """Serve webhooks as a part of a process, until cancelled.

    Raises:
        ConfigurationError: a setting, the key file, the database's user, a secret or the topics need a person.
    """
    settings = load(IngestSettings)
    source = DistantVault(settings.database_url.get_secret_value(), settings.vault_key_file, settings.tenant)
    ingest = Ingest.wire(settings, source, around.clock, around.metrics)
    around.checks["ingest"] = ingest.ready

    def listening(url: str) -> None:
        around.announced["ingest"] = url

    try:
        await ingest.serve(listening)
    finally:
        await source.close()


@dataclass(frozen=True)
class Ingest:
    """The gateway's parts, wired."""

    settings: IngestSettings
    secrets: Secrets
    broker: Broker
    refusals: Refusals
    gateway: Gateway

    @classmethod
    def wire(cls, settings: IngestSettings, source: SecretSource, clock: Clock, metrics: MetricsRegistry) -> Ingest:
        """Make them; nothing runs yet."""
        topics = Topics(settings.tenant)
        broker = Broker(
            settings.kafka_bootstrap_servers,
            topics,
            clock,
            replication=settings.kafka_replication,
            seconds=settings.ingest_publish_seconds,
        )
        secrets = Secrets(source, clock)
        refusals = Refusals(
            topics, broker, clock, worker=randomness.token_hex(8), interval_s=settings.ingest_refusals_seconds
        )
        gateway = Gateway(
            topics=topics,
            secrets=secrets,
            log=broker,
            bodies=Bodies(
                limit=settings.ingest_body_limit, seconds=settings.ingest_body_seconds, memory=settings.ingest_memory
            ),
            refusals=refusals,
            counting=Counting(metrics),
            clock=clock,
            behind=pages(broker, secrets, metrics, body_limit=settings.ingest_body_limit),
        )
        return cls(settings, secrets, broker, refusals, gateway)

    async def ready(self) -> bool:
        """Whether webhooks can be taken now."""
        return self.secrets.loaded and await self.broker.reachable()

    async def serve(self, listening: Callable[[str], None]) -> None:
        """Serve until cancelled, then finish what is in work and tell the audit topic the rest.

        Args:
            listening: Called with the URL once requests are taken.

        Raises:
            ConfigurationError: see ``run``.
        """
        parts = (self.secrets.run(), self.broker.run(), self.refusals.run())
        background = [asyncio.create_task(part) for part in parts]
        try:
            await self._listen_until_one_ends(background, listening)
        finally:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.refusals.flush(), _LAST_WORDS_S)
            await _end(background)

    async def _listen_until_one_ends(
        self, background: Sequence[asyncio.Task[None]], listening: Callable[[str], None]
    ) -> None:
        host, options = self.settings.ingest_host, server.options(self.settings.ingest_connections)
        async with serving(self.gateway, host=host, port=self.settings.ingest_port, **options) as port:
            listening(f"http://{f'[{host}]' if ':' in host else host}:{port}")
            done, _ = await asyncio.wait(background, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
