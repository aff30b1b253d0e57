"""A broker that comes back without the newest records: what takes their offsets must not pass for what was read."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from mlc_common.errors import ConfigurationError
from mlc_common.log import LogProducer, ensure_topics
from mlc_localstack import KafkaServer

from .conftest import event
from .reading import Reading, Waits
from .recorder import WITHIN_S, Recorder

pytestmark = pytest.mark.kafka

TOPIC = "t1.raw.orders"


async def test_records_under_offsets_that_were_read_before_are_not_passed_over(tmp_path: Path) -> None:
    """As a crash of the machine leaves a single broker that had not written everything to its disk: R3."""
    recorder = Recorder()
    with KafkaServer(tmp_path / "kafka") as broker:
        bootstrap = broker.bootstrap_servers
        await ensure_topics(bootstrap, [TOPIC], partitions=1)
        segment = tmp_path / "kafka" / "log" / f"{TOPIC}-0" / "00000000000000000000.log"
        async with LogProducer(bootstrap, client_id="before") as producer:
            await producer.publish(TOPIC, event("a"))
            safe = segment.stat().st_size
            await producer.publish(TOPIC, event("b"))
            await producer.publish(TOPIC, event("c"))
        reading = Reading(bootstrap, TOPIC, recorder, Waits())
        await recorder.until("a", "b", "c")

        await asyncio.to_thread(broker.kill)
        with segment.open("r+b") as file:
            file.truncate(safe)
        await asyncio.to_thread(broker.start)
        async with LogProducer(bootstrap, client_id="after") as producer:
            assert (await producer.publish(TOPIC, event("d"))).offset == 1

        with capture_logs(), pytest.raises(ConfigurationError, match="ends at 2, and we have read up to 3"):
            await asyncio.wait_for(reading.task, WITHIN_S)
    assert recorder.handled == ["a", "b", "c"]
