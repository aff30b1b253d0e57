"""A process that works replays off, to be killed at a named point: python replaying.py BROKERS DSN TENANT."""

from __future__ import annotations

import asyncio
import os
import sys

from mlc_common.clock import SystemClock
from mlc_common.events import Topics
from mlc_common.store.pool import connect
from mlc_common.telemetry import MetricsRegistry
from mlc_mapper.replays.turns import Turns
from mlc_mapper.replays.worker import Replays


async def main(brokers: str, dsn: str, tenant: str) -> None:
    """Work off what waits."""
    pool = await connect(dsn, application="replaying", most=3)
    turns = Turns(pool, f"child {os.getpid()}", 30.0)
    clock, metrics = SystemClock(), MetricsRegistry()
    replays = Replays(pool, Topics(tenant), clock, metrics, brokers=brokers, turns=turns, wake=lambda: None)
    await replays.work_off()
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
