"""The one error tree of ml-connector.

ConnectorError                 everything we raise on purpose
├── ConfigurationError         a person must change a setting, a mapping or a credential; retrying is useless
├── Held                       one document cannot go on; a bookkeeper clears it (reason + what to do)
├── Retryable                  try again later, nothing is decided (``after`` seconds where the other side said so)
├── Unconfirmed                we sent a write and do not know whether it took effect: look before anything else
├── Rejected                   the other side understood and refused (``code`` is its own or our class of it)
└── Undecodable                bytes that no reader of ours understands: dead letter

Every error has a stable ``code`` for machines and a message that says what to do for people. Messages never hold
secrets or answer bodies that were not checked (gateways echo forms).
"""

from __future__ import annotations

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
