"""What Vantagepoint's refusals mean: by their sentence first, then by status, because refusals of documents come as 400
or as 500 with a readable sentence (§9). Sentences live in the tenant contract.

Rejected
├── DuplicateRecord    the key exists: look it up and compare before anything else
├── ValidationRefused  the document's own fault; the same document will be refused again
├── PeriodClosed       the period takes no entries (for this role)
├── RecordInactive     project or firm is dormant or inactive
├── RightsMissing      the role lacks the right: a whole kind of operation is stopped
├── RecordAbsent       what was to be changed or removed is not there
├── RecordAmbiguous    several records have the key that should be unique
└── ServerFault        a null-reference fault: a required relation is missing, retrying is useless
ConfigurationError
├── SignInRefused      credentials refused; trying again could lock the user
├── LookupMismatch     rows that do not match what was asked: neither hit nor miss
├── UnknownShape       JSON of a form that nobody has seen
└── EndpointMissing    the tenant has no such address (version, root or contract)
Retryable, Unconfirmed (as they are)  throttled, ill, or a write whose outcome is open

A message quotes the tenant's sentence only where it came in the documented JSON shape; gateways echo what was sent.
"""

from __future__ import annotations

import re
from typing import Any

from mlc_common.errors import ConfigurationError, ConnectorError, Rejected, Retryable, Unconfirmed, Undecodable
from mlc_common.http import HttpAnswer
from mlc_vendors.deltek.contract import Refusals

_LONGEST_SENTENCE = 300
_BREAK = re.compile(r"<br\s*/?>|\[CRLF\]|\r?\n", re.IGNORECASE)


class DeltekRejected(Rejected):
    """A refusal by Vantagepoint; ``rejection`` is the stable class."""

    kind = "rejected"

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(self.kind, message, status=status)


class DuplicateRecord(DeltekRejected):
    """A record with this key exists."""

    kind = "duplicate"


class ValidationRefused(DeltekRejected):
    """The document itself is refused."""

    kind = "validation"


class PeriodClosed(DeltekRejected):
    """The fiscal period takes no entries."""

    kind = "period"


class RecordInactive(DeltekRejected):
    """A project, firm or code is not active."""

    kind = "inactive"


class RightsMissing(DeltekRejected):
    """The API user's role may not do this."""

    kind = "rights"


class RecordAbsent(DeltekRejected):
    """There is no record with this key."""

    kind = "absent"


class RecordAmbiguous(DeltekRejected):
    """More than one record has a key that should be unique."""

    kind = "ambiguous"


class ServerFault(DeltekRejected):
    """A fault that every repetition meets again."""

    kind = "server_fault"


class SignInRefused(ConfigurationError):  # noqa: N818 - says what happened, like the tree it extends
    """The tenant refuses the credentials."""

    code = "sign_in_refused"


class LookupMismatch(ConfigurationError):  # noqa: N818 - says what happened, like the tree it extends
    """The tenant answered rows that do not match what was asked (it ignores what it does not know)."""

    code = "lookup_mismatch"


class TooManyRows(LookupMismatch):
    """A look-up found more rows than one of ours can have: narrow it."""

    code = "too_many_rows"


class UnknownShape(ConfigurationError):  # noqa: N818 - says what happened, like the tree it extends
    """An answer of a form that the client does not know."""

    code = "unknown_shape"


class EndpointMissing(ConfigurationError):  # noqa: N818 - says what happened, like the tree it extends
    """The tenant does not have this address."""

    code = "endpoint_missing"


_BY_TEXT: tuple[tuple[str, type[DeltekRejected]], ...] = (
    ("duplicate", DuplicateRecord),
    ("validation", ValidationRefused),
    ("permanent_server", ServerFault),
    ("period", PeriodClosed),
    ("inactive", RecordInactive),
)


def refusal_of(text: str, sentences: Refusals) -> type[DeltekRejected] | None:
    """The class of a refusal's sentence, or None where no known sentence is in it."""
    folded = text.casefold()
    for name, kind in _BY_TEXT:
        if any(sentence.casefold() in folded for sentence in getattr(sentences, name)):
            return kind
    return None


