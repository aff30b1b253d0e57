"""OAuth 1.0a without a token, as WooCommerce checks it on plain HTTP: HMAC-SHA256 over method, URL and query. Facts §2.

Pure. Differences from RFC 5849: the signing key ends in ``&`` with nothing behind it, a JSON body is no part of it, and
the URL is the one that the *store* thinks it has (its home URL and the path of the request).
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

Params = Sequence[tuple[str, str]]


def signed_params(
    method: str, url: str, params: Params, *, key: str, secret: str, nonce: str, at: datetime
) -> list[tuple[str, str]]:
    """The query with its signature.

    Args:
        method: HTTP method.
        url: As the store sees it, without a query.
        params: The query; no name may stand twice, arrays are written out (``status[0]``).
        key: Consumer key.
        secret: Consumer secret.
        nonce: Used once.
        at: Within 15 minutes of the store's clock.
    """
    unsigned = [
        *params,
        ("oauth_consumer_key", key),
        ("oauth_nonce", nonce),
        ("oauth_signature_method", "HMAC-SHA256"),
        ("oauth_timestamp", str(int(at.timestamp()))),
    ]
    digest = hmac.digest(f"{secret}&".encode(), base_string(method, url, unsigned).encode(), "sha256")
    return [*unsigned, ("oauth_signature", base64.b64encode(digest).decode("ascii"))]


def base_string(method: str, url: str, params: Params) -> str:
    """What is signed: sorted by the bytes of the names, each name and value encoded, then the whole encoded again."""
    pairs = sorted(params, key=lambda pair: pair[0].encode())
    query = "&".join(f"{_encode(name)}={_encode(value)}" for name, value in pairs)
    return "&".join((method.upper(), _encode(url), _encode(query)))


def _encode(text: str) -> str:
    return quote(text, safe="~")
