"""What came back, and what will go out: plain values, whole bodies, no streams and no connections behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx

from mlc_common import exactjson


@dataclass(frozen=True)
class HttpAnswer:
    """A complete answer of the other side, whatever its status.

    Attributes:
        status: HTTP status.
        headers: Case-insensitive.
        content: The whole body, decompressed; untrusted, may echo what was sent.
        url_path: Path of the request without its query.
        after: Seconds that the server asked us to wait before the next request, where it did.
    """

    status: int
    headers: httpx.Headers = field(repr=False)
    content: bytes = field(repr=False)
    url_path: str
    after: float | None = None

    def json(self) -> Any:
        """The body as exact JSON.

        Raises:
            Undecodable: it is not JSON.
        """
        return exactjson.loads(self.content)


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """One request as the attempts need it."""

    request: httpx.Request
    template: str
    safe: bool
    timeout_s: float

    @property
    def name(self) -> str:
        """What messages and spans call it: method and endpoint, never a query."""
        return f"{self.request.method} {self.template or self.request.url.path}"
