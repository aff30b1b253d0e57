"""What WooCommerce answers, as errors; by ``code`` and status, never by message (it is translated). Facts §5.

ConfigurationError
├── CredentialsRefused   401: unknown key, wrong secret, key without the permission, or the host strips the header
├── RightsMissing        403: the key's user may not do this
├── RouteMissing         no such route: no pretty permalinks, WooCommerce switched off, or too old
└── Moved                the store redirects: the connection's address is not the store's own
Retryable
├── StoreIll             429, 5xx
├── Blocked              a firewall or maintenance page answered instead of the store
├── NotJson              200, but a login page, a captcha, PHP notices before the JSON, a byte order mark
└── StaleAnswer          a cache answered with an old copy
Rejected                 (as it is) the store understood and refused; ``rejection`` is its code
└── NotFound             no such object
Unconfirmed              (as it is) a write was answered in a way that leaves its effect open

Messages name the endpoint and the store's code: never a body, a query or a header, except the host of a redirect.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from mlc_common import exactjson
from mlc_common.errors import ConfigurationError, ConnectorError, Rejected, Retryable, Unconfirmed, Undecodable
from mlc_common.http import HttpAnswer


class CredentialsRefused(ConfigurationError):  # noqa: N818 - names what happened, as its siblings do
    """The store does not accept the consumer key and secret."""

    code = "credentials_refused"


class RightsMissing(ConfigurationError):  # noqa: N818
    """The user of the consumer key may not do this."""

    code = "rights_missing"


class RouteMissing(ConfigurationError):  # noqa: N818
    """The store has no such endpoint."""

    code = "route_missing"


class Moved(ConfigurationError):  # noqa: N818
    """The store answers with a redirect."""

    code = "moved"


class StoreIll(Retryable):
    """The store fails or asks for fewer requests."""

    code = "store_ill"


class Blocked(Retryable):
    """Something in front of the store answered."""

    code = "blocked"


class NotJson(Retryable):
    """Status 200, but no JSON."""

    code = "not_json"


class StaleAnswer(Retryable):
    """A cache answered with an old copy."""

    code = "stale_answer"


class NotFound(Rejected):
    """The store has no such object (any more)."""

    code = "not_found"


_CODE = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_UNAUTHENTICATED = re.compile(r"woocommerce_rest_cannot_\w+")
_BLOCKED = frozenset({403, 406, 418, 451})
# Refusals of one request that come with a status of a broken server.
_REFUSED_WITH_5XX = frozenset(
    {
        "woocommerce_rest_invalid_order_id",
        "woocommerce_rest_cannot_create_order_refund",
        "woocommerce_rest_trash_not_supported",
    }
)


def code_of(answer: HttpAnswer) -> str:
    """The store's error code; empty where the body is not one of its errors."""
    try:
        value = exactjson.loads(answer.content)
    except Undecodable:
        return ""
    code = value.get("code") if isinstance(value, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""


def header_unseen(answer: HttpAnswer) -> bool:
    """Whether the store took us for a stranger: an unknown key, or a host that strips ``Authorization`` (§2)."""
    return answer.status == 401 and bool(_UNAUTHENTICATED.fullmatch(code_of(answer)))


def signature_refused(answer: HttpAnswer) -> bool:
    """Whether the store looked at the credentials and refused them: signature, time, nonce or secret (§2)."""
    return answer.status == 401 and code_of(answer).startswith("woocommerce_rest_authentication")


def is_ill(answer: HttpAnswer) -> bool:
    """Whether an answer says that the store is ill: worth another try, and counted by the circuit breaker."""
    if answer.status >= 500:
        return code_of(answer) not in _REFUSED_WITH_5XX
    return 200 <= answer.status < 300 and not looks_like_json(answer.content)


def looks_like_json(content: bytes) -> bool:
    """Whether a body begins as the store's JSON does."""
    return content.lstrip()[:1] in (b"{", b"[")


def refusal(answer: HttpAnswer, what: str, *, safe: bool) -> ConnectorError | None:
    """The error that an answer stands for; None for 2xx.

    Args:
        answer: The answer.
        what: Method and endpoint, for the message.
        safe: Whether sending the request again does no harm.
    """
    status = answer.status
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return _moved(answer, what)
    code = code_of(answer)
    if status == 429 or (status >= 500 and code not in _REFUSED_WITH_5XX):
        return _ill(answer, what, safe=safe)
    if status == 401:
        return _unauthorised(code, what)
    if not code:
        return _without_code(status, what)
    return _of_code(status, code, what)


def _moved(answer: HttpAnswer, what: str) -> Moved:
    target = urlsplit(answer.headers.get("location", ""))
    to = f" to {target.scheme}://{target.hostname}" if target.scheme and target.hostname else ""
    return Moved(f"{what}: the store redirects{to}; give the connection the address that the store itself uses")


def _ill(answer: HttpAnswer, what: str, *, safe: bool) -> ConnectorError:
    if safe or answer.status == 429:  # nothing is done by what was not let in
        return StoreIll(f"{what}: the store answered {answer.status}; trying again later", after=answer.after)
    return Unconfirmed(what, f"{what}: the store answered {answer.status}; look before sending again")


def _unauthorised(code: str, what: str) -> CredentialsRefused:
    if code.startswith("woocommerce_rest_authentication"):
        return CredentialsRefused(
            f"{what}: the store refuses the consumer secret, or the key lacks the permission; make a key with "
            "Read/Write under WooCommerce > Settings > Advanced > REST API and store it in the connection"
        )
    if code:
        return CredentialsRefused(
            f"{what}: the store does not know the consumer key, or its host strips credentials from requests; check "
            "the key, and that the address begins with https:// as the store's own does"
        )
    return CredentialsRefused(
        f"{what}: the store's host asks for a password of its own before the store answers; it must let "
        "/wp-json/ through"
    )


def _without_code(status: int, what: str) -> ConnectorError:
    if status == 404:
        return RouteMissing(
            f"{what}: the store has no REST API at this address; check the address, that WooCommerce is active, and "
            "that Settings > Permalinks is not set to Plain"
        )
    if status in _BLOCKED:
        return Blocked(
            f"{what}: something in front of the store answered {status}; if it stays, its firewall must allow us"
        )
    return Rejected(f"http_{status}", f"{what}: refused with status {status} and no reason", status=status)


def _of_code(status: int, code: str, what: str) -> ConnectorError:
    if code == "rest_no_route":
        return RouteMissing(
            f"{what}: this store has no such endpoint; WooCommerce is switched off there, or too old for it"
        )
    if status == 403:
        return RightsMissing(
            f"{what}: the user of the consumer key may not do this ({code}); it must be a shop manager or administrator"
        )
    if code.endswith("_invalid_id") or code == "woocommerce_rest_invalid_order_id":
        return NotFound(code, f"{what}: the store has no such object ({code})", status=status)
    return Rejected(code, f"{what}: the store refuses the request ({code})", status=status)


def not_json(content: bytes, what: str, *, safe: bool) -> ConnectorError:
    """The error for a 2xx answer without JSON."""
    if not safe:
        return Unconfirmed(what, f"{what}: the store's answer is no JSON; look before sending again")
    begins = content.lstrip()[:400].lower()
    if content.startswith(b"\xef\xbb\xbf"):
        cause = "begins with a byte order mark; a file of the theme or a plugin was saved with one"
    elif b"notice</b>" in begins or b"warning</b>" in begins or b"deprecated</b>" in begins:
        cause = "begins with messages of PHP; switch WP_DEBUG_DISPLAY off there"
    elif begins.startswith(b"<"):
        cause = "is a web page (log-in, captcha or maintenance); its host must let /wp-json/ through"
    else:
        cause = "is no JSON"
    return NotJson(f"{what}: the store's answer {cause}; trying again later")
