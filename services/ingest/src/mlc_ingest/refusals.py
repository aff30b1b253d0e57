"""Audit events of requests that were not let in: one per connection and reason and interval, however many there were.

So a flood costs the log a handful of records. An unknown connection is told as ``unknown``: the path is a stranger's.
Never: a body, a header, a secret. What the log does not take is kept and tried again, up to a cap; beyond it, counted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog

from mlc_common.accounting.identity import digest, event_id
from mlc_common.clock import Clock
from mlc_common.errors import Retryable
from mlc_common.events import Envelope, Topics, WebhookRefused, encode
from mlc_ingest.admission import Reason, Refused
from mlc_ingest.broker import Log

UNKNOWN = "unknown"
_MOST_WAITING = 1000
_log = structlog.get_logger(__name__)


@dataclass
class _Tally:
    """What the first one of an interval was, and how many there were."""

    at: datetime
    size: int
    sha256: str
    count: int = 1


class Refusals:
    """Collects refusals and tells the audit topic.

    Args:
        topics: The tenant's topics.
        log: Where to append.
        clock: For times and the interval.
        worker: Unlike any other gateway of the tenant, so that two never make the same event id.
        interval_s: Seconds that are told together.
    """

    def __init__(self, topics: Topics, log: Log, clock: Clock, *, worker: str, interval_s: float = 10.0) -> None:
        self._topics, self._log, self._clock = topics, log, clock
        self._worker = worker
        self._interval_s = interval_s
        self._tallies: dict[tuple[str, Reason], _Tally] = {}
        self._waiting: deque[Envelope] = deque()
        self._flushing = asyncio.Lock()

    def note(self, connection: str | None, refused: Refused, *, size: int, body: bytes | None = None) -> None:
        """Count one refusal.

        Args:
            connection: The connection; None for an unknown one.
            refused: Why.
            size: Bytes of the body as far as known.
            body: The body, where it was read whole; only its digest is kept.
        """
        key = (connection or UNKNOWN, refused.reason)
        tally = self._tallies.get(key)
        if tally is None:
            sha256 = digest(body) if body is not None else ""
            self._tallies[key] = _Tally(self._clock.now(), size, sha256)
        else:
            tally.count += 1

    async def run(self) -> None:
        """Tell the log every interval, until cancelled."""
        while True:
            await self._clock.sleep(self._interval_s)
            await self.flush()

    async def flush(self) -> None:
        """Tell the log now; what it does not take stays for the next time."""
        async with self._flushing:
            self._waiting.extend(self._events())
            self._shorten()
            with suppress(Retryable):
                while self._waiting:
                    await self._log.publish(self._topics.audit, self._waiting[0])
                    self._waiting.popleft()

    def _events(self) -> list[Envelope]:
        tallies, self._tallies = self._tallies, {}
        return [self._event(connection, reason, tally) for (connection, reason), tally in tallies.items()]

    def _event(self, connection: str, reason: Reason, tally: _Tally) -> Envelope:
        _log.warning("ingest.refused", connection=connection, reason=reason.value, count=tally.count)
        refused = WebhookRefused(
            connection=connection,
            reason=reason.value,
            status=Refused(reason).status,
            size=tally.size,
            sha256=tally.sha256,
            at=tally.at,
            count=tally.count,
        )
        return encode(
            refused,
            event_id=event_id("webhook refused", self._worker, connection, reason.value, tally.at.isoformat()),
            subject=f"{connection}:refusals:{reason.value}",
            source=f"/{self._topics.tenant}/ingest",
            time=self._clock.now(),
        )

    def _shorten(self) -> None:
        surplus = len(self._waiting) - _MOST_WAITING
        if surplus > 0:
            _log.error("ingest.refusals_dropped", count=surplus, because="the log does not take them")
            for _ in range(surplus):
                self._waiting.popleft()
