"""What the HTTP client raises beyond the common tree; each is a leaf of it, so callers need not know these names.

Retryable
├── CircuitOpen      the breaker is open: nothing was sent, come back after ``after`` seconds
└── Unreachable      no answer, and either nothing was sent or sending again does no harm
Unconfirmed          (as it is) a write may have left and its answer did not come
Undecodable
└── AnswerTooLarge   the answer is larger than the policy allows
ConfigurationError   (as it is) address, port or scheme that this connection may not use
└── UntrustedCertificate  the other side's certificate is not valid; counts for the breaker, since nothing gets through

Messages name the client, the method and the path template or host: never a query, a body or a header.
"""

from __future__ import annotations

from mlc_common.errors import ConfigurationError, Retryable, Undecodable


class CircuitOpen(Retryable):
    """The other side failed too often in a row; it is left alone until ``after`` seconds have passed."""

    code = "circuit_open"


class Unreachable(Retryable):
    """No answer came, and nothing can have happened on the other side that a later attempt would double."""

    code = "unreachable"


class AnswerTooLarge(Undecodable):
    """The answer was cut off at the size limit; ask for smaller pages or raise ``max_response_bytes``."""

    code = "answer_too_large"


class UntrustedCertificate(ConfigurationError):  # noqa: N818 - the words of the field
    """The TLS certificate of the other side is expired, for another host, or of an unknown authority."""

    code = "untrusted_certificate"
