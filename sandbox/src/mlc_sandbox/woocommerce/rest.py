"""The REST front: finds the route, checks keys and parameters, answers with WordPress' headers and errors.

A route is found by its segments in one dictionary look-up. In this order, as WordPress does it: keys, route, JSON,
parameters, permission, handler; webhooks hear what happened even when the request fails. Facts sheet §1, §2 and §5.
"""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn

from starlette.requests import Request
from starlette.responses import Response

from mlc_sandbox.woocommerce.auth import Asked, Auth, check_permission
from mlc_sandbox.woocommerce.errors import Refusal, no_route
from mlc_sandbox.woocommerce.query import Reader, parse, sanitise
from mlc_sandbox.woocommerce.serial import pick, write
from mlc_sandbox.woocommerce.settings import ApiKey
from mlc_sandbox.woocommerce.store import Store

NAMESPACE = ("wp-json", "wc", "v3")
EXPOSED = {
    "X-Content-Type-Options": "nosniff",
    "Access-Control-Expose-Headers": "X-WP-Total, X-WP-TotalPages, Link",
    "Access-Control-Allow-Headers": "Authorization, X-WP-Nonce, Content-Disposition, Content-MD5, Content-Type",
}
UNCACHED = {
    "Expires": "Wed, 11 Jan 1984 05:00:00 GMT",
    "Cache-Control": "no-cache, must-revalidate, max-age=0, no-store, private",
}
REFUSED = {
    "list": "Sorry, you cannot list resources.",
    "view": "Sorry, you cannot view this resource.",
    "create": "Sorry, you are not allowed to create resources.",
    "edit": "Sorry, you are not allowed to edit this resource.",
    "delete": "Sorry, you are not allowed to delete this resource.",
    "batch": "Sorry, you are not allowed to batch manipulate this resource.",
}
CRASHED = {
    "code": "internal_server_error",
    "message": "<p>There has been a critical error on this website.</p>",
    "data": {"status": 500},
    "additional_errors": [],
}
logger = logging.getLogger(__name__)


@dataclass
class Call:
    """One request while it is handled."""

    method: str
    ids: list[int]
    name: str
    query: dict[str, Any]
    body: dict[str, Any]
    key: ApiKey | None
    user_state: str

    def may(self, act: str) -> None:
        """Refuse whoever may not do this: 401 for nobody, 403 for a user without the right.

        Raises:
            Refusal: see above.
        """
        if self.key is not None and self.user_state == "ok":
            return
        code = "view" if act == "list" else act
        status = 401 if self.key is None or self.user_state == "deleted" else 403
        raise Refusal(status, f"woocommerce_rest_cannot_{code}", REFUSED[act])

    @property
    def force(self) -> bool:
        """Whether a delete is for good."""
        return str(self.query.get("force", self.body.get("force", ""))).lower() in ("true", "1")


@dataclass(frozen=True)
class Reply:
    """What a handler answers."""

    payload: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    # whether ``_fields`` also sets the order of keys
    fields_in_order: bool = False


Handler = Callable[[Call], Reply | Awaitable[Reply]]


@dataclass(frozen=True)
class Endpoint:
    """One path of the API.

    Args:
        methods: Handler by method; PUT and PATCH follow "POST" unless said.
        allow: The Allow header.
        schema: The query parameters of GET.
    """

    methods: Mapping[str, Handler]
    allow: str
    schema: Mapping[str, Reader] = field(default_factory=dict)


def item_methods(get: Handler, update: Handler, delete: Handler) -> dict[str, Handler]:
    """GET, the three ways to update, and DELETE."""
    return {"GET": get, "POST": update, "PUT": update, "PATCH": update, "DELETE": delete}


