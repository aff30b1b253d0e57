"""The gateway's hold on the log: connects in the background and keeps trying, and answers within a time limit.

While there is no connection, or no acknowledgement in time, ``publish`` says so within the limit and the store gets a
503. Restarts of the broker are survived without a restart of ours: see ``LogProducer``.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog
from aiokafka.errors import KafkaError

from mlc_common.clock import Clock
from mlc_common.errors import Retryable
from mlc_common.events import Appendable, Topics
from mlc_common.log import Appended, LogProducer, ensure_topics, is_final
from mlc_ingest.deadlines import Deadlines

_LINGER_MS = 2
"""How long a webhook waits for others to share a request to the broker with: a third more of them get through."""

_RETRY_S = 1.0
_RENEWAL_S = 0.1
"""The pace of attempts while a producer that is of no use any more could not be replaced."""

_REACHABLE_FOR_S = 2.0
_log = structlog.get_logger(__name__)


class Log(Protocol):
    """Where events go."""

    async def publish(self, topic: str, event: Appendable) -> Appended:
        """Append one event; returns once the broker acknowledged.

        Raises:
            Retryable: it did not, in time.
        """
        ...


class Broker:
    """The log, reached through one producer at a time.

    Args:
        bootstrap: ``host:port[,host:port]``.
        topics: The tenant's topics; those that we write are created where missing.
        clock: For the pace of attempts.
        replication: Copies of each topic that is created.
        seconds: How long to wait for an acknowledgement.
    """

    def __init__(
        self, bootstrap: str, topics: Topics, clock: Clock, *, replication: int = 1, seconds: float = 8.0
    ) -> None:
        self._bootstrap, self._clock = bootstrap, clock
        self._topics = (topics.raw_orders, topics.raw_reference, topics.audit)
        self._replication = replication
        self._deadlines = Deadlines(seconds)
        self._producer: LogProducer | None = None
        self._connected = asyncio.Event()
        self._reachable_until = float("-inf")

    async def publish(self, topic: str, event: Appendable) -> Appended:
        """See ``Log``. An event that a producer could not append for good goes through its successor, with its id."""
        try:
            with self._deadlines:
                while True:
                    await self._connected.wait()
                    assert self._producer is not None
                    try:
                        return await self._producer.publish(topic, event)
                    except Retryable as error:
                        if not is_final(error.__cause__):
                            raise
                    await self._clock.sleep(_RENEWAL_S)
        except TimeoutError:
            raise Retryable("the log did not acknowledge in time") from None

    async def reachable(self) -> bool:
        """Whether a broker answers now (asked at most every two seconds)."""
        if self._clock.monotonic() < self._reachable_until:
            return True
        producer = self._producer
        if producer is None or not await producer.reachable():
            return False
        self._reachable_until = self._clock.monotonic() + _REACHABLE_FOR_S
        return True

    async def run(self) -> None:
        """Stay connected until cancelled.

        Raises:
            ConfigurationError: the broker refuses to create the topics.
        """
        while True:
            try:
                await ensure_topics(self._bootstrap, self._topics, replication=self._replication)
                async with LogProducer(self._bootstrap, client_id="mlc-ingest", linger_ms=_LINGER_MS) as producer:
                    await self._serve(producer)
            except (KafkaError, OSError, TimeoutError) as error:
                _log.warning("ingest.log_unavailable", error=type(error).__name__)
            await self._clock.sleep(_RETRY_S)

    async def _serve(self, producer: LogProducer) -> None:
        """Let events through this producer, until cancelled."""
        self._producer = producer
        self._connected.set()
        _log.info("ingest.log_connected")
        try:
            await asyncio.Event().wait()
        finally:
            self._connected.clear()
            self._producer = None
