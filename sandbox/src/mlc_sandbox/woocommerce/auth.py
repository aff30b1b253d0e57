"""Who a request comes from: keys by query string or Basic where WordPress sees HTTPS, OAuth 1.0a everywhere.

Unknown keys over HTTPS are no error but an anonymous request; a wrong secret is one. Permissions of a key are checked
before anything else of the request. Facts sheet §2; captures auth-variants and auth-plain-permalink-route.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from mlc_sandbox.woocommerce.errors import Refusal
from mlc_sandbox.woocommerce.settings import ApiKey
from mlc_sandbox.woocommerce.store import Store

OAUTH = ("oauth_consumer_key", "oauth_timestamp", "oauth_nonce", "oauth_signature", "oauth_signature_method")
WINDOW_SECONDS = 15 * 60
ERROR = "woocommerce_rest_authentication_error"


@dataclass(frozen=True)
class Asked:
    """What authentication looks at.

    Args:
        method: After a method override.
        path: Of the URL, without the query.
        query: Name and value pairs, decoded, names as PHP reads them.
        authorization: The header, or empty.
        looks_like_rest: Whether the URI contains ``wp-json/wc/``; else keys are not looked at.
    """

    method: str
    path: str
    query: Mapping[str, str]
    authorization: str
    looks_like_rest: bool


class Auth:
    """The keys of one store.

    Args:
        store: Its settings and clock.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._keys = {key.consumer_key: key for key in store.settings.keys}
        # per key: timestamp -> the last nonce of that second
        self._nonces: dict[str, dict[int, str]] = {}

    def user(self, asked: Asked) -> ApiKey | None:
        """Whose request it is; None = nobody's.

        Raises:
            Refusal: 401 for a wrong secret, signature, time or nonce.
        """
        if not asked.looks_like_rest:
            return None
        key = self._by_secret(asked) if self.store.settings.assume_https else None
        return key or self._by_oauth(asked)

    def _by_secret(self, asked: Asked) -> ApiKey | None:
        name, secret = asked.query.get("consumer_key", ""), asked.query.get("consumer_secret", "")
        if not (name and secret):
            name, secret = _basic(asked.authorization)
        key = self._keys.get(name)
        if key is None:
            return None
        if not hmac.compare_digest(key.consumer_secret.encode(), secret.encode()):
            raise Refusal(401, ERROR, "Consumer secret is invalid.")
        return key

    def _by_oauth(self, asked: Asked) -> ApiKey | None:
        given = {**asked.query, **_oauth_header(asked.authorization)}
        if not given.get("oauth_consumer_key"):
            return None
        missing = [name for name in OAUTH if not given.get(name)]
        if missing:
            plural = "s" if len(missing) > 1 else ""
            text = f"Missing OAuth parameter{plural} {', '.join(missing)}"
            raise Refusal(401, "woocommerce_rest_authentication_missing_parameter", text)
        key = self._keys.get(given["oauth_consumer_key"])
        if key is None:
            raise Refusal(401, ERROR, "Consumer key is invalid.")
        self._check_signature(key, asked, given)
        self._check_time(key, given)
        return key

    def _check_signature(self, key: ApiKey, asked: Asked, given: Mapping[str, str]) -> None:
        hashes = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256}
        algorithm = hashes.get(given["oauth_signature_method"])
        if algorithm is None:
            raise Refusal(401, ERROR, "Invalid signature - signature method is invalid.")
        pairs = sorted((name, value) for name, value in given.items() if name != "oauth_signature")
        joined = "&".join(f"{_encode(name)}={_encode(value)}" for name, value in pairs)
        base = "&".join((asked.method, _encode(self._own_url(asked.path)), _encode(joined)))
        digest = hmac.new(f"{key.consumer_secret}&".encode(), base.encode(), algorithm).digest()
        theirs = unquote(given["oauth_signature"].replace(" ", "+"))
        if not hmac.compare_digest(base64.b64encode(digest).decode(), theirs):
            raise Refusal(401, ERROR, "Invalid signature - provided signature does not match.")

    def _own_url(self, path: str) -> str:
        """The URL that the server signs: its own home address, whatever host the client used."""
        home = self.store.home_url
        scheme, _, rest = home.partition("://")
        authority, _, base = rest.partition("/")
        inside = path.removeprefix(f"/{base}") if base else path
        scheme = scheme if self.store.settings.assume_https else "http"
        return f"{scheme}://{authority}{f'/{base}' if base else ''}{inside}"

    def _check_time(self, key: ApiKey, given: Mapping[str, str]) -> None:
        now = int(self.store.now().timestamp())
        stamp = int(given["oauth_timestamp"]) if given["oauth_timestamp"].isdigit() else 0
        if abs(now - stamp) > WINDOW_SECONDS:
            raise Refusal(401, ERROR, "Invalid timestamp.")
        used = self._nonces.setdefault(key.consumer_key, {})
        if given["oauth_nonce"] in used.values():
            raise Refusal(401, ERROR, "Invalid nonce - nonce has already been used.")
        # Keyed by the second: of several nonces in one second only the last is remembered.
        used[stamp] = given["oauth_nonce"]
        for old in [second for second in used if second < now - WINDOW_SECONDS]:
            del used[old]


def check_permission(key: ApiKey, method: str) -> None:
    """Whether a key may do this at all.

    Raises:
        Refusal: 401, the key has not the permission.
    """
    wanted = "read" if method in ("GET", "HEAD") else "write"
    if key.permissions not in (wanted, "read_write"):
        raise Refusal(401, ERROR, f"The API key provided does not have {wanted} permissions.")


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, secret = base64.b64decode(rest, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, secret


def _oauth_header(authorization: str) -> dict[str, str]:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() != "oauth":
        return {}
    pairs = (part.strip().partition("=") for part in rest.split(","))
    return {name: unquote(value.strip('"')) for name, _, value in pairs if name.startswith("oauth_")}


def _encode(text: str) -> str:
    return quote(text, safe="~")
