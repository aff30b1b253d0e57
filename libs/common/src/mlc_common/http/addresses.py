"""Which addresses a client may connect to, checked on the address really connected to.

A connection's URL is typed by a person of one tenant; without this it could point into the network that the service
runs in, or at a cloud's metadata service. The name is resolved once, every address of the answer is checked, and the
socket is opened to a checked one, so that a name that changes its mind between check and use gains nothing.
Rule: design `reliability.md`, security points (OWASP SSRF).
"""

from __future__ import annotations

import ipaddress
import socket

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NEVER = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google, DigitalOcean, OpenStack
        "169.254.170.2",  # AWS, credentials of containers
        "169.254.170.23",  # AWS, credentials of pods
        "fd00:ec2::254",  # AWS over IPv6
        "fd00:ec2::23",
        "fd20:ce::254",  # Google over IPv6
        "168.63.129.16",  # Azure, host agent: a public address that is not public
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefusedError(OSError):
    """The address is one that this client may not connect to."""


def check_address(text: str, *, allow_private: bool) -> None:
    """Refuse an address that this client may not connect to.

    Raises:
        AddressRefusedError: metadata service, multicast or unspecified; or not public and ``allow_private`` is False.
    """
    address = _innermost(ipaddress.ip_address(text.partition("%")[0]))
    if address in _NEVER or address.is_multicast or address.is_unspecified:
        raise AddressRefusedError(f"{address} is never allowed")
    if not allow_private and not address.is_global:
        raise AddressRefusedError(f"{address} is not a public address")


def _innermost(address: Address) -> Address:
    """The IPv4 address that an IPv6 form stands for (mapped, 6to4, NAT64), else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inner if inner is not None else address


class CheckedResolver(AbstractResolver):
    """Resolves names and refuses the whole name where one of its addresses is not allowed."""

    def __init__(self, *, allow_private: bool, resolver: AbstractResolver | None = None) -> None:
        self._allow_private = allow_private
        self._resolver = resolver or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Addresses of ``host``, all of them allowed."""
        results = await self._resolver.resolve(host, port, family)
        for result in results:
            check_address(result["host"], allow_private=self._allow_private)
        return results

    async def close(self) -> None:
        """Release the resolver underneath."""
        await self._resolver.close()
