"""Makes a connection of aiokafka's that the broker reset one that is lost, whatever loop runs it.

uvloop, which production runs on, raises a bare RuntimeError where asyncio says nothing: when something is written to a
connection that was reset a moment ago. aiokafka 0.14 expects an OSError there (conn.py, ``send``; its issue 1038), so
whichever of its tasks met it ended without a word: without the one for metadata, a client looks for its coordinator,
commits and stops for ever. To be taken away once aiokafka does this itself. Must not hide any other error.
"""

from __future__ import annotations

from typing import Any

import aiokafka.conn
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError


class Connection(AIOKafkaConnection):  # type: ignore[misc] # aiokafka publishes no types
    """One that tells by a KafkaConnectionError that it is lost, and closes itself."""

    def send(self, request: Any, expect_response: bool = True) -> Any:
        """Write ``request``; what is returned waits for its answer.

        Raises:
            KafkaConnectionError: the connection is lost.
        """
        try:
            return super().send(request, expect_response)
        except RuntimeError as error:
            if type(error) is not RuntimeError:  # KafkaError and NotImplementedError are kinds of it
                raise
            self.close(reason=CloseReason.CONNECTION_BROKEN, exc=error)
            raise KafkaConnectionError(f"Connection at {self.host}:{self.port} is lost: {error}") from error

    def __del__(self) -> None:
        """Close what nobody closed: a client that is cancelled while it starts forgets its first connection.

        aiokafka does, in ``bootstrap`` of its client.py. A client that nobody stopped says so itself.
        """
        if self.connected() and not self._loop.is_closed():
            self._on_close_cb = None
            self.close()


def install() -> None:
    """Let every client of aiokafka in this process make its connections so."""
    aiokafka.conn.AIOKafkaConnection = Connection
