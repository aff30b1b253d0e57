"""What the gateway answers besides webhooks: health, readiness, metrics, and its OpenAPI document."""

from __future__ import annotations

from mlc_common.telemetry import MetricsRegistry, health_app
from mlc_ingest import openapi
from mlc_ingest.asgi import App, Receive, Scope, Send
from mlc_ingest.broker import Broker
from mlc_ingest.secrets import Secrets

_JSON = (b"content-type", b"application/json")


def pages(broker: Broker, secrets: Secrets, metrics: MetricsRegistry, *, body_limit: int) -> App:
    """The app behind the gateway."""

    async def ready() -> bool:
        return secrets.loaded and await broker.reachable()

    health = health_app(ready, metrics)
    document = openapi.document(body_limit)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/openapi.json" and scope["method"] in ("GET", "HEAD"):
            headers = [_JSON, (b"content-length", str(len(document)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else document})
        else:
            await health(dict(scope), receive, send)

    return app
