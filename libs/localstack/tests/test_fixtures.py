"""The fixtures that every other test rests on: own databases, one server for the run."""

from __future__ import annotations

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

pytestmark = [pytest.mark.postgres]


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_gets_a_database_of_its_own(database: str, turn: int) -> None:
    connection = await asyncpg.connect(database)
    try:
        # The second turn would fail here if it saw the first one's table.
        await connection.execute("CREATE TABLE mine (turn int)")
        await connection.execute("INSERT INTO mine VALUES ($1)", turn)
        assert await connection.fetchval("SELECT turn FROM mine") == turn
    finally:
        await connection.close()


async def test_the_database_server_is_new_enough_for_the_project(postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn)
    try:
        assert int(await connection.fetchval("SHOW server_version_num")) >= 150_000
    finally:
        await connection.close()


@pytest.mark.kafka
async def test_the_broker_answers_and_creates_no_topic_unasked(kafka_bootstrap: str, tenant: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    try:
        topics = await admin.describe_topics([f"{tenant}.raw.orders"])
        # 3 = unknown topic: asking for it did not create it.
        assert topics[0]["error_code"] == 3
        assert f"{tenant}.raw.orders" not in await admin.list_topics()
    finally:
        await admin.close()
