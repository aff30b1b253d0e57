"""Where a store is, as a person typed it; the site may lie under a path (``https://shop.example/sub``). Facts §1."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from mlc_common.errors import ConfigurationError

_REST_TAIL = re.compile(r"/wp-json(/.*)?$")
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class StoreAddress:
    """The site's base, without a trailing slash."""

    scheme: str
    host: str
    path: str

    @classmethod
    def parse(cls, text: str) -> StoreAddress:
        """Read an address; one that ends in ``/wp-json/...`` is cut back to the site.

        Raises:
            ConfigurationError: it is not the address of a site.
        """
        try:
            parts = urlsplit(text.strip())
            port = parts.port
        except ValueError:
            raise ConfigurationError("the store's address is not a URL; write it as https://shop.example") from None
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ConfigurationError("the store's address must begin with https:// (or http://) and name a host")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ConfigurationError(
                "the store's address holds more than host and path; put credentials into the connection's secrets"
            )
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
            host = f"{host}:{port}"
        return cls(parts.scheme, host, _REST_TAIL.sub("", parts.path.rstrip("/")).rstrip("/"))

    @property
    def tls(self) -> bool:
        """Whether the store is addressed over https."""
        return self.scheme == "https"

    @property
    def site(self) -> str:
        """The site's own address."""
        return f"{self.scheme}://{self.host}{self.path}"

    @property
    def api(self) -> str:
        """The base of REST API v3."""
        return f"{self.site}/wp-json/wc/v3"
