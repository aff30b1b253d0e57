"""pytest fixtures `kafka_bootstrap` and `postgres_dsn`: one broker and one server for a whole test run.

The process that a person started owns them, starts each when the first test asks for it, and ends them with the run.
Under pytest-xdist the workers ask that process, so none of them ends what another one still uses. Taken in this order:
the environment's addresses, containers (`MLC_TEST_CONTAINERS=1` and a Docker Engine), child processes.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from mlc_localstack import containers
from mlc_localstack.errors import StackError
from mlc_localstack.ownership import Ownership
from mlc_localstack.stack import KAFKA_VARIABLE, POSTGRES_VARIABLE, LocalStack

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

RUNS = Path(".local/test")


class Addresses(Protocol):
    """Where a test finds the servers; asking starts them."""

    def address(self, part: str) -> str:
        """The address of "kafka" or "postgres"."""

    def close(self) -> None:
        """Nothing may be asked any more."""


class Owner:
    """Starts each server once, on demand, for this process and for the workers that ask it; ends them at the end."""

    def __init__(self, root: Path) -> None:
        self._runs = root / RUNS
        self._run: Path | None = None
        self._ownership: Ownership | None = None
        self._stack: LocalStack | None = None
        self._containers: list[DockerContainer] = []
        self._known: dict[str, str] = {}
        self._locks = {"kafka": Lock(), "postgres": Lock()}
        self._directory_lock = Lock()
        self._listener: Listener | None = None
        self._secret = secrets.token_bytes(32)

    def address(self, part: str) -> str:
        """The address of "kafka" or "postgres", which is started now if nobody asked before."""
        with self._locks[part]:
            if part not in self._known:
                self._known[part] = self._find(part)
            return self._known[part]

    def serve(self) -> dict[str, str]:
        """Let workers ask too; what a worker must know to do so."""
        if self._listener is None:
            self._listener = Listener(("127.0.0.1", 0), authkey=self._secret)
            Thread(target=self._accept, args=(self._listener,), name="mlc-localstack-owner", daemon=True).start()
        return {"port": str(self._listener.address[1]), "secret": self._secret.hex()}

    def close(self) -> None:
        """End everything that was started and delete its data."""
        if self._listener is not None:
            listener, self._listener = self._listener, None
            # accept() only returns for a caller.
            Client(listener.address, authkey=self._secret).close()
            listener.close()
        for container in self._containers:
            container.stop()
        if self._stack is not None:
            self._stack.destroy()
        if self._run is not None and self._ownership is not None:
            self._ownership.release()
            shutil.rmtree(self._run)

    def _find(self, part: str) -> str:
        given = os.environ.get({"kafka": KAFKA_VARIABLE, "postgres": POSTGRES_VARIABLE}[part])
        if given:
            return given
        if containers.wanted():
            start = containers.start_kafka if part == "kafka" else containers.start_postgres
            container, address = start()
            self._containers.append(container)
            return address
        stack = self._child_processes()
        if part == "kafka":
            stack.kafka.start()
            return stack.bootstrap_servers
        stack.postgres.start()
        return stack.dsn

    def _child_processes(self) -> LocalStack:
        with self._directory_lock:
            if self._stack is None:
                self._run = self._own_directory()
                self._stack = LocalStack(self._run, durable=False, environment={})
            return self._stack

    def _own_directory(self) -> Path:
        """A fresh folder for this run; those of runs that were killed are cleared away first."""
        self._runs.mkdir(parents=True, exist_ok=True)
        with (self._runs / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in self._runs.glob("run-*"):
                _clear_away(left)
            directory = self._runs / f"run-{os.getpid()}-{secrets.token_hex(3)}"
            self._ownership = Ownership(directory)
            self._ownership.take()
            return directory

    def _accept(self, listener: Listener) -> None:
        while self._listener is not None:
            try:
                connection = listener.accept()
            except (OSError, EOFError):
                continue
            Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: Connection[Any, Any]) -> None:
        with connection:
            try:
                part = connection.recv()
            except (EOFError, OSError):
                return
            try:
                connection.send(("address", self.address(part)))
            except Exception as error:  # whatever it is, the worker must hear of it instead of waiting
                connection.send(("error", f"{type(error).__name__}: {error}"))


class Asker:
    """A worker's side: asks the process that owns the servers."""

    def __init__(self, contact: dict[str, str]) -> None:
        self._contact = contact

    def address(self, part: str) -> str:
        """The address of "kafka" or "postgres", once the owner has it."""
        endpoint = ("127.0.0.1", int(self._contact["port"]))
        with Client(endpoint, authkey=bytes.fromhex(self._contact["secret"])) as connection:
            connection.send(part)
            kind, value = connection.recv()
        if kind == "error":
            raise StackError(value)
        return str(value)

    def close(self) -> None:
        """Nothing to end here."""


_addresses = pytest.StashKey[Addresses]()


def pytest_configure(config: pytest.Config) -> None:
    """Decide which side this process is on; nothing starts yet."""
    contact = getattr(config, "workerinput", {}).get("mlc_localstack")
    config.stash[_addresses] = Owner(config.rootpath) if contact is None else Asker(contact)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End everything, also after Ctrl-C: pytest calls this in every case."""
    config.stash[_addresses].close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist whom to ask."""
    owner = node.config.stash[_addresses]
    assert isinstance(owner, Owner)
    node.workerinput["mlc_localstack"] = owner.serve()


@pytest.fixture(scope="session")
def kafka_bootstrap(pytestconfig: pytest.Config) -> str:
    """The address of a Kafka for the whole run; use topics of your own `tenant`."""
    return _address(pytestconfig, "kafka")


@pytest.fixture(scope="session")
def postgres_dsn(pytestconfig: pytest.Config) -> str:
    """The address of a PostgreSQL for the whole run, as superuser; use a `database` of your own."""
    return _address(pytestconfig, "postgres")


def _address(config: pytest.Config, part: str) -> str:
    ask: Callable[[str], str] = config.stash[_addresses].address
    return ask(part)


def _clear_away(run: Path) -> None:
    ownership = Ownership(run)
    try:
        ownership.take()
    except StackError:
        return  # it is running now
    LocalStack(run, environment={}).destroy()
    ownership.release()
    shutil.rmtree(run)
