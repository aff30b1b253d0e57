"""What stands between a client and the broker in a test, and resets all connections when asked."""

from __future__ import annotations

import select
import socket
import socketserver
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

_LOOK_S = 0.02


class Relay(socketserver.ThreadingTCPServer):
    """A listener that passes on what it gets; runs in threads of its own."""

    allow_reuse_address = True

    def __init__(self, bootstrap: str, port: int = 0) -> None:
        host, of_broker = bootstrap.split(":")
        self.broker = (host, int(of_broker))
        self.resets = [Event()]
        super().__init__(("127.0.0.1", port), _Passing)
        self.port: int = self.server_address[1]

    def reset(self) -> None:
        """Cut every connection as a broker does that is killed with requests unread."""
        cut, self.resets = self.resets[0], [Event()]
        cut.set()

    def shutdown_request(self, request: Any) -> None:
        """No polite end before the reset."""
        self.close_request(request)


class _Passing(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        cut = self.server.resets[0]
        with socket.create_connection(self.server.broker) as broker:
            while not cut.is_set():
                readable, _, _ = select.select([self.request, broker], [], [], _LOOK_S)
                for source in readable:
                    found = source.recv(65536)
                    if not found:
                        return
                    (broker if source is self.request else self.request).sendall(found)
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextmanager
def relayed(bootstrap: str, port: int = 0) -> Iterator[Relay]:
    """A relay to this broker; at any free port unless told otherwise."""
    with Relay(bootstrap, port) as relay:
        thread = Thread(target=relay.serve_forever, kwargs={"poll_interval": _LOOK_S})
        thread.start()
        try:
            yield relay
        finally:
            relay.reset()
            relay.shutdown()
            thread.join()
