"""Ends a reading for certain: nothing of it goes on, whatever the client library waits for.

aiokafka's ``stop`` waits for its own tasks. One that hangs makes it hang, one that ended in an error makes it leave the
rest: heartbeats would keep partitions that nobody reads, and tell this process about them. Must never raise: whoever
calls wants to begin anew, or to end.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from faststream.kafka import KafkaBroker

_log = structlog.get_logger(__name__)

_CUT_WITHIN_S = 5.0


async def stop(broker: KafkaBroker, subscriber: Any, *, group: str, within_s: float) -> None:
    """Leave the group and let go of everything; where that takes longer or fails, cut it off.

    The group then takes what was read here for read by nobody once the session has expired.
    """
    consumer, reading = subscriber.consumer, list(subscriber.tasks)
    try:
        async with asyncio.timeout(within_s):
            await broker.stop()
    except Exception as error:
        _log.warning("consumer.cut_off", group=group, error=type(error).__name__)
        subscriber.consumer = None
        await _cut_off([*reading, *_tasks_of(consumer)])
        if consumer is not None:
            _close(consumer)


async def _cut_off(tasks: list[asyncio.Task[Any] | None]) -> None:
    running = {task for task in tasks if task is not None and not task.done()}
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running, timeout=_CUT_WITHIN_S)


def _tasks_of(consumer: Any) -> list[asyncio.Task[Any] | None]:
    """All that aiokafka has running for it, as of 0.14."""
    if consumer is None:
        return []
    tasks = [consumer._client._sync_task]
    if (coordinator := consumer._coordinator) is not None:
        tasks += [coordinator._coordination_task, coordinator._heartbeat_task, coordinator._commit_refresh_task]
    if (fetcher := consumer._fetcher) is not None:
        tasks += [fetcher._fetch_task, *fetcher._pending_tasks]
    return tasks


def _close(consumer: Any) -> None:
    """As ``stop`` does it in the end, without waiting for the other side."""
    consumer._closed = True
    for connection in list(consumer._client._conns.values()):
        connection.close()
