"""Kafka and PostgreSQL together, started side by side, or the ones that the environment names.

`KAFKA_BOOTSTRAP_SERVERS` and `DATABASE_URL` win: what they name is used as it is, and nothing is started in its place.
Whatever this object started has ended when it is left, also after Ctrl-C or a failure half-way through the start.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from mlc_localstack.errors import StackError
from mlc_localstack.kafka import KafkaServer
from mlc_localstack.postgres import PostgresServer

KAFKA_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
POSTGRES_VARIABLE = "DATABASE_URL"

Report = Callable[[str, str], None]
"""Called with the part ("kafka" or "postgres") and what it is doing now; from more than one thread."""


class LocalStack:
    """A broker and a database server for one process, as a plain or an asynchronous context manager."""

    def __init__(
        self,
        data_dir: Path,
        *,
        durable: bool = True,
        report: Report | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare a stack; nothing starts yet.

        Args:
            data_dir: where the data of both lives, `.local/stack` by custom; a second start finds it again.
            durable: see PostgresServer.
            report: called with what is being done.
            environment: where addresses of running servers are looked up; the process' own by default.
        """
        environment = os.environ if environment is None else environment
        tell = report or (lambda _part, _what: None)
        self._given_kafka = environment.get(KAFKA_VARIABLE)
        self._given_postgres = environment.get(POSTGRES_VARIABLE)
        self._report = tell
        self._lock = Lock()
        self.kafka = KafkaServer(data_dir / "kafka", report=lambda what: tell("kafka", what))
        self.postgres = PostgresServer(
            data_dir / "postgres", durable=durable, report=lambda what: tell("postgres", what)
        )

    @property
    def bootstrap_servers(self) -> str:
        """Kafka's address: the environment's, or of the broker started here."""
        return self._given_kafka or self.kafka.bootstrap_servers

    @property
    def dsn(self) -> str:
        """PostgreSQL's address: the environment's, or of the server started here."""
        return self._given_postgres or self.postgres.dsn

    @property
    def environment(self) -> dict[str, str]:
        """Both addresses as the variables that every service reads."""
        return {KAFKA_VARIABLE: self.bootstrap_servers, POSTGRES_VARIABLE: self.dsn}

    def start(self) -> None:
        """Start what the environment does not name, both at once; return when both answer.

        Raises:
            StackError: one of them did not start; the other one has been stopped again.
        """
        try:
            with self._lock, ThreadPoolExecutor(2) as pool:
                self._wait_for(pool.submit(self._start_kafka), pool.submit(self._start_postgres))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop what was started here; a start that is under way is waited for first."""
        with self._lock, ThreadPoolExecutor(2) as pool:
            for waiting in [pool.submit(self.kafka.stop), pool.submit(self.postgres.stop)]:
                waiting.result()

    def destroy(self) -> None:
        """Stop what was started here and delete its data."""
        with self._lock:
            self.kafka.destroy()
            self.postgres.destroy()

    def check(self) -> None:
        """Raise StackError if a server that was started here has ended by itself."""
        for name, given, server in (
            ("Kafka", self._given_kafka, self.kafka),
            ("PostgreSQL", self._given_postgres, self.postgres),
        ):
            if not given and server.pid is None:
                raise StackError(f"{name} ended by itself; see {server.log_file}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(self.start)
        except asyncio.CancelledError:
            # The thread goes on regardless; stop() waits for it.
            self.kafka.abandon()
            self.postgres.abandon()
            await asyncio.to_thread(self.stop)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    def _wait_for(self, *starts: Future[None]) -> None:
        """Wait for both; the first failure, and Ctrl-C, lets the other one give up instead of finishing its start."""
        try:
            done, _ = wait(starts, return_when=FIRST_EXCEPTION)
            for start in done:
                start.result()
        except BaseException:
            self.kafka.abandon()
            self.postgres.abandon()
            raise

    def _start_kafka(self) -> None:
        if not self._given_kafka:
            self.kafka.start()
        self._report("kafka", f"ready at {self.bootstrap_servers}")

    def _start_postgres(self) -> None:
        if not self._given_postgres:
            self.postgres.start()
        # Without the user and the password.
        self._report("postgres", f"ready at {self.dsn.rpartition('@')[2]}")
