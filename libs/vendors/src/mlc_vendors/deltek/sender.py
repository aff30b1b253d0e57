"""The one thing the client needs of HTTP: ``mlc_common.http.HttpClient`` fits, and so does a script in a test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from mlc_common.http import HttpAnswer


class Sender(Protocol):
    """Sends one request and returns its complete answer; raises the common error tree."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: list[tuple[str, str]] | None = None,
        content: bytes | None = None,
        form: Mapping[str, str] | None = None,
        safe: bool | None = None,
        timeout_s: float | None = None,
        template: str = "",
    ) -> HttpAnswer:
        """See ``HttpClient.request``."""
        ...
