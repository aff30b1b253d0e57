"""The Vantagepoint client: typed calls in, typed rows out, the common error tree for everything else.

It knows nothing of orders, commands, queues or logs, decides nothing about accounting, and repeats no write.
Source: fact sheet of Vantagepoint; every spelling of it comes from the tenant contract.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from mlc_common.clock import Clock
from mlc_common.http import CircuitBreaker, HttpAnswer, HttpClient, HttpObserver, HttpPolicy
from mlc_vendors.deltek.auth import DeltekAuth
from mlc_vendors.deltek.calls import Calls
from mlc_vendors.deltek.contract import TenantContract
from mlc_vendors.deltek.credentials import DeltekCredentials
from mlc_vendors.deltek.errors import is_ill
from mlc_vendors.deltek.hub import Firms, LoginState, Projects
from mlc_vendors.deltek.listing import Listing


class DeltekClient(Firms, Projects, LoginState, Listing):
    """One connection to one tenant.

    Args:
        contract: The tenant's contract, its address included.
        credentials: How to sign in.
        http: The HTTP client, made by ``http_client`` or with the same judgement of illness.
        clock: Where time comes from.
    """

    def __init__(
        self, contract: TenantContract, credentials: DeltekCredentials, *, http: HttpClient, clock: Clock
    ) -> None:
        self.contract = contract
        self._http = http
        self._auth = DeltekAuth(contract, credentials, sender=http, clock=clock)
        self._calls = Calls(contract, self._auth, http)

    @classmethod
    def open(
        cls,
        contract: TenantContract,
        credentials: DeltekCredentials,
        *,
        clock: Clock,
        name: str = "deltek",
        observer: HttpObserver | None = None,
        allow_private: bool = False,
        allow_http: bool = False,
    ) -> Self:
        """A client with connections of its own; close it with ``aclose`` or ``async with``.

        Args:
            contract: The tenant's contract, its address included.
            credentials: How to sign in.
            clock: Where time comes from.
            name: The connection, for metrics and messages.
            observer: Hears of every call, by the contract's endpoint name.
            allow_private: The tenant runs in a private network.
            allow_http: The tenant is addressed without TLS (the sandbox is).
        """
        http = http_client(
            contract,
            clock=clock,
            name=name,
            observer=observer,
            allow_private=allow_private,
            allow_http=allow_http,
        )
        return cls(contract, credentials, http=http, clock=clock)

    @property
    def breaker(self) -> CircuitBreaker:
        """Whether the tenant is reachable: do not lease work while its state is open."""
        return self._http.breaker

    def reset_sign_in(self) -> None:
        """Try refused credentials again, once a person says that they are right."""
        self._auth.reset()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def http_client(
    contract: TenantContract,
    *,
    clock: Clock,
    name: str = "deltek",
    observer: HttpObserver | None = None,
    allow_private: bool = False,
    allow_http: bool = False,
) -> HttpClient:
    """An HTTP client with the tenant's budget, for which a refusal in the form of a 500 is no illness."""
    budget, rate = contract.http, contract.http.max_rps
    policy = HttpPolicy(
        timeout_s=budget.read_timeout_s,
        queue_timeout_s=budget.queue_timeout_s,
        breaker_failures=budget.breaker_failures,
        breaker_open_s=budget.breaker_open_s,
        max_concurrent=budget.max_concurrent,
        rate_per_s=rate,
        burst=max(1, round(rate)) if rate is not None else 1,
        allow_private=allow_private,
        schemes=frozenset({"https", "http"}) if allow_http else frozenset({"https"}),
    )

    def ill(answer: HttpAnswer) -> bool:
        return is_ill(answer, contract.errors)

    return HttpClient(name, policy, clock=clock, observer=observer, ill=ill)
