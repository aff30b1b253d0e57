"""An HTTP server inside our own event loop: signals stay the process's business, the port may be any free one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn

from mlc_common.errors import ConfigurationError

_TICK_S = 0.01


class _Quiet(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone: several servers share a process."""
        yield


@asynccontextmanager
async def serving(app: Any, *, host: str, port: int, **options: Any) -> AsyncIterator[int]:
    """Serve an ASGI app while the block runs; the port it listens on.

    Args:
        app: The ASGI application.
        host: The address to listen on.
        port: The port; 0 takes a free one.
        options: Further settings of ``uvicorn.Config``.

    Raises:
        ConfigurationError: the port is taken, or the address is not ours.
    """
    defaults = {"log_config": None, "access_log": False, "lifespan": "off", "timeout_graceful_shutdown": 5}
    server = _Quiet(uvicorn.Config(app, host=host, port=port, **(defaults | options)))
    task = asyncio.create_task(_serve(server), name=f"http {host}:{port}")
    try:
        while not server.started:
            if task.done():
                raise ConfigurationError(
                    f"nothing can listen on {host}:{port}: the port is taken, or the address is not this machine's; "
                    "MLC_METRICS_PORT is for health and metrics, MLC_INGEST_PORT for webhooks, 0 takes a free one"
                ) from None
            await asyncio.sleep(_TICK_S)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def _serve(server: uvicorn.Server) -> None:
    try:
        await server.serve()
    except SystemExit:  # how uvicorn says that it cannot bind
        return
