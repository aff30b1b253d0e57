"""Tokens (facts sheet §4): password grant with a database name, single-use refresh, expiry by time or by calls.

The token endpoint's error body differs from every other: `error` and `error_description`. It must never say in an
error what was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest
from secrets import token_urlsafe
from urllib.parse import parse_qsl

from mlc_sandbox.deltek import refusals
from mlc_sandbox.deltek.tenant import Tenant, User
from mlc_sandbox.deltek.wire import Answer

_FORM = "application/x-www-form-urlencoded"


@dataclass(slots=True)
class AccessToken:
    """A bearer token in use."""

    user: str
    expires: datetime
    calls_left: int | None


class Tokens:
    """Issues and checks the tokens of one tenant."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._access: dict[str, AccessToken] = {}
        self._refresh: dict[str, str] = {}

    def grant(self, media_type: str, body: bytes) -> Answer:
        """Answer `POST token`."""
        form = _read_form(media_type, body)
        kind = form.get("grant_type", "")
        if kind == "password":
            return self._by_password(form)
        if kind == "refresh_token":
            return self._by_refresh(form)
        return Answer({"error": "unsupported_grant_type"}, status=400)

    def user_of(self, authorization: str) -> User:
        """The user behind an Authorization header; spends one call of the token.

        Raises:
            Refusal: 401, there is no valid token in it.
        """
        scheme, _, value = authorization.partition(" ")
        token = self._access.get(value.strip())
        if scheme.lower() != "bearer" or token is None:
            raise refusals.denied()
        if token.expires <= self._tenant.clock.now() or token.calls_left == 0:
            del self._access[value.strip()]
            raise refusals.denied()
        if token.calls_left is not None:
            token.calls_left -= 1
        return self._tenant.users[token.user]

    def revoke(self, *, access: bool = True, refresh: bool = True) -> int:
        """Drop tokens; return how many."""
        dropped = len(self._access) * access + len(self._refresh) * refresh
        if access:
            self._access.clear()
        if refresh:
            self._refresh.clear()
        return dropped

    def _by_password(self, form: Mapping[str, str]) -> Answer:
        if not self._client_is_known(form):
            return Answer({"error": "invalid_client"}, status=400)
        if form.get("database", "") != self._tenant.config.database:
            return _refused("The database is not available for sign-in.")
        user = self._tenant.users.get(form.get("username", ""))
        if user is None or not compare_digest(user.password.encode(), form.get("password", "").encode()):
            return _refused("The sign-in was refused; see the user record.")
        if user.disabled:
            return _refused("This login has been disabled.")
        if user.password_expired:
            return _refused("The password must be updated before signing in.")
        return self._issue(user)

    def _by_refresh(self, form: Mapping[str, str]) -> Answer:
        if not self._client_is_known(form):
            return Answer({"error": "invalid_client"}, status=400)
        if form.get("database", self._tenant.config.database) != self._tenant.config.database:
            return _refused("The database is not available for sign-in.")
        user = self._tenant.users.get(self._refresh.pop(form.get("refresh_token", ""), ""))
        if user is None or user.disabled:
            return _refused("The refresh token is no longer valid.")
        return self._issue(user)

    def _client_is_known(self, form: Mapping[str, str]) -> bool:
        config = self._tenant.config
        return form.get("client_id") == config.client_id and compare_digest(
            form.get("client_secret", "").encode(), config.client_secret.encode()
        )

    def _issue(self, user: User) -> Answer:
        config, now = self._tenant.config, self._tenant.clock.now()
        self._access = {value: token for value, token in self._access.items() if token.expires > now}
        access, refresh = token_urlsafe(48), token_urlsafe(48)
        lifetime = timedelta(seconds=config.token_lifetime_s)
        self._access[access] = AccessToken(user.name, now + lifetime, config.token_calls)
        self._refresh[refresh] = user.name
        return Answer(
            {
                "access_token": access,
                "token_type": "bearer",
                "expires_in": config.token_lifetime_s,
                "refresh_token": refresh,
            }
        )


def _read_form(media_type: str, body: bytes) -> dict[str, str]:
    """The form's fields by lower-case name; letter case of names differs between clients that work."""
    if media_type != _FORM:
        return {}
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name.lower(): value for name, value in pairs}


def _refused(description: str) -> Answer:
    return Answer({"error": "invalid_grant", "error_description": description}, status=400)
