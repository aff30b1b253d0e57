"""Sessions: password grant with ``database``, refresh, one at a time (§4).

A refused password stops the tenant: trying again could lock the user, so nothing is sent until ``reset``. The form and
bodies of the token endpoint that are not the documented error shape are never quoted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from mlc_common.clock import Clock
from mlc_common.errors import ConnectorError, Retryable, Undecodable
from mlc_common.http import HttpAnswer, SingleFlight
from mlc_vendors.deltek.contract import TenantContract
from mlc_vendors.deltek.credentials import DeltekCredentials
from mlc_vendors.deltek.errors import SignInRefused, UnknownShape, tidy
from mlc_vendors.deltek.sender import Sender

TEMPLATE = "auth.token"


@dataclass(frozen=True)
class Session:
    """A token and when to renew it, in the clock's monotonic seconds."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    renew_at: float


class DeltekAuth:
    """The session of one connection, shared by all its requests."""

    def __init__(
        self, contract: TenantContract, credentials: DeltekCredentials, *, sender: Sender, clock: Clock
    ) -> None:
        self._contract = contract
        self._credentials = credentials
        self._sender = sender
        self._clock = clock
        self._session: Session | None = None
        self._refused: str | None = None
        self._flight: SingleFlight[Session] = SingleFlight()

    async def token(self) -> str:
        """A token that is good for a while.

        Raises:
            SignInRefused: the credentials are refused; nothing more is tried until ``reset``.
            Retryable: the token endpoint cannot be reached.
        """
        session = self._session
        if session is not None and self._clock.monotonic() < session.renew_at:
            return session.access
        return (await self._flight.run(self._renew)).access

    async def renewed(self, stale: str) -> str:
        """Another token than ``stale``, which was answered with 401; by refresh where there is something to refresh.

        A token that somebody else renewed meanwhile is simply taken.
        """
        self.distrust(stale)
        return await self.token()

    async def signed_in(self, stale: str) -> str:
        """Another token than ``stale``, by the password: the refreshed session was refused too."""
        session = self._session
        if session is not None and session.access == stale:
            self._session = None
        return await self.token()

    def distrust(self, stale: str) -> None:
        """Renew before the next request, unless that has happened already."""
        session = self._session
        if session is not None and session.access == stale:
            self._session = Session(session.access, session.refresh, renew_at=float("-inf"))

    def reset(self) -> None:
        """Try the credentials again: a person says that they are right now."""
        self._refused = None
        self._session = None

    async def _renew(self) -> Session:
        if self._refused is not None:
            raise SignInRefused(self._refused)
        old, self._session = self._session, None
        session = await self._keeping(old, self._refresh) if old is not None and old.refresh else None
        self._session = session or await self._sign_in()
        return self._session

    async def _keeping(self, old: Session, refresh: Callable[[Session], Awaitable[Session | None]]) -> Session | None:
        """Run the refresh; where it could not be sent, the old refresh token is still good for the next try."""
        try:
            return await refresh(old)
        except ConnectorError:
            self._session = Session(old.access, old.refresh, renew_at=float("-inf"))
            raise

    async def _refresh(self, old: Session) -> Session | None:
        """A session from the refresh token; None where it is refused (spent, expired, revoked)."""
        auth, form = self._contract.auth, self._contract.auth.form
        fields = {form.grant_type: "refresh_token", form.refresh_token: old.refresh or ""}
        if auth.send_database_on_refresh:
            fields[form.database] = self._credentials.database
        answer = await self._ask(fields)
        return self._session_of(answer) if answer.status == 200 else None

    async def _sign_in(self) -> Session:
        auth, form, credentials = self._contract.auth, self._contract.auth.form, self._credentials
        answer = await self._ask(
            {
                form.username: credentials.username,
                form.password: credentials.password.get_secret_value(),
                form.grant_type: "password",
                form.integrated: auth.integrated_value,
                form.database: credentials.database,
            }
        )
        if answer.status == 200:
            return self._session_of(answer)
        reason = self._reason(answer)
        if reason is None:  # not the tenant speaking: nothing is known about the credentials
            raise Retryable(
                f"something in front of Deltek answered the sign-in with {answer.status}; check the tenant's address"
            )
        self._refused = (
            f"Deltek refuses the sign-in ({reason}); check user, password, database and client of the connection, "
            "then rotate the credentials"
        )
        raise SignInRefused(self._refused)

    async def _ask(self, fields: dict[str, str]) -> HttpAnswer:
        """The token endpoint's verdict: 200, or a refusal below 500.

        Sending the form twice does no harm: at worst a spent refresh token is refused and the password is used.
        """
        form, credentials = self._contract.auth.form, self._credentials
        fields[form.client_id] = credentials.client_id
        fields[form.client_secret] = credentials.client_secret.get_secret_value()
        endpoint = self._contract.auth.token
        answer = await self._sender.request(
            endpoint.method or "POST",
            self._contract.base.url(endpoint.root, endpoint.path),
            headers={"Accept": "application/json"},
            form=fields,
            safe=True,
            template=TEMPLATE,
        )
        if answer.status == 429 or answer.status >= 500:
            raise Retryable(f"Deltek's token endpoint answered {answer.status}; try again later", after=answer.after)
        return answer

    def _session_of(self, answer: HttpAnswer) -> Session:
        body = _object(answer)
        access, refresh = body.get("access_token"), body.get("refresh_token")
        if not isinstance(access, str) or not access:
            raise UnknownShape("Deltek's token endpoint answered 200 without a token; check the tenant's address")
        try:
            lives = float(body.get("expires_in", 0))
        except (TypeError, ValueError):
            lives = 0.0
        # Half of a short life, else every request of such a tenant would renew first.
        margin = min(self._contract.auth.refresh_margin_s, lives / 2)
        renew_at = self._clock.monotonic() + lives - margin
        return Session(access, refresh if isinstance(refresh, str) and refresh else None, renew_at)

    def _reason(self, answer: HttpAnswer) -> str | None:
        """The documented error and its description, unless that echoes what we sent; None for any other body."""
        try:
            body = _object(answer)
        except (Retryable, UnknownShape):
            return None
        if not isinstance(body.get("error"), str):
            return None
        said = [body["error"], body.get("error_description")]
        text = tidy(": ".join(one for one in said if isinstance(one, str)))
        ours = (self._credentials.password, self._credentials.client_secret)
        if any(secret.get_secret_value() in text for secret in ours):
            return f"status {answer.status}"
        return text


def _object(answer: HttpAnswer) -> dict[str, Any]:
    try:
        body = answer.json()
    except Undecodable:
        raise Retryable(
            "Deltek's token endpoint did not answer JSON; something in front of it answers instead"
        ) from None
    if not isinstance(body, dict):
        raise UnknownShape("Deltek's token endpoint answered JSON that is no object; check the tenant's address")
    return body
