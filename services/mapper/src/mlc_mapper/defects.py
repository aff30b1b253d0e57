"""A defect of ours holds its order as ``internal_error``, the others go on; twenty in a row stop the mapper.

A bad deploy must not hold everything (architecture §2).
"""

from __future__ import annotations

import structlog

from mlc_common.accounting import HoldReason, command_id, content_digest
from mlc_common.errors import ConnectorError
from mlc_common.events import Command, HeldWish, order_subject
from mlc_mapper.decision import Decision
from mlc_mapper.evolve import evolve
from mlc_mapper.inputs import CommandIssued
from mlc_mapper.mapping import Mapping
from mlc_mapper.state import OrderState
from mlc_mapper.woocommerce.invoices import invoice_key

_log = structlog.get_logger(__name__)

DEFECTS_IN_A_ROW = 20


class TooManyDefects(ConnectorError):  # noqa: N818
    """Event after event fails for no reason of its own; a person must look before anything else is held."""

    code = "too_many_defects"


class Defects:
    """How many decisions in a row have failed."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def none(self) -> None:
        """A decision went through."""
        self._in_a_row = 0

    def held(self, state: OrderState, mapping: Mapping, cause: str, error: str) -> Decision:
        """The decision that holds an order for a defect.

        Args:
            state: The order's state as it was before.
            mapping: The rules in force.
            cause: Id of the event that was decided about.
            error: The kind of the error.

        Raises:
            TooManyDefects: it is the twentieth in a row.
        """
        self._in_a_row += 1
        _log.error("mapper.defect", flow=state.flow, order_id=state.order_id, error=error, exc_info=True)
        if self._in_a_row >= DEFECTS_IN_A_ROW:
            raise TooManyDefects(f"{self._in_a_row} events in a row failed; the last: {error}")
        key, seq = invoice_key(state), state.seq + 1
        wish = HeldWish(reason=HoldReason.INTERNAL_ERROR, detail=f"{error} in the mapper.")
        command = Command(
            command_id=command_id(key, seq),
            document_key=key,
            flow=state.flow,
            order_key=order_subject(state.connection, state.order_id),
            seq=seq,
            kind="invoice",
            wish=wish,
            cause=cause,
            content_digest=content_digest(wish),
            mapping_version=mapping.version,
        )
        return Decision(state=evolve(state, CommandIssued(command)), commands=(command,))
