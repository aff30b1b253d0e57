"""The one error tree of ml-connector.

ConnectorError                 everything we raise on purpose
├── ConfigurationError         a person must change a setting, a mapping or a credential; retrying is useless
├── Held                       one document cannot go on; a bookkeeper clears it (reason + what to do)
├── Retryable                  try again later, nothing is decided (``after`` seconds where the other side said so)
│   ├── ServerUnreachable      our own Kafka or PostgreSQL does not answer; names the address and the setting
│   └── Unseen                 the other side said that it took effect, and does not show it (yet)
├── Unconfirmed                we sent a write and do not know whether it took effect: look before anything else
├── Rejected                   the other side understood and refused (``code`` is its own or our class of it)
└── Undecodable                bytes that no reader of ours understands: dead letter

Every error has a stable ``code`` for machines and a message that says what to do for people. Messages never hold
secrets or answer bodies that were not checked (gateways echo forms).
"""

from __future__ import annotations

import socket
import ssl
from typing import ClassVar


class ConnectorError(Exception):
    """Root of everything we raise on purpose."""

    code: ClassVar[str] = "connector_error"


class ConfigurationError(ConnectorError):
    """A person must change something before this can work."""

    code = "configuration"


class Held(ConnectorError):  # noqa: N818 - the word of the field, a state rather than a fault
    """This one document waits for a person.

    Args:
        reason: A member of the closed list ``mlc_common.accounting.holds.HoldReason`` (its value).
        detail: What exactly is wrong, for the bookkeeper, without personal data that the document does not need.
        fix: What to do about it; empty = the remedy of the reason.
    """

    code = "held"

    def __init__(self, reason: str, detail: str, *, fix: str = "") -> None:
        super().__init__(f"{reason}: {detail}" + (f" {fix}" if fix else ""))
        self.reason = reason
        self.detail = detail
        self.fix = fix


class Retryable(ConnectorError):  # noqa: N818
    """Nothing is decided; try again, not before ``after`` seconds where the other side named a time."""

    code = "retryable"

    def __init__(self, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class ServerUnreachable(Retryable, ConnectionError):  # noqa: N818
    """Our own Kafka or PostgreSQL does not answer; the message names the address and the setting that gave it.

    Also the ConnectionError that it stands for: who waits for a server to come back need not know both.
    """

    code = "unreachable"


class Unseen(Retryable):
    """The other side said that something took effect, and does not show it: late at first, for a person in the end."""

    code = "unseen"


class Unconfirmed(ConnectorError):  # noqa: N818
    """A write was sent and its outcome is unknown. Look for ``reference`` before doing anything else."""

    code = "unconfirmed"

    def __init__(self, reference: str, message: str) -> None:
        super().__init__(message)
        self.reference = reference


class Rejected(ConnectorError):  # noqa: N818
    """The other side understood the request and refused it; the same request will be refused again."""

    code = "rejected"

    def __init__(self, rejection: str, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.rejection = rejection
        self.status = status


class Undecodable(ConnectorError):  # noqa: N818
    """Bytes that no reader of ours understands."""

    code = "undecodable"


_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (ConnectionRefusedError, "nothing listens there"),
    (socket.gaierror, "the name of the host is not known"),
    (ssl.SSLCertVerificationError, "its certificate is not trusted"),
    (ssl.SSLError, "TLS fails"),
    (TimeoutError, "no answer in time"),
    (ConnectionError, "the connection was cut"),
)


def in_words(error: BaseException) -> str:
    """What a failed connection means, for people; never the error's own text: it may hold an address with password."""
    return next((words for kind, words in _WORDS if isinstance(error, kind)), type(error).__name__)
