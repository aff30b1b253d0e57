"""Who reads the log now, as the broker knows it."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaConsumer

from mlc_common.errors import Retryable
from mlc_common.log.groups import readers

pytestmark = pytest.mark.kafka


async def test_groups_with_members_are_named_and_those_without_are_not(
    kafka_bootstrap: str, topic: str, tenant: str
) -> None:
    members = [
        AIOKafkaConsumer(topic, bootstrap_servers=kafka_bootstrap, group_id=f"{tenant}.{name}", client_id=name)
        for name in ("mapper", "poller", "gone")
    ]
    for member in members:
        await member.start()
    await members.pop().stop()
    found = await readers(kafka_bootstrap, f"{tenant}.")
    for member in members:
        await member.stop()

    assert found == {f"{tenant}.mapper": ["mapper"], f"{tenant}.poller": ["poller"]}
    assert await readers(kafka_bootstrap, f"{tenant}.") == {}


async def test_a_broker_that_is_away_is_said() -> None:
    with pytest.raises(Retryable, match="see that Kafka runs"):
        await readers("127.0.0.1:1", "nobody.")
