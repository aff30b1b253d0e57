"""A real server on 127.0.0.1 that does exactly what a test scripts, also the things no framework would do."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from mlc_common.clock import FixedClock
from mlc_common.http import HttpClient, HttpPolicy


@dataclass
class Seen:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


Step = Callable[["ScriptedServer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answer(status: int = 200, body: bytes = b"{}", **headers: str) -> Step:
    async def step(_server: ScriptedServer, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return step


async def cut(_server: ScriptedServer, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close the connection without a word, the request having been read."""
    writer.transport.abort()


async def cut_in_body(_server: ScriptedServer, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    writer.transport.abort()


async def hang(server: ScriptedServer, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Never answer; ends when the client goes away."""
    server.hanging.set()
    with suppress(ConnectionError):
        await reader.read()


@dataclass
class ScriptedServer:
    """Plays one step per request; the last step repeats."""

    steps: list[Step] = field(default_factory=lambda: [answer()])
    seen: list[Seen] = field(default_factory=list)
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    connections: int = 0
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def play(self, *steps: Step) -> None:
        self.steps = list(steps)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = self.connections
        try:
            while request := await self._read(reader, connection):
                self.seen.append(request)
                step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
                await step(self, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader, connection: int) -> Seen | None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Seen(method, target, headers, body, connection)


@asynccontextmanager
async def running(server: ScriptedServer, tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedServer]:
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await server.serve(reader, writer)

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    server.scheme = "https" if tls else "http"
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()


class Script:
    """The steps, for tests (test files cannot import each other)."""

    answer = staticmethod(answer)
    cut = staticmethod(cut)
    cut_in_body = staticmethod(cut_in_body)
    hang = staticmethod(hang)
    running = staticmethod(running)
    Server = ScriptedServer


@pytest.fixture
def script() -> type[Script]:
    return Script


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with running(ScriptedServer()) as scripted:
        yield scripted


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC))


@dataclass
class Recorder:
    """An observer that keeps what it was told."""

    heard: list[tuple[str, str, str, str]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def attempted(self, *, client: str, method: str, template: str, outcome: str, seconds: float) -> None:
        self.heard.append((client, method, template, outcome))
        self.seconds.append(seconds)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def make_client(clock: FixedClock, recorder: Recorder) -> AsyncIterator[Callable[..., HttpClient]]:
    clients: list[HttpClient] = []

    def make(*, jitter: float = 0.5, client_options: dict[str, Any] | None = None, **policy: Any) -> HttpClient:
        defaults: dict[str, Any] = {
            "allow_private": True,
            "schemes": frozenset({"http", "https"}),
            "rate_per_s": None,
            "timeout_s": 5.0,
        }
        options: dict[str, Any] = {"clock": clock, "observer": recorder, **(client_options or {})}
        client = HttpClient("erp", HttpPolicy(**{**defaults, **policy}), jitter=lambda: jitter, **options)
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()
