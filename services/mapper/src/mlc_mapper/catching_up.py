"""Folds what the control topic holds before the first event is decided.

Two topics are read side by side, in no order between them. A mapper that starts behind both would otherwise meet events
before the mapping that was in force when they came, and leave them out until the store is swept.
"""

from __future__ import annotations

import structlog
from aiokafka.errors import KafkaError

from mlc_common.clock import Clock
from mlc_common.errors import Retryable
from mlc_common.log import ends_of, in_batches, read_topic
from mlc_common.log.consumer import Handler
from mlc_common.store.pool import UNAVAILABLE
from mlc_common.store.positions import Overtaken

_AGAIN_S = 1.0

_log = structlog.get_logger(__name__)


async def catch_up(handler: Handler, brokers: str, topic: str, clock: Clock, *, batch: int = 500) -> None:
    """Hand every record that a topic holds now, and that was not handled yet, to its handler.

    Lost servers are waited for; where another process is at it, what that leaves is taken up.

    Args:
        handler: Takes the records, and knows where to go on.
        brokers: Of the log.
        topic: Which one to read up to its end.
        clock: To wait by.
        batch: How many records are handed over at once, at the most.
    """
    while True:
        try:
            await _read_up(handler, brokers, topic, batch)
        except (Overtaken, Retryable, KafkaError, *UNAVAILABLE) as error:
            _log.warning("mapper.catching_up_waits", topic=topic, error=type(error).__name__)
            await clock.sleep(_AGAIN_S)
        else:
            return


async def _read_up(handler: Handler, brokers: str, topic: str, most: int) -> None:
    ends = await ends_of(brokers, topic)
    since = {partition: await handler.position(topic, partition) for partition in ends}
    async for batch in in_batches(read_topic(brokers, topic, since=since, until=ends), most):
        await handler.handle(topic, batch[0].partition, batch)
