"""Kafka and PostgreSQL for tests from a Docker Engine instead of child processes, the images of docker-compose.yml.

Used only where `MLC_TEST_CONTAINERS=1` asks for it and an engine answers: it proves that nothing rests on our own way
of starting them. testcontainers belongs to the development group, so it is imported late.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from mlc_localstack.errors import StackError
from mlc_localstack.kafka import MAX_MESSAGE_BYTES, answers
from mlc_localstack.processes import free_port

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

KAFKA_IMAGE = "apache/kafka:4.1.0"
POSTGRES_IMAGE = "postgres:18"
START_SECONDS = 120.0


def wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the tests shall use containers and can."""
    if environment.get("MLC_TEST_CONTAINERS") != "1":
        return False
    from testcontainers.core.docker_client import DockerClient

    try:
        engine = DockerClient().client
    except Exception:  # whatever the reason: without an engine the child processes serve as well
        return False
    engine.close()
    return True


def start_kafka() -> tuple[DockerContainer, str]:
    """Start a broker; the container to stop, and its address."""
    from testcontainers.core.container import DockerContainer

    # A broker must know the address that its clients use, so the port is chosen before it starts.
    port = free_port()
    settings = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_MESSAGE_MAX_BYTES": str(MAX_MESSAGE_BYTES),
        "KAFKA_REPLICA_FETCH_MAX_BYTES": str(MAX_MESSAGE_BYTES),
    }
    container = DockerContainer(os.environ.get("KAFKA_IMAGE", KAFKA_IMAGE)).with_bind_ports(port, port)
    for name, value in settings.items():
        container = container.with_env(name, value)
    container.start()
    _wait(container, lambda: answers(port))
    return container, f"127.0.0.1:{port}"


def start_postgres() -> tuple[DockerContainer, str]:
    """Start a database server; the container to stop, and its address."""
    from testcontainers.core.container import DockerContainer

    port = free_port()
    container = (
        DockerContainer(os.environ.get("POSTGRES_IMAGE", POSTGRES_IMAGE))
        .with_bind_ports(5432, port)
        .with_env("POSTGRES_PASSWORD", "test")
        .with_command(["postgres", "-c", "max_connections=500", "-c", "fsync=off"])
    )
    container.start()
    _wait(container, lambda: _asks_for_a_password(port))
    return container, f"postgresql://postgres:test@127.0.0.1:{port}/postgres"


def _asks_for_a_password(port: int) -> bool:
    """Whether PostgreSQL itself answers: its port is open long before that, and errs at first."""
    wanted = b"user\0postgres\0database\0postgres\0\0"
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(struct.pack(">ii", 8 + len(wanted), 196_608) + wanted)
        return connection.recv(1) == b"R"
    return False


def _wait(container: DockerContainer, is_ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    try:
        while not is_ready():
            if time.monotonic() > deadline:
                output = b"".join(container.get_logs()).decode(errors="replace")[-2000:]
                raise StackError(f"a container did not start in {START_SECONDS:.0f} s; the end of its log:\n{output}")
            time.sleep(0.2)
    except BaseException:
        container.stop()
        raise