def sentence_of(answer: HttpAnswer) -> str:
    """What the answer says in its documented shape ``{"message", "detail"}``, else nothing."""
    try:
        body = answer.json()
    except Undecodable:
        return ""
    return _sentence(body)


def _sentence(body: Any) -> str:
    if not isinstance(body, dict):
        return ""
    by_name = {str(name).lower(): value for name, value in body.items()}
    said = [by_name.get(name) for name in ("message", "detail")]
    return tidy("\n".join(text for text in said if isinstance(text, str)))


def tidy(text: str) -> str:
    """One line: problems come joined by ``<BR/>`` and the same sentence twice (§6)."""
    parts = dict.fromkeys(part.strip() for part in _BREAK.split(text) if part.strip())
    return "; ".join(parts)[:_LONGEST_SENTENCE]


def is_ill(answer: HttpAnswer, sentences: Refusals) -> bool:
    """Whether an answer says that the server is ill, rather than that it refuses a document with 500."""
    return answer.status >= 500 and refusal_of(sentence_of(answer), sentences) is None


def is_absence(answer: HttpAnswer, sentences: Refusals) -> bool:
    """Whether a look-up's answer says that there is no such record (assumed A5).

    A 404 page of a gateway, or of a tenant that has no such address, proves nothing about the record.
    """
    said = sentence_of(answer).casefold()
    if any(sentence.casefold() in said for sentence in sentences.absent):
        return True
    return answer.status == 404 and (said != "" or not answer.content.strip()) and not _no_endpoint(said, sentences)


def error_of(answer: HttpAnswer, sentences: Refusals, *, what: str, reference: str | None) -> ConnectorError:
    """The error that an answer outside 2xx means.

    Args:
        answer: The answer.
        sentences: The contract's refusals.
        what: The operation, for the message.
        reference: What to look for if the outcome is open; None = it was a read.
    """
    said, status = sentence_of(answer), answer.status
    known = refusal_of(said, sentences)
    if status < 400:
        return EndpointMissing(f"Deltek answered {what} with {status}; check the address of the connection")
    if known is not None:
        return known(f"Deltek refused {what}: {said}", status=status)
    if status >= 500:
        if reference is None:
            return Retryable(f"Deltek failed at {what} with {status}; try again later", after=answer.after)
        return Unconfirmed(
            reference, f"Deltek failed at {what} with {status}; look for {reference} before anything else"
        )
    return _by_status(answer, sentences, what=what, said=said)


def _by_status(answer: HttpAnswer, sentences: Refusals, *, what: str, said: str) -> ConnectorError:
    status, reason = answer.status, said or "no reason given"
    if status == 404 or is_absence(answer, sentences):
        return _not_found(answer, sentences, what=what, said=said)
    if status == 429:
        return Retryable(f"Deltek asks for a pause at {what}", after=answer.after)
    if status == 401:
        return SignInRefused(f"Deltek does not accept the session at {what}; check the API user of the connection")
    if status == 403:
        return RightsMissing(f"Deltek refused {what}: the role of the API user lacks the right ({reason})", status=403)
    if status == 409:
        return DuplicateRecord(f"Deltek reports a conflict at {what}: {reason}", status=409)
    return ValidationRefused(f"Deltek refused {what} with {status}: {reason}", status=status)


def _not_found(answer: HttpAnswer, sentences: Refusals, *, what: str, said: str) -> ConnectorError:
    if _no_endpoint(said.casefold(), sentences):
        return EndpointMissing(f"Deltek has no address for {what}; check base and endpoints of the tenant contract")
    if is_absence(answer, sentences):
        return RecordAbsent(f"Deltek has no record for {what}", status=answer.status)
    return Retryable(f"something in front of Deltek answered {what} with 404; check the address, else try again later")


def _no_endpoint(said: str, sentences: Refusals) -> bool:
    return any(sentence.casefold() in said for sentence in sentences.no_endpoint)
