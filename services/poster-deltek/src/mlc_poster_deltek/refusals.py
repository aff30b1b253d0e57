"""What Vantagepoint's refusals mean for a document: the hold a bookkeeper reads, or a pause (facts §9).

What the facts sheet calls dead-letter is held here: nothing of a document is ever thrown away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from mlc_common.accounting import HoldReason
from mlc_common.errors import ConfigurationError, Held, Rejected, Retryable
from mlc_vendors.deltek.errors import DuplicateRecord

_log = structlog.get_logger(__name__)

_REASONS = {
    "period": HoldReason.PERIOD_CLOSED,
    "inactive": HoldReason.PROJECT_INACTIVE,
    "rights": HoldReason.RIGHTS_MISSING,
    "ambiguous": HoldReason.FIRM_AMBIGUOUS,
}

_MISCONFIGURED_S = 15.0


def held_for(rejection: str, sentence: str) -> Held:
    """The hold for a class of refusal and the tenant's sentence."""
    return Held(_REASONS.get(rejection, HoldReason.REFUSED_BY_ERP), sentence)


@contextmanager
def as_holds(*, duplicates: bool = False) -> Iterator[None]:
    """Turn refusals of the block into holds.

    A wrong setting of the connection is nobody's document: it is said loudly and tried again in seconds, so that
    everything is kept until a person has mended it.

    Args:
        duplicates: Leave the refusal of a key that is taken as it is, for the engine to look.

    Raises:
        Held: the document is refused.
        DuplicateRecord: only where asked for.
        Retryable: the connection is misconfigured.
    """
    try:
        yield
    except Rejected as refusal:
        if duplicates and isinstance(refusal, DuplicateRecord):
            raise
        raise held_for(refusal.rejection, str(refusal)) from refusal
    except ConfigurationError as error:
        _log.error("deltek.misconfigured", code=error.code, detail=str(error))
        raise Retryable(str(error), after=_MISCONFIGURED_S) from error
