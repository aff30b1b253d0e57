"""What an operator sees of one connection: documents by state, holds by reason, the breaker and the outbox."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from mlc_common.clock import Clock
from mlc_common.events import Topics
from mlc_common.http import CircuitBreaker
from mlc_common.posting.ledger import DocumentRow, IntentChange, OrderLease, State, Step
from mlc_common.posting.store import PostgresLedger
from mlc_common.store.pool import UNAVAILABLE, Pool
from mlc_common.telemetry.metrics import BREAKER_STATES, MetricsRegistry
from mlc_poster_deltek import store

_log = structlog.get_logger(__name__)

_EVERY_S = 5.0


class CountingLedger(PostgresLedger):
    """The ledger, counting each document that begins to wait for a person once it is written."""

    def __init__(
        self, pool: Pool, topics: Topics, clock: Clock, *, producer: str, metrics: MetricsRegistry, connection: str
    ) -> None:
        super().__init__(pool, topics, clock, producer=producer)
        self._metrics = metrics
        self._connection = connection

    async def record(
        self,
        lease: OrderLease,
        row: DocumentRow,
        steps: Sequence[Step],
        *,
        intent: IntentChange = "keep",
        looked: bool = False,
        extend_s: float,
    ) -> DocumentRow:
        """See ``Ledger``."""
        stored = await super().record(lease, row, steps, intent=intent, looked=looked, extend_s=extend_s)
        if any(step.state is State.HELD for step in steps):
            self._metrics.holds.labels(self._connection, row.reason).inc()
        return stored


class Gauges:
    """Shows the state of one connection until cancelled; the breaker's at the moment when it is asked for."""

    def __init__(
        self,
        metrics: MetricsRegistry,
        pool: Pool,
        clock: Clock,
        breaker: CircuitBreaker,
        *,
        connection: str,
        producer: str,
    ) -> None:
        metrics.breaker_state.labels(connection).set_function(lambda: BREAKER_STATES[breaker.state])
        self._metrics = metrics
        self._pool = pool
        self._clock = clock
        self._connection = connection
        self._producer = producer

    async def run(self) -> None:
        """Refresh every few seconds; a database that is away leaves the last figures."""
        while True:
            try:
                await self.show()
            except UNAVAILABLE as error:
                _log.warning("gauges.database_unavailable", error=type(error).__name__)
            await self._clock.sleep(_EVERY_S)

    async def show(self) -> None:
        """Refresh now."""
        found = await store.open_documents(self._pool, self._connection)
        for state in State:
            self._metrics.posting_queue.labels(self._connection, state.value).set(found.get(state.value, 0))
        waiting = await store.outbox_length(self._pool, self._producer)
        self._metrics.outbox_pending.labels(self._producer).set(waiting)
