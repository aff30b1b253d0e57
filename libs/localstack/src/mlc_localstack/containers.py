"""Kafka and PostgreSQL for tests from a Docker Engine instead of child processes, the images of docker-compose.yml.

Used only where `MLC_TEST_CONTAINERS=1` asks for it and an engine answers: it proves that nothing rests on our own way
of starting them. testcontainers belongs to the development group, so it is imported late.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlc_localstack.errors import StackError
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
        "KAFKA_MESSAGE_MAX_BYTES": str(10 * 1024 * 1024),
        "KAFKA_REPLICA_FETCH_MAX_BYTES": str(10 * 1024 * 1024),
    }
    container = DockerContainer(os.environ.get("KAFKA_IMAGE", KAFKA_IMAGE)).with_bind_ports(port, port)
    for name, value in settings.items():
        container = container.with_env(name, value)
    container.start()
    _wait_for_log(container, "Kafka Server started")
    return container, f"127.0.0.1:{port}"


def start_postgres() -> tuple[DockerContainer, str]:
    """Start a database server; the container to stop, and its address."""
    from testcontainers.core.container import DockerContainer

    port = free_port()
    container = (
        DockerContainer(os.environ.get("POSTGRES_IMAGE", POSTGRES_IMAGE))
        .with_bind_ports(5432, port)
        .with_env("POSTGRES_PASSWORD", "test")
        .with_command(["postgres", "-c", "max_connections=200", "-c", "fsync=off"])
    )
    container.start()
    # Once for the server that sets it up, which ends again, and once for the real one.
    _wait_for_log(container, "ready to accept connections", times=2)
    _wait_for_port(port)
    return container, f"postgresql://postgres:test@127.0.0.1:{port}/postgres"


def _wait_for_log(container: DockerContainer, text: str, *, times: int = 1) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        output = b"".join(container.get_logs()).decode(errors="replace")
        if output.count(text) >= times:
            return
        time.sleep(0.2)
    container.stop()
    raise StackError(f"a container did not say {text!r} in {START_SECONDS:.0f} s; try without MLC_TEST_CONTAINERS=1")


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
