"""Runs a sandbox's ASGI app with uvicorn: inside a test's event loop, or as a process of its own.

Loopback only unless told otherwise; the port is chosen free. It never leaves a socket or a task behind, and prints
nothing but the one line that tells the address.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

# A client that hangs on purpose must not keep the server from ending.
GRACE_SECONDS = 1


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox that listens.

    Args:
        url: Where, without a trailing slash.
        app: The app that answers (its ``state`` holds store, faults and clock).
    """

    url: str
    app: ASGIApp


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ended = asyncio.Event()

    async def main_loop(self) -> None:
        """Wait to be told, where uvicorn would look ten times a second."""
        await self.ended.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: a test's loop has its own, and a process ends by ``run_forever``."""
        yield


@contextlib.asynccontextmanager
async def serve(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[RunningSandbox]:
    """Run ``app`` in the current event loop until the block ends.

    Args:
        app: The sandbox's app.
        host: The address to listen on.
        port: 0 = a free one.
    """
    listening = _bind(host, port)
    # auto: httptools where it is installed. The fault middleware cuts connections through the request cycle of either.
    config = uvicorn.Config(
        app,
        http="auto",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,  # the fault middleware dates answers by the sandbox's clock
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=60,
    )
    server = _Server(config)
    address, bound = listening.getsockname()[:2]
    url = f"http://{address}:{bound}"
    if isinstance(app, Starlette):
        app.state.url = url  # so that links and webhooks can name the server itself
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        while not server.started:
            if task.done():
                await task
                raise RuntimeError("the sandbox ended before it listened; its start-up failed")
            await asyncio.sleep(0.005)
        yield RunningSandbox(url, app)
    finally:
        server.should_exit = True
        server.ended.set()
        await task
        listening.close()


def run_forever(app: ASGIApp, host: str, port: int, announce: str) -> None:
    """Run ``app`` until SIGTERM or SIGINT, after printing one line of JSON with its address.

    Args:
        app: The sandbox's app.
        host: The address to listen on.
        port: 0 = a free one.
        announce: The sandbox's name in that line.
    """
    with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
        runner.run(_until_told(app, host, port, announce))


def _fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed (not on Windows): whoever is measured against a sandbox shares its machine."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    loop: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    return loop


async def _until_told(app: ASGIApp, host: str, port: int, announce: str) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, told.set)
    async with serve(app, host=host, port=port) as running:
        print(json.dumps({"sandbox": announce, "url": running.url}), flush=True)  # noqa: T201 - the announcement
        await told.wait()


def _bind(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    return listening
