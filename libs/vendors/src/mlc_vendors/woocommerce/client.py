"""The WooCommerce client: typed calls in, the store's own JSON out, the common error tree for everything else.

It knows nothing of queues, logs or accounting, decides nothing, and repeats no write that could double.
Source: the WooCommerce facts sheet, whose sections (§) the modules cite.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from mlc_common.clock import Clock
from mlc_common.http import CircuitBreaker, HttpClient, HttpObserver, HttpPolicy
from mlc_vendors.woocommerce.address import StoreAddress
from mlc_vendors.woocommerce.auth import Authenticator, AuthMode, WooCommerceCredentials
from mlc_vendors.woocommerce.errors import is_ill
from mlc_vendors.woocommerce.facts import Facts
from mlc_vendors.woocommerce.listing import Listing
from mlc_vendors.woocommerce.reads import Masters, Orders
from mlc_vendors.woocommerce.rest import Rest
from mlc_vendors.woocommerce.webhooks import Webhooks

PAGE_SIZE = 50
"""Slow shops take 1 to 10 s for a page; larger ones run into time limits of their hosts (§19)."""

RATE_PER_S = 4.0
CONNECTIONS = 1
TIMEOUT_S = 60.0
BREAKER_OPEN_S = 30.0


class WooCommerceClient(Orders, Listing, Masters, Webhooks, Facts):
    """One connection to one store.

    Args:
        address: Where it is.
        credentials: Its REST API key.
        http: The HTTP client, made by ``http_client`` or with the same judgement of illness.
        clock: Where time comes from.
        auth_mode: The way of signing that worked before, where that is known.
        page_size: Orders per page of a walk, at most 100.
    """

    def __init__(
        self,
        address: StoreAddress,
        credentials: WooCommerceCredentials,
        *,
        http: HttpClient,
        clock: Clock,
        auth_mode: AuthMode | None = None,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self.address = address
        self._http = http
        self._auth = Authenticator(address, credentials, mode=auth_mode)
        self._rest = Rest(address, self._auth, http=http, clock=clock)
        self._page_size = page_size
        self._secrets_set = {}

    @classmethod
    def open(
        cls,
        url: str,
        credentials: WooCommerceCredentials,
        *,
        clock: Clock,
        name: str = "woocommerce",
        observer: HttpObserver | None = None,
        allow_private: bool = False,
        rate_per_s: float | None = RATE_PER_S,
        timeout_s: float = TIMEOUT_S,
        breaker_open_s: float = BREAKER_OPEN_S,
        auth_mode: AuthMode | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Self:
        """A client with a connection of its own; close it with ``aclose`` or ``async with``.

        Args:
            url: The site's address, with its path; http is allowed where it says http.
            credentials: Its REST API key.
            clock: Where time comes from.
            name: The connection, for metrics and messages.
            observer: Hears of every call, by the endpoint's name.
            allow_private: The store runs in a private network.
            rate_per_s: Requests per second; hosts punish more than 2 to 4. None = no limit (sandbox).
            timeout_s: The longest time of one request.
            breaker_open_s: How long nothing is sent after failures in a row.
            auth_mode: The way of signing that worked before.
            page_size: Orders per page of a walk, at most 100.

        Raises:
            ConfigurationError: the address is not that of a site.
        """
        address = StoreAddress.parse(url)
        http = http_client(
            address,
            clock=clock,
            name=name,
            observer=observer,
            allow_private=allow_private,
            rate_per_s=rate_per_s,
            timeout_s=timeout_s,
            breaker_open_s=breaker_open_s,
        )
        return cls(address, credentials, http=http, clock=clock, auth_mode=auth_mode, page_size=page_size)

    @property
    def auth_mode(self) -> AuthMode:
        """The way of signing in use; worth keeping over restarts."""
        return self._auth.mode

    @property
    def breaker(self) -> CircuitBreaker:
        """Whether the store is reachable."""
        return self._http.breaker

    async def aclose(self) -> None:
        """Close the connection."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def http_client(
    address: StoreAddress,
    *,
    clock: Clock,
    name: str = "woocommerce",
    observer: HttpObserver | None = None,
    allow_private: bool = False,
    rate_per_s: float | None = RATE_PER_S,
    timeout_s: float = TIMEOUT_S,
    breaker_open_s: float = BREAKER_OPEN_S,
) -> HttpClient:
    """An HTTP client with a shop's small budget, for which a refusal in the form of a 500 is no illness (§5, §19)."""
    policy = HttpPolicy(
        timeout_s=timeout_s,
        breaker_open_s=breaker_open_s,
        max_concurrent=CONNECTIONS,
        rate_per_s=rate_per_s,
        burst=max(1, round(rate_per_s or 1)),
        allow_private=allow_private,
        schemes=frozenset({address.scheme}),
    )
    return HttpClient(name, policy, clock=clock, observer=observer, ill=is_ill)
