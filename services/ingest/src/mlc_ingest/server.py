"""How the gateway is served: what uvicorn's reader of requests leaves open is closed here.

It has no limit on the size of a request's head and none on how long one may take to arrive. Proxy headers are not
believed. Measured on one worker: this reader (httptools) takes half the time of the pure Python one.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_LIMIT = 64 * 1024
HEAD_SECONDS = 10.0
_KEEP_ALIVE_S = 30
_STOP_S = 15
_BACKLOG = 2048

_log = logging.getLogger("mlc_ingest.http")
_log.setLevel(logging.ERROR)  # what strangers send that is no HTTP is answered 400 and worth no line each


class GuardedProtocol(HttpToolsProtocol):
    """One connection whose request heads are limited in size and time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _log
        self._head_bytes = 0
        self._in_head = True
        self._begun = False
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            if self._head_bytes > HEAD_LIMIT:
                self.send_400_response("The head of the request is too large.")
                return
            self._head_bytes += len(data)
        super().data_received(data)
        if self._begun:
            self._wait()

    def on_message_begin(self) -> None:
        self._begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = self._begun = False
        self._head_bytes = 0
        if self._patience is not None:
            self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        super().on_message_complete()

    def _wait(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if self.cycle is not None and not self.cycle.response_complete:
            self._wait()  # an earlier request of this connection is still in work
        elif not self.transport.is_closing():
            self.transport.close()


def options(connections: int) -> dict[str, Any]:
    """Settings of uvicorn for the gateway.

    Args:
        connections: How many may be open at once; further ones are answered 503.
    """
    return {
        "http": GuardedProtocol,
        "ws": "none",
        "proxy_headers": False,
        "server_header": False,
        "limit_concurrency": connections,
        "timeout_keep_alive": _KEEP_ALIVE_S,
        "timeout_graceful_shutdown": _STOP_S,
        "backlog": _BACKLOG,
    }
