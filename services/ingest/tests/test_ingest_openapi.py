"""R12: the OpenAPI document says what the service does: fuzzed against a running gateway, and never a 5xx."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from threading import Thread
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from mlc_common.clock import SystemClock
from mlc_common.events import Topics
from mlc_common.serving import serving
from mlc_common.telemetry import MetricsRegistry
from mlc_ingest import openapi, server
from mlc_ingest.app import Ingest
from mlc_ingest.settings import IngestSettings

from .stand_ins import SECRET, KnownSecrets, MemoryLog

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
LIMIT = 64 * 1024


def _ingest(log: MemoryLog) -> Ingest:
    """The gateway wired as the service does it, but for the log."""
    settings = IngestSettings(
        tenant="acme", kafka_bootstrap_servers="127.0.0.1:9", database_url="postgresql://x", vault_key_file="x",
        ingest_body_limit=LIMIT, ingest_body_seconds=1,
    )  # fmt: skip
    ingest = Ingest.wire(settings, KnownSecrets({"shop": (SECRET,)}), SystemClock(), MetricsRegistry())
    ingest.gateway._log = log
    return ingest


async def _serve(started: list[str], up: list[asyncio.AbstractEventLoop], stop: asyncio.Event) -> None:
    ingest = _ingest(MemoryLog())
    await ingest.secrets.newest("shop")
    ingest.broker.reachable = _yes  # type: ignore[method-assign]
    async with serving(ingest.gateway, host="127.0.0.1", port=0, **server.options(100)) as port:
        started.append(f"http://127.0.0.1:{port}")
        up.append(asyncio.get_running_loop())
        await stop.wait()


async def _yes() -> bool:
    return True


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A gateway in a thread: schemathesis asks and waits."""
    started: list[str] = []
    loops: list[asyncio.AbstractEventLoop] = []
    stop = asyncio.Event()
    thread = Thread(target=lambda: asyncio.run(_serve(started, loops, stop)))
    thread.start()
    while not loops:
        thread.join(0.01)
    yield started[0]
    loops[0].call_soon_threadsafe(stop.set)
    thread.join(10)
    assert not thread.is_alive()


document = json.loads(openapi.document(LIMIT))
schema = schemathesis.openapi.from_dict(document)
operations = [schema[path][method] for path, methods in document["paths"].items() for method in methods]
cases = st.one_of(*(operation.as_strategy() for operation in operations))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases, known=st.booleans())
def test_no_request_that_the_document_allows_or_nearly_allows_is_a_server_error(
    url: str, case: Case[Any], known: bool
) -> None:
    if known and "connection" in case.path_parameters:
        case.path_parameters["connection"] = "shop"
    case.call_and_validate(base_url=url, checks=CHECKS)


def test_the_document_is_served_as_it_is(url: str) -> None:
    answer = httpx.get(f"{url}/openapi.json")
    assert (answer.headers["content-type"], answer.json()) == ("application/json", document)
    assert httpx.head(f"{url}/openapi.json").status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json"])
def test_every_page_of_the_document_is_there(url: str, path: str) -> None:
    assert httpx.get(f"{url}{path}").status_code == 200


@pytest.mark.parametrize("path", ["/", "/hooks", "/hook/shop", "/openapi.jso", "/docs", "//hooks/shop"])
def test_nothing_else_is_there(url: str, path: str) -> None:
    assert httpx.get(f"{url}{path}").status_code == 404


def test_every_answer_of_the_gateway_is_in_the_document() -> None:
    topics = Topics("acme")
    answers = set(document["paths"]["/hooks/{connection}"]["post"]["responses"])
    assert answers == {"200", "401", "404", "405", "408", "413", "415", "503"}
    assert topics.raw_orders not in json.dumps(document)
