"""How requests are signed: Basic over https, else the keys in the query, else OAuth 1.0a. Facts §2.

Basic is tried first. Where the store then takes us for a stranger, its host may strip the header, or hide TLS from
WordPress: the other ways are tried once, and the one that works is remembered. Credentials never appear in repr.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, SecretStr

from mlc_vendors.woocommerce.address import StoreAddress
from mlc_vendors.woocommerce.oauth import signed_params

Params = Sequence[tuple[str, str]]


class WooCommerceCredentials(BaseModel):
    """A REST API key of the store; reading needs ``Read``, registering webhooks ``Read/Write``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    consumer_key: SecretStr
    consumer_secret: SecretStr


class AuthMode(StrEnum):
    """The ways to sign a request."""

    BASIC = "basic"
    QUERY = "query"
    OAUTH = "oauth"
    OAUTH_BEHIND_PROXY = "oauth_behind_proxy"
    """OAuth where WordPress does not know that the visitor came over https, and so signs with http."""


_WAYS = {
    "https": (AuthMode.BASIC, AuthMode.QUERY, AuthMode.OAUTH_BEHIND_PROXY),
    "http": (AuthMode.OAUTH,),
}


@dataclass(frozen=True)
class Signed:
    """What a request needs to be let in."""

    params: list[tuple[str, str]] = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    sensitive_query: bool = False


class Authenticator:
    """Signs requests to one store and knows which way works there.

    Args:
        address: Where the store is.
        credentials: Its key.
        mode: The way that worked before, where that is known.
    """

    def __init__(
        self, address: StoreAddress, credentials: WooCommerceCredentials, *, mode: AuthMode | None = None
    ) -> None:
        self._address = address
        self._credentials = credentials
        self._ways = _WAYS[address.scheme]
        self.mode = mode if mode in self._ways else self._ways[0]
        self._all_refused = False
        self._home: StoreAddress | None = None

    def ways(self) -> list[AuthMode]:
        """The ways to try for the next request, the one that works first."""
        if self._all_refused:
            return [self.mode]
        return [self.mode, *(way for way in self._ways if way is not self.mode)]

    def worked(self, mode: AuthMode) -> None:
        """The store knew us by this way."""
        self.mode = mode
        self._all_refused = False

    def all_refused(self) -> None:
        """No way worked: the key is wrong. Until one works, requests are not tried in every way again."""
        self._all_refused = True

    def learn_home(self, home: str) -> None:
        """The store's own idea of its address, which OAuth signatures are made over."""
        self._home = StoreAddress.parse(home)

    def sign(self, mode: AuthMode, method: str, path: str, params: Params, *, store_time: datetime) -> Signed:
        """Sign one request.

        Args:
            mode: The way.
            method: HTTP method.
            path: Below the API's base, with a leading slash.
            params: The query.
            store_time: The time by the store's clock, as well as it is known.
        """
        key = self._credentials.consumer_key.get_secret_value()
        secret = self._credentials.consumer_secret.get_secret_value()
        if mode is AuthMode.BASIC:
            token = base64.b64encode(f"{key}:{secret}".encode()).decode("ascii")
            return Signed(list(params), {"Authorization": f"Basic {token}"})
        if mode is AuthMode.QUERY:
            return Signed([*params, ("consumer_key", key), ("consumer_secret", secret)], sensitive_query=True)
        home = self._home or self._address
        scheme = "http" if mode is AuthMode.OAUTH_BEHIND_PROXY else home.scheme
        url = f"{scheme}://{home.host}{home.path}/wp-json/wc/v3{path}"
        nonce = secrets.token_hex(16)
        return Signed(signed_params(method, url, params, key=key, secret=secret, nonce=nonce, at=store_time))
