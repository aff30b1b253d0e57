"""The OpenAPI document of the gateway, kept by hand: six answers deserve words, not a generator.

The tests fuzz the running service with it, so what it says is what the service does.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

from mlc_ingest.gateway import REFUSALS, RETRY_AFTER_S

_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "const": RETRY_AFTER_S}},
}
_MEANINGS = {
    401: "No signature, several, a malformed one, or one not made with an active secret of this connection.",
    404: "No such connection.",
    405: "Another method than POST.",
    408: "The body did not arrive in time.",
    413: "The body is larger than the limit (2 MiB by default), whatever Content-Length said.",
    415: "The body is compressed.",
}


def document(body_limit: int) -> bytes:
    """The document as JSON."""
    return json.dumps(_document(body_limit), indent=1).encode()


def _document(body_limit: int) -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ml-connector ingest",
            "version": version("mlc-ingest"),
            "description": "Signed webhooks in, raw events on the log. 200 means: acknowledged by the log.",
        },
        "paths": {
            "/hooks/{connection}": {"post": _hook(body_limit)},
            "/healthz": {"get": _page("health", "The process answers.", _TEXT)},
            "/readyz": {"get": _readiness()},
            "/metrics": {"get": _page("metrics", "Prometheus metrics.", _TEXT)},
            "/openapi.json": {
                "get": _page("openapi", "This document.", {"application/json": {"schema": {"type": "object"}}})
            },
        },
    }


def _hook(body_limit: int) -> dict[str, Any]:
    statuses = sorted({answer.status for answer in REFUSALS.values()})
    return {
        "operationId": "hook",
        "summary": "Deliver one webhook of a WooCommerce store.",
        "parameters": [
            {
                "name": "connection",
                "in": "path",
                "required": True,
                "description": "The connection's id, as in `mlc connection list`.",
                "schema": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,39}$"},
            },
            {
                "name": "X-WC-Webhook-Signature",
                "in": "header",
                "required": False,
                "description": "base64(HMAC-SHA256(secret, raw body)); only a ping has none.",
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9+/]{43}=$"},
            },
            _header("Topic", "For example order.updated."),
            _header("Resource", "For example order."),
            _header("Event", "For example updated."),
            _header("ID", "The webhook."),
            _header("Delivery-ID", "Not unique; never used to recognise a duplicate."),
            _header("Source", "The store's address; not believed."),
        ],
        "requestBody": {
            "required": True,
            "description": "Kept byte for byte if signed. A ping is a form with `webhook_id` alone.",
            "content": {
                "application/json": {
                    "schema": {"type": "string", "contentEncoding": "binary", "maxLength": body_limit}
                },
                "application/x-www-form-urlencoded": {
                    "schema": {
                        "type": "object",
                        "properties": {"webhook_id": {"type": "integer", "minimum": 1}},
                        "required": ["webhook_id"],
                    }
                },
            },
        },
        "responses": {
            "200": {"description": "On the log, acknowledged; or a ping."},
            **{str(status): {"description": _MEANINGS[status], "content": _TEXT} for status in statuses},
            "503": {
                "description": "The log did not acknowledge in time, or too much at once. Nothing is promised.",
                "headers": _RETRY_AFTER,
                "content": _TEXT,
            },
        },
    }


def _header(name: str, meaning: str) -> dict[str, Any]:
    return {
        "name": f"X-WC-Webhook-{name}",
        "in": "header",
        "required": False,
        "description": meaning,
        "schema": {"type": "string"},
    }


def _page(operation: str, meaning: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"operationId": operation, "responses": {"200": {"description": meaning, "content": content}}}


def _readiness() -> dict[str, Any]:
    page = _page("readiness", "The broker answers and the secrets are loaded.", _TEXT)
    page["responses"]["503"] = {"description": "Not ready; the log says why.", "content": _TEXT}
    return page
