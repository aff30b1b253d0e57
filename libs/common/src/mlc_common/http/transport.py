"""One attempt on the wire: httpx's request and answer over aiohttp's connections.

It uses the transport without ``httpx.AsyncClient``: that one logs whole URLs (credentials in queries), follows cookies
and reads proxy settings of the environment, none of which is wanted here.

The one fact callers need is whether the request *may have left*. Exception classes do not tell it (the transport maps a
connection that was cut after sending to ``ConnectTimeout``), so it is noted when aiohttp hands out a connection.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple, cast

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver
from httpx_aiohttp import AiohttpTransport

from mlc_common.http.addresses import CheckedResolver, check_address
from mlc_common.http.errors import AnswerTooLarge
from mlc_common.http.policy import HttpPolicy


@dataclass
class Departure:
    """Whether the request of the current attempt may have left this machine."""

    may_have_left: bool = False


class Arrived(NamedTuple):
    """A complete answer as it came; ``content`` is decompressed although ``headers`` still name the encoding."""

    status: int
    headers: httpx.Headers
    content: bytes


_departure: ContextVar[Departure] = ContextVar("http_departure")


class Wire:
    """The connections of one client. Opened by the first request, closed by ``aclose``.

    Args:
        policy: Limits and addresses.
        resolver: Name look-up underneath the check, for tests.
        tls: Trust for tests with their own authority; None = the public ones (``SSL_CERT_FILE`` honoured).
    """

    def __init__(
        self, policy: HttpPolicy, *, resolver: AbstractResolver | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._policy = policy
        self._tls = tls or _public_trust()
        self._resolver = CheckedResolver(allow_private=policy.allow_private, resolver=resolver) if resolver else None
        self._transport = AiohttpTransport(verify=self._tls, trust_env=False, client=self._open)

    async def exchange(self, request: httpx.Request, departure: Departure) -> Arrived:
        """Send once and read the whole answer; ``departure`` says afterwards whether the request may have left.

        Raises:
            AnswerTooLarge: the body is larger than the policy allows.
            Exception: whatever httpx, aiohttp or the socket raised; classify with ``departure``.
        """
        token = _departure.set(departure)
        try:
            response = await self._transport.handle_async_request(request)
            try:
                content = await self._read(response)
            finally:
                await response.aclose()
        finally:
            _departure.reset(token)
        return Arrived(response.status_code, response.headers, content)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    async def _read(self, response: httpx.Response) -> bytes:
        limit, parts, size = self._policy.max_response_bytes, [], 0
        async with aclosing(cast(AsyncGenerator[bytes, None], response.aiter_bytes())) as chunks:
            async for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise AnswerTooLarge(f"the answer is larger than {limit} bytes; ask for smaller pages")
                parts.append(chunk)
        return b"".join(parts)

    def _open(self) -> aiohttp.ClientSession:
        policy = self._policy
        connector = aiohttp.TCPConnector(
            ssl=self._tls,
            limit=0,  # the turnstile limits; a second queue here would only hide waiting time
            resolver=self._resolver or CheckedResolver(allow_private=policy.allow_private),
            socket_factory=partial(_checked_socket, allow_private=policy.allow_private),
            keepalive_timeout=policy.keepalive_s,
        )
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_connection_in_hand)
        trace.on_connection_reuseconn.append(_connection_in_hand)
        session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, trace_configs=[trace]
        )
        # aiohttp sends PUT and DELETE a second time by itself when a reused connection was cut. A posting must never
        # be sent twice behind our back, and there is no public switch. A test guards the effect.
        session._retry_connection = False
        return session


@cache
def _public_trust() -> ssl.SSLContext:
    """Read once per process: it takes a tenth of a second and some megabytes."""
    return httpx.create_ssl_context()


async def _connection_in_hand(_session: aiohttp.ClientSession, _context: Any, _params: Any) -> None:
    _departure.get().may_have_left = True


def _checked_socket(info: tuple[Any, ...], *, allow_private: bool) -> socket.socket:
    """The last gate: also literal addresses, which no resolver sees, come through here."""
    family, kind, protocol, _, address = info
    check_address(str(address[0]), allow_private=allow_private)
    return socket.socket(family=family, type=kind, proto=protocol)
