"""Each server by itself: it answers, survives its own SIGKILL with its data, and keeps its address."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from mlc_localstack import KafkaServer, PostgresServer, StackError, with_database

NINE_MEBIBYTES = 9 * 1024 * 1024


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path / "postgres", durable=False)
    with server:
        yield server
    server.destroy()


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[KafkaServer]:
    with KafkaServer(tmp_path / "kafka") as server:
        yield server


async def fetch(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.mark.postgres
async def test_postgres_keeps_what_was_committed_over_a_kill_and_both_restarts(postgres: PostgresServer) -> None:
    address = postgres.dsn
    await fetch(address, "CREATE TABLE kept AS SELECT 41 AS number")
    await fetch(address, "UPDATE kept SET number = 42")
    killed = psutil.Process(postgres.pid)
    family = [killed, *killed.children(recursive=True)]

    postgres.kill()
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    with pytest.raises(OSError, match="Connect call failed"):
        await fetch(address, "SELECT 1")
    postgres.start()
    postgres.restart("fast")
    postgres.restart("immediate")

    assert postgres.dsn == address
    assert await fetch(address, "SELECT number FROM kept") == 42


@pytest.mark.postgres
async def test_postgres_makes_a_copy_of_a_template_and_drops_it_under_a_connection(postgres: PostgresServer) -> None:
    template = await postgres.create_database("template_of_ours")
    await fetch(template, "CREATE TABLE made (n int)")
    copy = await postgres.create_database("copy", template="template_of_ours")
    assert await fetch(copy, "SELECT count(*) FROM made") == 0

    connection = await asyncpg.connect(copy)
    await postgres.drop_database("copy")
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await fetch(copy, "SELECT 1")
    await connection.close()


@pytest.mark.postgres
async def test_postgres_refuses_a_connection_without_the_password(postgres: PostgresServer) -> None:
    address = postgres.dsn.rpartition("@")[2]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await fetch(f"postgresql://postgres:wrong@{address}", "SELECT 1")


@pytest.mark.postgres
async def test_a_database_name_that_could_be_sql_is_refused(postgres: PostgresServer) -> None:
    with pytest.raises(StackError, match="no database name"):
        await postgres.create_database('x"; DROP DATABASE postgres; --')
    assert with_database(postgres.dsn, "orders").endswith("/orders")


@pytest.mark.postgres
def test_a_second_server_in_the_same_directory_is_refused_with_the_name_of_the_first(postgres: PostgresServer) -> None:
    second = PostgresServer(postgres.log_file.parent)
    with pytest.raises(StackError, match=f"in use by process {os.getpid()}"):
        second.start()


@pytest.mark.kafka
async def test_kafka_carries_nine_mebibytes_and_keeps_them_over_a_kill(kafka: KafkaServer) -> None:
    address = kafka.bootstrap_servers
    message = os.urandom(1024) * (NINE_MEBIBYTES // 1024)
    await create_topic(address, "large")
    await produce(address, "large", message)

    kafka.kill()
    assert kafka.pid is None
    kafka.start()

    assert kafka.bootstrap_servers == address
    assert await consume(address, "large") == message


@pytest.mark.kafka
def test_a_second_start_of_kafka_is_quick_and_at_once_refused_while_it_runs(kafka: KafkaServer) -> None:
    with pytest.raises(StackError, match="in use by process"):
        KafkaServer(kafka.log_file.parent).start()
    begun = time.monotonic()
    kafka.restart()
    # Three seconds on an idle machine with two cores; the first start formats its directory as well.
    assert time.monotonic() - begun < 15


def test_the_address_of_a_server_that_never_started_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="call start"):
        _ = KafkaServer(tmp_path).bootstrap_servers
    with pytest.raises(StackError, match="call start"):
        _ = PostgresServer(tmp_path).dsn


async def create_topic(address: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def produce(address: str, topic: str, message: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=address, acks="all", max_request_size=2 * NINE_MEBIBYTES)
    await producer.start()
    try:
        await producer.send_and_wait(topic, message)
    finally:
        await producer.stop()


async def consume(address: str, topic: str) -> bytes:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=address, auto_offset_reset="earliest", max_partition_fetch_bytes=2 * NINE_MEBIBYTES
    )
    await consumer.start()
    try:
        value = (await consumer.getone()).value
        assert isinstance(value, bytes)
        return value
    finally:
        await consumer.stop()
