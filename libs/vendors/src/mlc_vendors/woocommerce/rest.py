"""One call to the REST API: signed, classified, decoded exactly, with the bytes kept as they came. Facts §1, §2, §5.

Every GET carries a changing ``_`` parameter, since page caches key on the whole URL (§19). ``Link`` headers are never
followed nor logged: they echo the query, which may hold the secret.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mlc_common import exactjson
from mlc_common.clock import Clock
from mlc_common.errors import Undecodable
from mlc_common.http import HttpAnswer, HttpClient
from mlc_vendors.woocommerce.address import StoreAddress
from mlc_vendors.woocommerce.auth import Authenticator, AuthMode, Signed
from mlc_vendors.woocommerce.errors import (
    NotJson,
    StaleAnswer,
    header_unseen,
    looks_like_json,
    not_json,
    refusal,
    signature_refused,
)
from mlc_vendors.woocommerce.storeclock import StoreClock

JsonObject = dict[str, Any]
Params = Sequence[tuple[str, str]]

_OAUTH = frozenset({AuthMode.OAUTH, AuthMode.OAUTH_BEHIND_PROXY})


@dataclass(frozen=True)
class RestAnswer:
    """A good answer.

    Attributes:
        raw: The body exactly as it came: what a webhook about the same object would carry.
        value: The same, decoded; numbers exact.
        total: ``X-WP-Total`` of a list, where it is there.
        not_before: The store cannot have begun this answer before that instant, by its own clock.
    """

    raw: bytes = field(repr=False)
    value: Any = field(repr=False)
    total: int | None = None
    not_before: datetime | None = None

    def object(self, what: str) -> JsonObject:
        """The value, an object.

        Raises:
            NotJson: it is something else.
        """
        if not isinstance(self.value, dict):
            raise NotJson(f"{what}: the store answered something else than an object; trying again later")
        return self.value

    def objects(self, what: str) -> list[JsonObject]:
        """The value, a list of objects.

        Raises:
            NotJson: it is something else.
        """
        if not isinstance(self.value, list) or not all(isinstance(row, dict) for row in self.value):
            raise NotJson(f"{what}: the store answered something else than a list; trying again later")
        return self.value


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request, before it is signed.

    Attributes:
        method: HTTP method.
        path: Below ``/wp-json/wc/v3``, with a leading slash.
        template: The endpoint's name, for metrics and messages.
        params: The query.
        body: What to send as JSON.
        safe: Whether sending it twice does no harm.
    """

    method: str
    path: str
    template: str
    params: Params = ()
    body: JsonObject | None = field(default=None, repr=False)
    safe: bool

    @property
    def what(self) -> str:
        """What messages call it."""
        return f"{self.method} {self.template}"


class Rest:
    """Calls to one store.

    Args:
        address: Where it is.
        auth: Signs.
        http: Sends.
        clock: Our time.
    """

    def __init__(self, address: StoreAddress, auth: Authenticator, *, http: HttpClient, clock: Clock) -> None:
        self._address = address
        self._auth = auth
        self._http = http
        self._clock = clock
        self._counter = itertools.count()
        self.store_clock = StoreClock(clock)

    async def get(self, path: str, params: Params = (), *, template: str) -> RestAnswer:
        """Read.

        Args:
            path: Below ``/wp-json/wc/v3``, with a leading slash.
            params: The query.
            template: The endpoint's name, for metrics and messages.

        Raises:
            ConnectorError: see ``errors``.
        """
        return await self.call(Call(method="GET", path=path, template=template, params=params, safe=True))

    async def call(self, call: Call) -> RestAnswer:
        """Read, create, change or delete.

        Raises:
            Unconfirmed: not safe, and its effect is unknown.
            ConnectorError: see ``errors``.
        """
        started = self._clock.monotonic()
        answer = await self._authenticated(call)
        error = refusal(answer, call.what, safe=call.safe)
        if error is not None:
            raise error
        if call.method == "GET" and self.store_clock.is_stale(answer.headers):
            raise StaleAnswer(
                f"{call.what}: a cache in front of the store answered with an old copy; trying again later"
            )
        not_before = self.store_clock.hear(answer.headers, took_s=self._clock.monotonic() - started)
        return _decoded(answer, call.what, safe=call.safe, not_before=not_before)

    async def root(self, fields: str) -> JsonObject:
        """The site's ``/wp-json/``, which anybody may read; credentials there would be taken for WordPress' own.

        Args:
            fields: Comma list of what is wanted.
        """
        call = Call(method="GET", path="", template="root", params=[("_fields", fields)], safe=True)
        answer = await self._send(call, f"{self._address.site}/wp-json/", Signed(self._query(call)))
        error = refusal(answer, call.what, safe=True)
        if error is not None:
            raise error
        return _decoded(answer, call.what, safe=True, not_before=None).object(call.what)

    async def _authenticated(self, call: Call) -> HttpAnswer:
        """The answer to the request signed in the way that the store accepts.

        A request that was answered 401 had no effect, so that also a write may be sent again, signed otherwise.
        """
        first: HttpAnswer | None = None
        for mode in self._auth.ways():
            answer = await self._signed(mode, call)
            if mode in _OAUTH and signature_refused(answer):
                await self._learn(answer)
                answer = await self._signed(mode, call)
            if answer.status != 401:
                self._auth.worked(mode)
                return answer
            if mode not in _OAUTH and not header_unseen(answer):
                return answer
            first = first or answer
        self._auth.all_refused()
        assert first is not None
        return first

    async def _learn(self, answer: HttpAnswer) -> None:
        """Before signing anew: the store's time and its own address are part of an OAuth signature.

        A new signature also helps where the HTTP client sent the request again: a nonce works once.
        """
        self.store_clock.hear(answer.headers, took_s=0.0)
        home = (await self.root("home")).get("home")
        if isinstance(home, str) and home:
            self._auth.learn_home(home)

    async def _signed(self, mode: AuthMode, call: Call) -> HttpAnswer:
        signed = self._auth.sign(mode, call.method, call.path, self._query(call), store_time=self.store_clock.now())
        return await self._send(call, f"{self._address.api}{call.path}", signed)

    async def _send(self, call: Call, url: str, signed: Signed) -> HttpAnswer:
        headers = {"Accept": "application/json", **signed.headers}
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        return await self._http.request(
            call.method,
            url,
            headers=headers,
            params=signed.params,
            content=exactjson.dumps(call.body) if call.body is not None else None,
            safe=call.safe,
            sensitive_query=signed.sensitive_query,
            template=call.template,
        )

    def _query(self, call: Call) -> list[tuple[str, str]]:
        if call.method != "GET":
            return list(call.params)
        milliseconds = int(self._clock.now().timestamp() * 1000)
        return [*call.params, ("_", f"{milliseconds}{next(self._counter) % 1000:03}")]


def _decoded(answer: HttpAnswer, what: str, *, safe: bool, not_before: datetime | None) -> RestAnswer:
    try:
        if not looks_like_json(answer.content):
            raise Undecodable("no JSON")
        value = exactjson.loads(answer.content)
    except Undecodable:
        raise not_json(answer.content, what, safe=safe) from None
    total = answer.headers.get("x-wp-total", "")
    return RestAnswer(answer.content, value, int(total) if total.isdecimal() else None, not_before)
