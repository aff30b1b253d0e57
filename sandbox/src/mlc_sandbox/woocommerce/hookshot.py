"""Sends one HTTP request with exactly the bytes it is told, over a connection of its own, and reads who answered what.

WordPress opens a connection per delivery, sends the headers in its own order and case, and ignores the answer's body;
a client library would add, sort or reuse something. It follows no redirect and never raises for what a network does.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

HEAD_LIMIT = 64 * 1024


@dataclass(frozen=True)
class Answered:
    """What a receiver did with a request.

    Args:
        status: Its HTTP status; None = no answer.
        error: Why there was none.
        location: Where it points to, if anywhere.
    """

    status: int | None
    error: str = ""
    location: str = ""

    @property
    def delivered(self) -> bool:
        """Whether WooCommerce counts it as delivered: 200 to 302."""
        return self.status is not None and 200 <= self.status <= 302


async def send(method: str, url: str, headers: list[tuple[str, str]], body: bytes, seconds: float) -> Answered:
    """Send a request and wait ``seconds`` at most for its whole answer."""
    try:
        async with asyncio.timeout(seconds):
            return await _exchange(method, url, headers, body)
    except TimeoutError:
        return Answered(None, f"no answer within {seconds:g} s")
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
        return Answered(None, f"{type(error).__name__}: {error}")


async def _exchange(method: str, url: str, headers: list[tuple[str, str]], body: bytes) -> Answered:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    reader, writer = await asyncio.open_connection(
        parts.hostname,
        parts.port or (443 if secure else 80),
        ssl=ssl.create_default_context() if secure else None,
        limit=HEAD_LIMIT,
    )
    try:
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        await writer.drain()
        return await _answer(reader)
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> Answered:
    status, fields = 100, dict[str, str]()
    while status < 200:  # 1xx only announces
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(head[0].split(" ", 2)[1])
        pairs = (line.partition(":") for line in head[1:] if line)
        fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
    await _drain(reader, status, fields)
    return Answered(status, location=fields.get("location", ""))


async def _drain(reader: asyncio.StreamReader, status: int, fields: dict[str, str]) -> None:
    """Take the answer's body, so that the receiver does not see its answer cut off."""
    if status in (204, 304):
        return
    left = int(fields.get("content-length", -1))
    while left and (chunk := await reader.read(HEAD_LIMIT if left < 0 else min(left, HEAD_LIMIT))):
        left -= len(chunk) if left > 0 else 0
