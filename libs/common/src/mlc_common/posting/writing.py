"""How one row of the ledger is written while its document is pursued: every transition fenced, every wait a ``Later``.

A write to the ERP is announced here first, and refused when the process must have been frozen since.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from mlc_common.accounting import HoldReason
from mlc_common.errors import Held, Retryable, Unseen
from mlc_common.posting.gateway import BillingDocument, Plan
from mlc_common.posting.ledger import DocumentRow, IntentChange, OrderLease, State, Step

if TYPE_CHECKING:
    from mlc_common.posting.engine import Engine

_log = structlog.get_logger(__name__)


class Later(Exception):  # noqa: N818 - control flow inside the engine
    """Nothing more can be done for this order for ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class RowWriting:
    """One row within one lease."""

    def __init__(self, engine: Engine, lease: OrderLease, rows: Sequence[DocumentRow], row: DocumentRow) -> None:
        self._engine = engine
        self._gateway = engine.gateway
        self._lease = lease
        self._rows = rows
        self._row = row
        self._announced_at = engine.clock.monotonic()

    @property
    def row(self) -> DocumentRow:
        """The row as it stands now."""
        return self._row

    def _pursued(self) -> tuple[BillingDocument, Plan]:
        if self._row.pursued is None or self._row.plan is None:
            raise RuntimeError(f"{self._row.key} is {self._row.state} and pursues nothing")
        return self._row.pursued, self._row.plan

    async def hold(self, held: Held) -> None:
        """Make the document wait for a person."""
        _log.warning("post.held", document=str(self._row.key), reason=held.reason, detail=held.detail)
        self._row = dataclasses.replace(
            self._row, reason=str(held.reason), detail=held.detail, fix=held.fix, pursued_seq=self._row.newest.seq
        )
        await self._record(Step(State.HELD, "held"), keep_reason=True, attempts=0)

    async def _close(self, state: State, why: str = "") -> None:
        seq = self._row.newest.seq
        await self._record(Step(state, why), intent="clear", settled_seq=seq, pursued_seq=seq, attempts=0, doubted=())

    async def _retry(self, error: Retryable) -> float:
        """Count a try that came to nothing; how long to wait for the next.

        Raises:
            Held: what the ERP calls posted has not been seen for so long that a person must know.
        """
        attempts = self._row.attempts + 1
        if isinstance(error, Unseen) and attempts >= self._engine.settings.unseen_tries:
            raise Held(HoldReason.UNKNOWN_OUTCOME, f"{error}; looked {attempts} times.")
        self._row = dataclasses.replace(self._row, attempts=attempts)
        settings = self._engine.settings
        back_off: float = min(settings.retry_base_s * 2 ** min(attempts - 1, 10), settings.retry_most_s)
        await self._record(keep_reason=True)
        _log.info("post.retry", document=str(self._row.key), attempts=attempts, detail=str(error))
        return max(error.after or 0.0, back_off)

    async def _record(
        self,
        *steps: Step,
        intent: IntentChange = "keep",
        looked: bool = False,
        keep_reason: bool = False,
        **changes: object,
    ) -> None:
        if not keep_reason:
            changes |= {"reason": "", "detail": "", "fix": ""}
        state = steps[-1].state if steps else self._row.state
        row = dataclasses.replace(self._row, state=state, **changes)  # type: ignore[arg-type] # fields by name
        asked_at = self._engine.clock.monotonic()  # before: a process may stand still while the database answers
        self._row = await self._engine.ledger.record(
            self._lease, row, steps, intent=intent, looked=looked, extend_s=self._engine.settings.lease_s
        )
        self._announced_at = asked_at

    def _still_ours(self) -> None:
        """Refuse to send what was announced too long ago: a process that stood still and woke up.

        A successor reckons with a write from its announcement on, so it must leave within ``margin_s`` of it.
        """
        if self._engine.clock.monotonic() - self._announced_at > self._engine.settings.margin_s:
            raise Retryable("stood still after announcing a write; it was not sent")