class Rest:
    """Answers every path under the store that is not the control API.

    Args:
        store: Its tables.
        auth: Its keys.
        endpoints: By path pattern, ``{id}`` for a number and ``{name}`` for a word.
        after: Called at the end of each request, whatever came of it.
    """

    def __init__(self, store: Store, auth: Auth, endpoints: Mapping[str, Endpoint], after: Callable[[], None]) -> None:
        self.store = store
        self.auth = auth
        self.after = after
        self._table = {tuple(pattern.split("/")): endpoint for pattern, endpoint in endpoints.items()}

    async def serve(self, request: Request) -> Response:
        """Serve one request."""
        given = parse(request.url.query)
        method = _method(request, given)
        path, looks_like_rest = self._route_path(request, given)
        query = {name: value for name, value in given.items() if isinstance(value, str)}
        asked = Asked(method, request.url.path, _signed(given) | query, _header(request), looks_like_rest)
        raw = await request.body()
        key: ApiKey | None = None
        try:
            key = self.auth.user(asked)
            if key is not None:
                check_permission(key, method)
            endpoint, ids, name = self._find(path)
            handler = endpoint.methods.get("GET" if method == "HEAD" else method)
            if handler is None:
                raise no_route()
        except Refusal as refusal:
            return self._answer(request, method, key, Reply(refusal.body(), refusal.status), "")
        reply = await self._handle(endpoint, handler, Call(method, ids, name, given, {}, key, self._state(key)), raw)
        return self._answer(request, method, key, reply, endpoint.allow)

    async def _handle(self, endpoint: Endpoint, handler: Handler, call: Call, raw: bytes) -> Reply:
        try:
            call.body = _json_body(raw)
            if call.method in ("GET", "HEAD"):
                call.query = sanitise(call.query, endpoint.schema)
            outcome = handler(call)
            reply = await outcome if inspect.isawaitable(outcome) else outcome
        except Refusal as refusal:
            return Reply(refusal.body(), refusal.status)
        except (TypeError, ValueError, AttributeError, KeyError, IndexError):
            # What PHP makes of values that no schema refused: a crash, and an answer of its own.
            logger.exception("the store crashed over %s", call.method)
            return Reply(CRASHED, 500)
        finally:
            self.after()
        return _with_fields(reply, call.query.get("_fields"))

    def _find(self, path: str) -> tuple[Endpoint, list[int], str]:
        parts = path.strip("/").split("/")
        ids = [int(part) for part in parts if part.isdigit()]
        shape = tuple("{id}" if part.isdigit() else part for part in parts)
        endpoint = self._table.get(shape)
        name = ""
        if endpoint is None and len(shape) > 1:
            name, endpoint = parts[-1], self._table.get((*shape[:-1], "{name}"))
        if endpoint is None:
            raise no_route()
        return endpoint, ids, name

    def _route_path(self, request: Request, given: Mapping[str, Any]) -> tuple[str, bool]:
        """The route, and whether keys are looked at: only where the URI contains ``wp-json/wc/``."""
        home = self.store.home_url.partition("://")[2].partition("/")[2]
        path = request.url.path
        inside = path.removeprefix(f"/{home}") if home else path
        if inside in ("/", "/index.php") and "rest_route" in given:
            inside = f"/wp-json{given['rest_route']}"
        return inside, "wp-json/wc" in f"{path}?{request.url.query}"

    def _state(self, key: ApiKey | None) -> str:
        return "ok" if key is None else self.store.users.get(key.user_id, "ok")

    def _answer(self, request: Request, method: str, key: ApiKey | None, reply: Reply, allow: str) -> Response:
        headers = {
            "Server": "nginx/1.22.1",
            "Content-Type": "application/json; charset=UTF-8",
            "X-Robots-Tag": "noindex",
            "Link": f'<{self.store.home_url}/wp-json/>; rel="https://api.w.org/"',
            **EXPOSED,
            **reply.headers,
        }
        if key is None:
            headers["Vary"] = "Origin"
        else:
            headers |= ({"Allow": allow} if allow else {}) | UNCACHED
        body = write(reply.payload)
        if method == "HEAD":
            headers["Content-Length"] = str(len(body))
            body = b""
        return Response(body, reply.status, headers)


def _method(request: Request, given: Mapping[str, Any]) -> str:
    override = request.headers.get("x-http-method-override") or given.get("_method")
    return str(override).upper() if override and request.method == "POST" else request.method


def _header(request: Request) -> str:
    return request.headers.get("authorization", "")


def _signed(given: Mapping[str, Any]) -> dict[str, str]:
    """Lists as OAuth signs them: ``status[0]``."""
    return {
        f"{name}[{index}]": item
        for name, value in given.items()
        if isinstance(value, list)
        for index, item in enumerate(value)
    }


def _json_body(raw: bytes) -> dict[str, Any]:
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw.decode("utf-8"), parse_float=Decimal, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise _bad_json(5, "Malformed UTF-8 characters, possibly incorrectly encoded") from None
    except RecursionError:
        raise _bad_json(1, "Maximum stack depth exceeded") from None
    except json.JSONDecodeError as error:
        if error.msg.startswith(("Unterminated string", "Invalid control")):
            raise _bad_json(3, "Control character error, possibly incorrectly encoded") from None
        raise _bad_json(4, "Syntax error") from None
    return body if isinstance(body, dict) else {}


def _no_constant(_: str) -> NoReturn:
    raise _bad_json(4, "Syntax error")


def _bad_json(code: int, text: str) -> Refusal:
    more = {"json_error_code": code, "json_error_message": text}
    return Refusal(400, "rest_invalid_json", "Invalid JSON body passed.", **more)


def _with_fields(reply: Reply, fields: Any) -> Reply:
    """Keep only ``_fields``; a single object keeps its links."""
    if not fields or reply.status >= 400:
        return reply
    wanted = fields if isinstance(fields, list) else [name.strip() for name in fields.split(",") if name.strip()]
    payload = reply.payload
    if isinstance(payload, list):
        payload = [pick(item, wanted, as_asked=reply.fields_in_order) for item in payload]
    elif isinstance(payload, dict):
        links = {"_links": payload["_links"]} if "_links" in payload else {}
        own = {name: item for name, item in payload.items() if name != "_links"}
        payload = {**pick(own, wanted, as_asked=reply.fields_in_order), **links}
    return Reply(payload, reply.status, reply.headers)
