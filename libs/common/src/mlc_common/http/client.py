"""The one resilient HTTP client: every call to an outside system goes through it.

A request is *safe* (may be sent again) or not. Safe ones are retried with jittered back-off; others are sent once, and
whatever leaves their outcome open is ``Unconfirmed``. An answer of any status is returned, the vendor's client
classifies it. Never: redirects, cookies, proxies of the environment, secrets in errors, logs or traces.
Rules: design `architecture.md` §5.5 and §5.9, `reliability.md` (R5, R6, security points).
"""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver

from mlc_common.clock import Clock
from mlc_common.errors import ConfigurationError, ConnectorError, Unconfirmed
from mlc_common.http.addresses import AddressRefusedError
from mlc_common.http.answer import HttpAnswer, Outgoing
from mlc_common.http.breaker import CircuitBreaker
from mlc_common.http.errors import AnswerTooLarge, Unreachable, UntrustedCertificate
from mlc_common.http.limits import Turnstile
from mlc_common.http.observer import HttpObserver, SilentObserver
from mlc_common.http.outgoing import Params, build
from mlc_common.http.pauses import asked_pause
from mlc_common.http.policy import HttpPolicy
from mlc_common.http.tracing import attempt_span
from mlc_common.http.transport import Departure, Wire

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def server_fault(answer: HttpAnswer) -> bool:
    """Whether the answer says that the server is ill, by its status alone."""
    return answer.status >= 500


