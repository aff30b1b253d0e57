"""The whole service on real Kafka and PostgreSQL: kept byte for byte, 503 while the broker is away, and back again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from mlc_common.clock import SystemClock
from mlc_common.errors import ConfigurationError
from mlc_common.events import Envelope, Topics, WebhookRefused, decode
from mlc_common.log import LogProducer, ensure_topics
from mlc_common.runtime import open_runtime
from mlc_common.settings import CommonSettings
from mlc_common.vault import Vault
from mlc_ingest.app import run
from mlc_ingest.secrets import WEBHOOK_SECRET
from mlc_localstack import KafkaServer

from .conftest import Read, Run
from .stand_ins import ready, signed

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


def order(number: int) -> bytes:
    return b'{"id":%d,"status":"processing","refunds":[]}' % number


@pytest.fixture(scope="module")
def kafka_of_this_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    server = KafkaServer(tmp_path_factory.mktemp("kafka"))
    yield server
    server.destroy()


@pytest.fixture
def own_kafka(kafka_of_this_file: KafkaServer) -> KafkaServer:
    """A running broker that the test may stop and kill."""
    kafka_of_this_file.start()
    return kafka_of_this_file


async def test_webhooks_refusals_and_pings_leave_what_they_should(
    service: Run, kafka_bootstrap: str, tenant: str, appended: Read
) -> None:
    topics = Topics(tenant)
    big = b'{"id":9,"x":"' + b"y" * 1_500_000 + b'"}'
    async with service(kafka_bootstrap) as client:
        await ready(client)
        for body, topic in ((order(7), "order.updated"), (big, "order.created"), (b'{"id":16}', "product.updated")):
            answer = await client.post("/hooks/shop", content=body, headers=signed(body, X_WC_Webhook_Topic=topic))
            assert answer.status_code == 200
        for _ in range(3):
            assert (await client.post("/hooks/shop", content=order(8), headers=signed(order(7)))).status_code == 401
        ping = await client.post(
            "/hooks/shop", content=b"webhook_id=1", headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert ping.status_code == 200
        metrics = (await client.get("/metrics")).text
        assert 'mlc_webhooks_received_total{connection="shop",topic="order.updated"} 1.0' in metrics
        assert 'mlc_webhooks_refused_total{connection="shop",reason="bad_signature"} 3.0' in metrics
    orders = {envelope.subject: envelope.data for envelope in await appended(topics.raw_orders)}
    assert orders == {"shop:order:7": order(7), "shop:order:9": big}
    [product] = await appended(topics.raw_reference)
    assert (product.subject, product.data) == ("shop:product:16", b'{"id":16}')
    [refused] = [decode(envelope, WebhookRefused) for envelope in await appended(topics.audit)]
    assert (refused.connection, refused.reason, refused.count) == ("shop", "bad_signature", 3)


async def test_both_secrets_pass_during_a_rotation_and_the_old_one_no_more_after_it(
    service: Run, kafka_bootstrap: str, vault: Vault
) -> None:
    async def status(secret: str) -> int:
        return (await client.post("/hooks/shop", content=order(1), headers=signed(order(1), secret))).status_code

    async with service(kafka_bootstrap) as client:
        await ready(client)
        assert await status("the new one") == 401
        await vault.put("shop", WEBHOOK_SECRET, SecretStr("the new one"), keep_previous=True)
        await asyncio.sleep(1.1)  # the least pause between two looks into the vault
        assert await status("the new one") == 200
        assert (await client.post("/hooks/shop", content=order(1), headers=signed(order(1)))).status_code == 200
        await vault.retire_old("shop", WEBHOOK_SECRET)
        await asyncio.sleep(1.1)
        assert await status("a wrong one makes it look") == 401
        assert (await client.post("/hooks/shop", content=order(1), headers=signed(order(1)))).status_code == 401
        assert await status("the new one") == 200


@pytest.mark.slow
async def test_503_while_the_broker_is_away_and_200_again_after_it_came_back(
    service: Run, own_kafka: KafkaServer, tenant: str, appended: Read
) -> None:
    async def post(number: int) -> int:
        return (await client.post("/hooks/shop", content=order(number), headers=signed(order(number)))).status_code

    acknowledged = []
    async with service(own_kafka.bootstrap_servers, ingest_publish_seconds=1.0) as client:
        await ready(client)
        for number, end in ((1, own_kafka.stop), (100, own_kafka.kill)):
            assert await post(number) == 200
            acknowledged.append(number)
            await asyncio.to_thread(end)
            await ready(client, status=503)
            answers = await asyncio.gather(*(post(number) for number in range(number + 1, number + 20)))
            assert set(answers) == {503}
            await asyncio.to_thread(own_kafka.start)
            await ready(client)
            while await post(number + 50) != 200:
                await asyncio.sleep(0.1)
            acknowledged.append(number + 50)
    kept = {envelope.subject for envelope in await appended(Topics(tenant).raw_orders, own_kafka.bootstrap_servers)}
    assert {f"shop:order:{number}" for number in acknowledged} <= kept


@pytest.mark.slow
async def test_it_starts_without_a_broker_answers_503_and_works_once_there_is_one(
    service: Run, own_kafka: KafkaServer
) -> None:
    await asyncio.to_thread(own_kafka.stop)
    async with service(own_kafka.bootstrap_servers, ingest_publish_seconds=0.3) as client:
        answer = await client.post("/hooks/shop", content=order(1), headers=signed(order(1)))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
        await asyncio.to_thread(own_kafka.start)
        await ready(client)
        assert (await client.post("/hooks/shop", content=order(1), headers=signed(order(1)))).status_code == 200


@pytest.mark.slow
async def test_a_producer_ends_in_bounded_time_while_the_broker_is_away(own_kafka: KafkaServer, tenant: str) -> None:
    topics = Topics(tenant)
    await ensure_topics(own_kafka.bootstrap_servers, [topics.audit])
    envelope = Envelope(id="1", type="t", source="/s", subject="s", time=SystemClock().now(), data=b"{}", extensions={})
    async with asyncio.timeout(20):
        async with LogProducer(own_kafka.bootstrap_servers, client_id="test") as log:
            await log.publish(topics.audit, envelope)
            assert await log.reachable()
            await asyncio.to_thread(own_kafka.kill)
            publishing = asyncio.create_task(log.publish(topics.audit, envelope))
            assert not await log.reachable(within_s=1)
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)


async def test_as_a_part_of_a_process_it_tells_where_it_listens_and_whether_it_is_ready(
    kafka_bootstrap: str, database: str, key_file: Path, tenant: str, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {
        "MLC_TENANT": tenant,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "DATABASE_URL": database,
        "MLC_VAULT_KEY_FILE": str(key_file),
        "MLC_INGEST_PORT": "0",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = CommonSettings()
    assert vault is not None
    async with open_runtime(settings, owner="test") as runtime:
        part = asyncio.create_task(run(runtime))
        async with asyncio.timeout(30):
            while "ingest" not in runtime.announced or not await runtime.ready():
                await asyncio.sleep(0.05)
        async with httpx.AsyncClient(base_url=runtime.announced["ingest"]) as client:
            assert (await client.post("/hooks/shop", content=order(1), headers=signed(order(1)))).status_code == 200
        assert runtime.metrics.registry.get_sample_value(
            "mlc_webhooks_received_total", {"connection": "shop", "topic": "order.updated"}
        )
        part.cancel()
        await asyncio.gather(part, return_exceptions=True)
        assert part.cancelled()


async def test_a_port_that_is_taken_is_said(service: Run, kafka_bootstrap: str) -> None:
    async with service(kafka_bootstrap) as client:
        port = client.base_url.port
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port}"):
            async with service(kafka_bootstrap, ingest_port=port):
                pass
