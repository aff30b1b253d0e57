"""Builds a request from what a vendor's client asks for, and refuses what the policy does not allow.

Nothing here says a query, a header's value or a body in an error.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlencode

import httpx

from mlc_common.errors import ConfigurationError
from mlc_common.http.policy import HttpPolicy

_DEFAULT_PORTS = {"https": 443, "http": 80}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

Params = Mapping[str, str] | list[tuple[str, str]] | tuple[tuple[str, str], ...]


def build(
    method: str,
    url: str,
    *,
    policy: HttpPolicy,
    headers: Mapping[str, str] | None,
    params: Params | None,
    content: bytes | None,
    form: Mapping[str, str] | None,
    sensitive_query: bool,
) -> httpx.Request:
    """The request, allowed by the policy.

    Raises:
        ConfigurationError: the URL or a header cannot be sent, or the policy forbids it.
    """
    if content is not None and form is not None:
        raise ValueError("a request has one body: content or form")
    text = _with_query(url, params) if params else url
    target = _checked_url(text, policy=policy, sensitive_query=sensitive_query)
    timeout = {"connect": policy.connect_timeout_s, "pool": policy.connect_timeout_s, "read": None, "write": None}
    return httpx.Request(
        method.upper(),
        target,
        headers=_headers(headers, policy),
        content=content,
        data=dict(form) if form is not None else None,
        extensions={"timeout": timeout},
    )


def _with_query(url: str, params: Params) -> str:
    """The URL with these parameters behind its own, as one text: parsing twice would cost more than sending."""
    address = url.partition("#")[0]
    return f"{address}{'&' if '?' in address else '?'}{urlencode(params)}"


def _checked_url(text: str, *, policy: HttpPolicy, sensitive_query: bool) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, TypeError):
        raise ConfigurationError("the address of the connection is not a URL; check it") from None
    if url.scheme not in policy.schemes or not url.host:
        allowed = " or ".join(sorted(policy.schemes))
        raise ConfigurationError(f"the address must start with {allowed}:// and name a host; check the connection")
    if url.userinfo:
        raise ConfigurationError("the address holds a user name or password; put credentials into the connection")
    port = url.port or _DEFAULT_PORTS.get(url.scheme)
    if policy.allowed_ports is not None and port not in policy.allowed_ports:
        raise ConfigurationError(f"port {port} of {url.host} is not allowed for this connection")
    if sensitive_query and url.scheme != "https" and not _is_loopback(url.host):
        raise ConfigurationError(f"credentials in a query need https, but {url.host} is addressed without")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _headers(given: Mapping[str, str] | None, policy: HttpPolicy) -> dict[str, str]:
    headers = {"User-Agent": policy.user_agent, "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
    for name, value in (given or {}).items():
        if _CONTROL.search(name) or _CONTROL.search(value):
            raise ConfigurationError(f"header {name!r} holds a control character; check the credential it is made from")
        for known in [known for known in headers if known.lower() == name.lower()]:
            del headers[known]
        headers[name] = value
    return headers