class HttpClient:
    """One outside system's connections, budget and breaker.

    Args:
        name: Short name for messages and metrics, such as "deltek" or the connection's id.
        policy: Limits.
        clock: Where time and waiting come from.
        observer: Hears of every attempt.
        ill: Whether an answer means that the server is ill: such answers are retried (safe requests only) and count
            for the breaker. A vendor that refuses documents with 500 hands in its own judgement.
        jitter: A number in [0, 1) per back-off.
        resolver: Name look-up, for tests.
        tls: Trust, for tests with their own authority.
    """

    def __init__(
        self,
        name: str,
        policy: HttpPolicy,
        *,
        clock: Clock,
        observer: HttpObserver | None = None,
        ill: Callable[[HttpAnswer], bool] = server_fault,
        jitter: Callable[[], float] = random.random,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self.policy = policy
        self.breaker = CircuitBreaker(name, failures=policy.breaker_failures, open_s=policy.breaker_open_s, clock=clock)
        self._clock = clock
        self._observer = observer or SilentObserver()
        self._ill = ill
        self._jitter = jitter
        self._turnstile = Turnstile(policy, clock)
        self._wire = Wire(policy, resolver=resolver, tls=tls)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Params | None = None,
        content: bytes | None = None,
        form: Mapping[str, str] | None = None,
        safe: bool | None = None,
        timeout_s: float | None = None,
        sensitive_query: bool = False,
        template: str = "",
    ) -> HttpAnswer:
        """Send a request and return its complete answer, whatever the status.

        Args:
            method: HTTP method.
            url: Absolute URL; its own query is kept, ``params`` are added to it.
            headers: Added to ours; theirs win.
            params: Query, encoded here.
            content: Body as it is.
            form: Body as ``application/x-www-form-urlencoded``; instead of ``content``.
            safe: Whether sending twice does no harm; default by method.
            timeout_s: Longest time of one attempt, instead of the policy's.
            sensitive_query: The query holds credentials: refused without TLS, except to this machine itself.
            template: The endpoint's name for metrics, traces and messages; default the path in messages only.

        Raises:
            ConfigurationError: URL, address, port or certificate that this connection may not use.
            CircuitOpen: the breaker is open; nothing was sent.
            Retryable: nothing was sent, or (safe) no attempt was answered.
            Unconfirmed: not safe, may have left, and no complete answer came.
            AnswerTooLarge: (safe) the answer is larger than the policy allows.
        """
        request = build(
            method, url, policy=self.policy, headers=headers, params=params, content=content, form=form,
            sensitive_query=sensitive_query,
        )  # fmt: skip
        outgoing = Outgoing(
            request=request,
            template=template,
            safe=request.method in SAFE_METHODS if safe is None else safe,
            timeout_s=timeout_s or self.policy.timeout_s,
        )
        return await self._send_until_answered(outgoing)

    async def _send_until_answered(self, outgoing: Outgoing) -> HttpAnswer:
        attempts = self.policy.max_attempts if outgoing.safe else 1
        for attempt in range(1, attempts + 1):
            answer: HttpAnswer | None = None
            try:
                answer = await self._observed_attempt(outgoing, resend=attempt - 1)
            except Unreachable:
                if attempt == attempts:
                    raise
            if answer is not None and (attempt == attempts or not self._worth_another(answer)):
                return answer
            wait = self._back_off(attempt, answer)
            if answer is not None and wait > self.policy.retry_max_s:
                return answer  # it says when to come back: the caller's queue waits better than this call
            await self._clock.sleep(wait)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _worth_another(self, answer: HttpAnswer) -> bool:
        return answer.status == 429 or self._ill(answer)

    def _back_off(self, attempt: int, answer: HttpAnswer | None) -> float:
        """Full jitter over a doubling range, on top of what the server asked for."""
        ceiling = min(self.policy.retry_max_s, self.policy.retry_base_s * 2 ** (attempt - 1))
        asked = answer.after if answer is not None else None
        return self._jitter() * ceiling if asked is None else asked

    async def _observed_attempt(self, outgoing: Outgoing, *, resend: int) -> HttpAnswer:
        started, outcome = self._clock.monotonic(), "cancelled"
        with attempt_span(self.name, outgoing, resend) as span:
            try:
                probe = self.breaker.enter()
                answer = await self._attempt(outgoing, probe=probe)
                outcome = str(answer.status)
                span.answered(answer.status)
                return answer
            except ConnectorError as error:
                outcome = error.code
                span.failed(error.code)
                raise
            finally:
                self._observer.attempted(
                    client=self.name, method=outgoing.request.method, template=outgoing.template, outcome=outcome,
                    seconds=self._clock.monotonic() - started,
                )  # fmt: skip

    async def _attempt(self, outgoing: Outgoing, *, probe: bool) -> HttpAnswer:
        settled = False
        try:
            async with self._turnstile.turn():
                try:
                    answer = await self._exchange(outgoing)
                except (Unreachable, Unconfirmed, UntrustedCertificate):
                    settled = True
                    self.breaker.failed()
                    raise
            settled = True
            (self.breaker.failed if self._ill(answer) else self.breaker.succeeded)()
            return answer
        finally:
            if not settled:
                self.breaker.abandoned(probe=probe)

    async def _exchange(self, outgoing: Outgoing) -> HttpAnswer:
        departure = Departure()
        try:
            async with asyncio.timeout(outgoing.timeout_s):
                status, headers, content = await self._wire.exchange(outgoing.request, departure)
        except AnswerTooLarge as error:
            if outgoing.safe:
                raise
            raise self._unconfirmed(outgoing, error) from None
        except (httpx.HTTPError, httpx.StreamError, aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._failure(outgoing, error, departure) from None
        after = asked_pause(status, headers, self._clock.now())
        if after is not None:
            self._turnstile.bucket.pause(after)
        return HttpAnswer(status, headers, content, outgoing.request.url.path, after)

    def _failure(self, outgoing: Outgoing, error: Exception, departure: Departure) -> ConnectorError:
        host = outgoing.request.url.host
        causes = _chain(error)
        refused = next((cause for cause in causes if isinstance(cause, AddressRefusedError)), None)
        if refused is not None:
            return ConfigurationError(
                f"{self.name}: {host} may not be connected to: {refused}. For a system on premises allow private "
                "addresses on this connection: allow_private=true"
            )
        if any(isinstance(cause, aiohttp.InvalidURL) for cause in causes):
            return ConfigurationError(f"{self.name}: {host} is not a host name or address; check the connection")
        if any(isinstance(cause, ssl.SSLCertVerificationError | ssl.CertificateError) for cause in causes):
            return UntrustedCertificate(f"{self.name}: the TLS certificate of {host} is not valid; it must be renewed")
        if departure.may_have_left and not outgoing.safe:
            return self._unconfirmed(outgoing, error)
        kind = type(causes[-1]).__name__
        return Unreachable(f"{self.name}: {outgoing.name} was not answered ({kind}); try again later")

    def _unconfirmed(self, outgoing: Outgoing, error: Exception) -> Unconfirmed:
        kind = type(_chain(error)[-1]).__name__
        return Unconfirmed(
            outgoing.name, f"{self.name}: {outgoing.name} was sent and not answered ({kind}); look before sending again"
        )

    async def aclose(self) -> None:
        """Close every connection; the client cannot be used afterwards."""
        await self._wire.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what caused it, outermost first."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    return chain
