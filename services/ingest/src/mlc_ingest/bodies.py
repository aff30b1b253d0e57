"""Reads request bodies: never more than the limit, never longer than the time, never more at once than the memory.

A Content-Length is only a hint to refuse early; what counts is what arrives. What is refused is still read for a while
and thrown away: a client that is cut off while it sends does not see the answer.
"""

from __future__ import annotations

import asyncio

from mlc_ingest.asgi import Message, Receive
from mlc_ingest.deadlines import Deadlines

_DRAIN_SECONDS = 5.0
_DRAIN_LIMITS = 16
"""How many times the limit is thrown away before the connection is closed."""


class TooLarge(Exception):  # noqa: N818 - names what happened
    """The body is larger than allowed; not all of it was read."""


class TooSlow(Exception):  # noqa: N818
    """The body did not arrive in time."""


class TooBusy(Exception):  # noqa: N818
    """Too many bytes are held for others at this moment."""


class Gone(Exception):  # noqa: N818
    """The client went away; nobody waits for an answer."""


class Bodies:
    """The bodies of one gateway.

    Args:
        limit: Bytes of one body.
        seconds: How long one may take to arrive.
        memory: Bytes of all bodies together.
    """

    def __init__(self, *, limit: int, seconds: float, memory: int) -> None:
        self._limit, self._seconds, self._memory = limit, seconds, memory
        self._deadlines = Deadlines(seconds)
        self.held = 0

    async def read(self, receive: Receive, *, announced: bytes | None, limit: int | None = None) -> bytes:
        """One body. Its bytes count as held until ``release``, unless this raises.

        Args:
            receive: Of ASGI.
            announced: The Content-Length header, if any.
            limit: Instead of the usual one.

        Raises:
            TooLarge, TooSlow, TooBusy, Gone: as they say.
        """
        most = self._limit if limit is None else limit
        if announced is not None and announced.isdigit() and int(announced[:20]) > most:
            raise TooLarge
        try:
            with self._deadlines:
                message = await receive()
                if message.get("more_body"):
                    return await self._all(message, receive, most)
        except TimeoutError:
            raise TooSlow from None
        body = _part(message)
        if len(body) > most:
            raise TooLarge
        self.held += len(body)
        return body

    def release(self, body: bytes) -> None:
        """The body is not held any more."""
        self.held -= len(body)

    async def drain(self, receive: Receive) -> bool:
        """Throw away what still arrives of a body, within reason; whether that was all of it."""
        left = self._limit * _DRAIN_LIMITS
        try:
            async with asyncio.timeout(min(self._seconds, _DRAIN_SECONDS)):
                while left > 0:
                    message = await receive()
                    if message["type"] != "http.request":
                        return False
                    if not message.get("more_body"):
                        return True
                    left -= len(message.get("body", b""))
        except TimeoutError:
            pass
        return False

    async def _all(self, message: Message, receive: Receive, most: int) -> bytes:
        """A body that comes in parts."""
        whole = bytearray()
        try:
            while True:
                part = _part(message)
                whole += part
                self.held += len(part)
                if len(whole) > most:
                    raise TooLarge
                if not message.get("more_body"):
                    return bytes(whole)
                if self.held > self._memory:
                    raise TooBusy
                message = await receive()
        except BaseException:
            self.held -= len(whole)
            raise


def _part(message: Message) -> bytes:
    if message["type"] != "http.request":
        raise Gone
    part: bytes = message.get("body", b"")
    return part
