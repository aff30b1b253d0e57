"""The metrics' catalogue and the three paths that every service answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mlc_common.http import HttpObserver
from mlc_common.telemetry import HttpMetrics, MetricsRegistry, health, health_app
from mlc_common.telemetry.metrics import ErpCalls


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


async def broken() -> bool:
    raise OSError("no database")


async def never() -> bool:
    await asyncio.Event().wait()
    return True


def client(readiness: Callable[[], Awaitable[bool]], registry: MetricsRegistry | None = None) -> httpx.AsyncClient:
    app = health_app(readiness, registry or MetricsRegistry())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://service")


def sample(registry: MetricsRegistry, name: str, **labels: str) -> float | None:
    return registry.registry.get_sample_value(name, labels)


def test_two_registries_in_one_process_do_not_meet() -> None:
    one, other = MetricsRegistry(), MetricsRegistry()
    one.webhooks_received.labels("shop", "order.updated").inc()
    assert sample(one, "mlc_webhooks_received_total", connection="shop", topic="order.updated") == 1
    assert sample(other, "mlc_webhooks_received_total", connection="shop", topic="order.updated") is None


def test_every_metric_is_ours_by_name_and_says_what_it_means() -> None:
    content_type, body = MetricsRegistry().render()
    families = list(text_string_to_metric_families(body.decode()))
    assert content_type.startswith("text/plain")
    assert len(families) >= 15
    assert all(family.name.startswith("mlc_") and len(family.documentation) > 20 for family in families)


def test_an_attempt_is_counted_by_endpoint_and_outcome() -> None:
    registry = MetricsRegistry()
    observer: HttpObserver = HttpMetrics(registry)
    observer.attempted(client="shop", method="GET", template="orders", outcome="200", seconds=0.2)
    assert sample(
        registry, "mlc_http_requests_total", client="shop", method="GET", template="orders", outcome="200"
    ) == pytest.approx(1)
    assert sample(registry, "mlc_http_seconds_sum", client="shop", template="orders") == pytest.approx(0.2)
    assert sample(registry, "mlc_erp_calls_total", connection="shop", endpoint="orders") is None


def test_a_call_to_an_erp_counts_only_when_it_was_sent() -> None:
    registry = MetricsRegistry()
    observer: HttpObserver = ErpCalls(registry)
    observer.attempted(client="erp", method="POST", template="trans.create", outcome="200", seconds=0.2)
    observer.attempted(client="erp", method="POST", template="trans.create", outcome="circuit_open", seconds=0.0)
    assert sample(registry, "mlc_erp_calls_total", connection="erp", endpoint="trans.create") == 1


async def test_a_living_process_is_healthy_even_when_it_is_not_ready() -> None:
    async with client(no) as http:
        assert ((await http.get("/healthz")).status_code, (await http.get("/readyz")).status_code) == (200, 503)


async def test_a_ready_service_says_so() -> None:
    async with client(yes) as http:
        assert (await http.get("/readyz")).status_code == 200


async def test_a_readiness_check_that_fails_or_hangs_means_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_READY_WITHIN_S", 0.01)
    for readiness in (broken, never):
        async with client(readiness) as http:
            answer = await http.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "not ready\n")


async def test_metrics_are_served_in_the_exposition_format() -> None:
    registry = MetricsRegistry()
    registry.outbox_pending.labels("mapper").set(7)
    async with client(yes, registry) as http:
        answer = await http.get("/metrics")
    assert answer.headers["content-type"] == registry.render()[0]
    assert 'mlc_outbox_pending{producer="mapper"} 7.0' in answer.text


async def test_other_paths_and_methods_are_refused() -> None:
    async with client(yes) as http:
        assert (await http.get("/")).status_code == 404
        posted = await http.post("/metrics")
        head = await http.head("/healthz")
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")
    assert (head.status_code, head.content) == (200, b"")


async def test_a_server_can_start_and_stop_it() -> None:
    received = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> MutableMapping[str, Any]:
        return dict(next(received))

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(str(message["type"]))

    await health_app(yes, MetricsRegistry())({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
