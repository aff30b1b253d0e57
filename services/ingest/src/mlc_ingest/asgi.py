"""The few ASGI shapes that the gateway uses, and an answer as a value."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_TEXT = (b"content-type", b"text/plain; charset=utf-8")
_CLOSE = (b"connection", b"close")


@dataclass(frozen=True)
class Answer:
    """A complete answer: a status, and for people one line that never tells more than the status does."""

    status: int
    text: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    _messages: tuple[Message, Message, Message] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        body = f"{self.text}\n".encode() if self.text else b""
        headers = [*self.headers, (b"content-length", str(len(body)).encode())] + ([_TEXT] if body else [])
        start: Message = {"type": "http.response.start", "status": self.status, "headers": headers}
        last: Message = {"type": "http.response.start", "status": self.status, "headers": [*headers, _CLOSE]}
        object.__setattr__(self, "_messages", (start, last, {"type": "http.response.body", "body": body}))

    async def send(self, send: Send, *, close: bool = False) -> None:
        """Send it; ``close`` ends the connection (whatever is left of the request is not wanted)."""
        start, last, body = self._messages
        await send(last if close else start)
        await send(body)
