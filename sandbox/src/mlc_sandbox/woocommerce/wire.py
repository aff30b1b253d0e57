"""The bytes of a webhook delivery and of a ping: headers in their order, signature, delivery id; and sending them.

Redirects of a delivery are not followed, those of a ping are. The signature's key is the secret with HTML entities
decoded. The delivery id is a keyed hash of (webhook id, current second): not unique. Facts sheet §14.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
from urllib.parse import urljoin, urlsplit

from mlc_sandbox.woocommerce.hookshot import Answered, send
from mlc_sandbox.woocommerce.store import Store
from mlc_sandbox.woocommerce.webhooks import Webhook

PING_SECONDS = 5.0
PING_REDIRECTS = 5
REFUSED = "A valid URL was not provided."
ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#039;", "'"), ("&amp;", "&"))


def signature(secret: str, body: bytes) -> str:
    """base64(HMAC-SHA256) with the secret's entities decoded."""
    for entity, plain in ENTITIES:
        secret = secret.replace(entity, plain)
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def delivery_headers(store: Store, webhook: Webhook, body: bytes) -> list[tuple[str, str]]:
    """All headers of a delivery, in the order WordPress sends them."""
    second = int(store.now().timestamp())
    digest = hmac.new(b"sandbox-salt", f"{webhook.id}{second}".encode(), hashlib.md5).hexdigest()
    return [
        *_common(store, webhook.delivery_url),
        ("Content-Type", "application/json"),
        ("X-WC-Webhook-Source", f"{store.home_url}/"),
        ("X-WC-Webhook-Topic", webhook.topic),
        ("X-WC-Webhook-Resource", webhook.resource),
        ("X-WC-Webhook-Event", webhook.event),
        ("X-WC-Webhook-Signature", signature(webhook.secret, body)),
        ("X-WC-Webhook-ID", str(webhook.id)),
        ("X-WC-Webhook-Delivery-ID", digest),
        ("Connection", "close"),
        ("Content-Length", str(len(body))),
    ]


def ping_headers(store: Store, url: str, body: bytes) -> list[tuple[str, str]]:
    """All headers of a ping: a form, no X-WC header, no signature."""
    return [
        *_common(store, url),
        ("Connection", "close"),
        ("Content-Length", str(len(body))),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ]


class Sender:
    """Sends deliveries and pings over real connections.

    Args:
        store: For names, versions and limits.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    async def deliver(self, webhook: Webhook, headers: list[tuple[str, str]], body: bytes) -> Answered:
        """Send one delivery and say what was answered."""
        if not self._allowed(webhook.delivery_url):
            return Answered(None, REFUSED)
        return await send("POST", webhook.delivery_url, headers, body, self.store.settings.delivery_timeout)

    async def ping(self, webhook: Webhook) -> Answered:
        """Send one ping, following up to five redirects; a 302 turns it into a GET."""
        method, url, body = "POST", webhook.delivery_url, f"webhook_id={webhook.id}".encode()
        if not self._allowed(url):
            return Answered(None, REFUSED)
        for _ in range(PING_REDIRECTS + 1):
            answered = await send(method, url, ping_headers(self.store, url, body), body, PING_SECONDS)
            if answered.status not in (301, 302, 303, 307, 308) or not answered.location:
                return answered
            if answered.status not in (307, 308):
                method, body = "GET", b""
            url = urljoin(url, answered.location)
        return Answered(None, "Too many redirects.")

    def _allowed(self, url: str) -> bool:
        """WordPress' rules for outgoing requests, where the store applies them."""
        if not self.store.settings.refuse_unsafe_urls:
            return True
        parts, home = urlsplit(url), urlsplit(self.store.home_url)
        if parts.username or parts.hostname is None:
            return False
        same_host = parts.hostname == home.hostname
        if not same_host and _is_private(parts.hostname):
            return False
        return parts.port in (None, 80, 443, 8080) or (same_host and parts.port == home.port)


def _common(store: Store, url: str) -> list[tuple[str, str]]:
    settings = store.settings
    return [
        ("Host", urlsplit(url).netloc.rpartition("@")[2]),
        ("User-Agent", f"WooCommerce/{settings.wc_version} Hookshot (WordPress/{settings.wp_version})"),
        ("Accept", "*/*"),
        ("Accept-Encoding", "deflate, gzip, br, zstd"),
    ]


def _is_private(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return not address.is_global
