"""What a person reads when Kafka or PostgreSQL does not answer or refuses: one sentence, no password."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from mlc_common.errors import ConfigurationError, Retryable, ServerUnreachable, in_words
from mlc_common.log import ensure_topics
from mlc_common.store import migrations
from mlc_common.store.pool import connect

PLANTED = "hunter2-planted"


@pytest.fixture
def closed_port() -> int:
    """A port where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
async def rude_port() -> AsyncIterator[int]:
    """A port where something listens that hangs up on everybody."""

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


async def test_a_closed_database_port_is_named_with_the_setting_and_without_the_password(closed_port: int) -> None:
    dsn = f"postgresql://mlc:{PLANTED}@127.0.0.1:{closed_port}/mlc"
    for attempt in (migrations.apply(dsn), connect(dsn, application="test")):
        with pytest.raises(ServerUnreachable) as caught:
            await attempt
        said = str(caught.value)
        assert said == (
            f"PostgreSQL at 127.0.0.1:{closed_port} cannot be reached (nothing listens there); "
            "see that it runs, and that DATABASE_URL names it"
        )
        assert caught.value.__suppress_context__


async def test_a_server_that_hangs_up_is_unreachable_too(rude_port: int) -> None:
    with pytest.raises(ServerUnreachable, match=f"PostgreSQL at 127.0.0.1:{rude_port} cannot be reached"):
        await migrations.apply(f"postgresql://mlc@127.0.0.1:{rude_port}/mlc")
    with pytest.raises(ServerUnreachable, match=f"Kafka at 127.0.0.1:{rude_port} cannot be reached"):
        await ensure_topics(f"127.0.0.1:{rude_port}", ["t"])


@pytest.mark.parametrize(
    "dsn",
    [
        "nonsense",
        f"mysql://mlc:{PLANTED}@host/mlc",
        f"postgresql://mlc:{PLANTED}/x@host/mlc",
        f"postgresql://mlc:{PLANTED}#x@host/mlc",
        f"postgresql://mlc:{PLANTED}?x@host/mlc",
        f"postgresql://mlc:x@host:{PLANTED}/mlc",
    ],
)
async def test_an_address_that_cannot_be_read_is_never_quoted(dsn: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^DATABASE_URL is no address .*%2F") as caught:
        await migrations.apply(dsn)
    assert PLANTED not in str(caught.value)


async def test_a_closed_broker_port_is_named_with_the_setting(closed_port: int) -> None:
    with pytest.raises(ServerUnreachable) as caught:
        await ensure_topics(f"127.0.0.1:{closed_port}", ["t"])
    assert str(caught.value) == (
        f"Kafka at 127.0.0.1:{closed_port} cannot be reached (no broker answers there); "
        "see that it runs, and that KAFKA_BOOTSTRAP_SERVERS names it"
    )


async def test_brokers_that_are_no_addresses_are_a_wrong_setting() -> None:
    with pytest.raises(ConfigurationError, match="KAFKA_BOOTSTRAP_SERVERS is no list of brokers"):
        await ensure_topics("a:b:c", ["t"])


@pytest.mark.kafka
async def test_more_copies_than_brokers_are_refused_with_the_setting(kafka_bootstrap: str, tenant: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{tenant}.raw.*set MLC_KAFKA_REPLICATION"):
        await ensure_topics(kafka_bootstrap, [f"{tenant}.raw"], replication=3)


@pytest.mark.postgres
async def test_a_wrong_password_and_a_wrong_database_say_what_to_check(postgres_dsn: str) -> None:
    place = urlsplit(postgres_dsn)
    with pytest.raises(ConfigurationError, match="check user and password in DATABASE_URL") as caught:
        await connect(f"postgresql://{place.username}:{PLANTED}@{place.hostname}:{place.port}/x", application="test")
    assert PLANTED not in str(caught.value)
    with pytest.raises(ConfigurationError, match='"no_such_database" does not exist; create it'):
        await connect(place._replace(path="/no_such_database").geturl(), application="test")


@pytest.mark.postgres
async def test_a_user_who_may_not_create_tables_is_told_to_own_the_database(postgres_dsn: str, tenant: str) -> None:
    # PostgreSQL 15 and later: only the owner may create tables in the schema public.
    owner = await asyncpg.connect(postgres_dsn)
    database = f"test_{tenant}"
    try:
        await owner.execute(f"create role {tenant} login password '{PLANTED}'")
        await owner.execute(f"create database {database}")
        place = urlsplit(postgres_dsn)
        dsn = f"postgresql://{tenant}:{PLANTED}@{place.hostname}:{place.port}/{database}"
        with pytest.raises(ConfigurationError, match="make the user of DATABASE_URL the owner") as caught:
            await migrations.apply(dsn)
        assert PLANTED not in str(caught.value)
    finally:
        await owner.execute(f"drop database if exists {database}")
        await owner.execute(f"drop role if exists {tenant}")
        await owner.close()


def test_whoever_waits_for_a_server_to_come_back_sees_both_kinds_of_error() -> None:
    error = ServerUnreachable("Kafka is away", after=2.0)
    assert isinstance(error, Retryable)
    assert isinstance(error, OSError)
    assert (str(error), error.after, error.code) == ("Kafka is away", 2.0, "unreachable")


def test_the_words_for_a_failed_connection_never_quote_its_text() -> None:
    assert in_words(ConnectionRefusedError(f"postgresql://a:{PLANTED}@x")) == "nothing listens there"
    assert in_words(socket.gaierror(PLANTED)) == "the name of the host is not known"
    assert in_words(TimeoutError(PLANTED)) == "no answer in time"
    assert in_words(RuntimeError(PLANTED)) == "RuntimeError"
