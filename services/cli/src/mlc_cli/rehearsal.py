"""A whole tenant on this machine: sandboxes and our own parts as processes, on a given broker and database server.

Used by `mlc demo`, by the benchmarks and by the end-to-end tests, so that all three run the same thing: real processes,
settings from the environment, the command line for configuration. Everything it starts, it ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from mlc_common.errors import ConnectorError
from mlc_common.vault.keyring import create_key_file

STORE, ERP = "shop", "deltek"
_UP_S = 60.0
_STOP_S = 15.0


class RehearsalError(ConnectorError):
    """A process did not come up or ended by itself; the message holds the end of its log."""

    code = "rehearsal"


@dataclass
class Process:
    """One child process that prints one line of JSON when it is up."""

    name: str
    arguments: list[str]
    environment: dict[str, str]
    log: Path
    told: dict[str, Any] = field(default_factory=dict)
    _process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process id.

        Raises:
            RehearsalError: it is not running.
        """
        if self._process is None:
            raise RehearsalError(f"{self.name} is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it and wait for its line.

        Raises:
            RehearsalError: it ended instead, or said nothing in time.
        """
        await self.launch()
        try:
            async with asyncio.timeout(_UP_S):
                line = await self._line()
        except TimeoutError:
            await self.stop()
            raise RehearsalError(f"{self.name} did not come up: {self._tail()}") from None
        self.told = json.loads(line)

    async def launch(self) -> None:
        """Start it without waiting for anything."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self.arguments,
                env=self.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    async def stop(self) -> int:
        """End it gently, then by force; its exit status."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> int:
        """End it at once, as a machine that loses power does."""
        return await self._end(signal.SIGKILL)

    async def ended(self) -> int:
        """Wait until it ends by itself; its exit status."""
        if self._process is None:
            raise RehearsalError(f"{self.name} is not running")
        await self._process.communicate()
        return self._process.returncode or 0

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    async def _line(self) -> bytes:
        process = self._process
        if process is None or process.stdout is None:
            raise RehearsalError(f"{self.name} is not running")
        line = await process.stdout.readline()
        if not line:
            raise RehearsalError(f"{self.name} ended with {await process.wait()}: {self._tail()}")
        return line

    async def _end(self, number: signal.Signals) -> int:
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(number)
        try:
            async with asyncio.timeout(_STOP_S):
                await process.communicate()
        except TimeoutError:
            process.kill()
            await process.communicate()
        self._process = None
        return process.returncode or 0

    def _tail(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:] if self.log.exists() else ""


@dataclass
class Rehearsal:
    """One tenant, its sandboxes and its parts.

    Attributes:
        folder: Where keys, settings and logs go.
        environment: What every process of ours is given.
        shop: The WooCommerce sandbox; ``erp`` the Deltek sandbox.
        http: A plain client for the sandboxes' control APIs.
    """

    folder: Path
    environment: dict[str, str]
    shop: Process
    erp: Process
    http: httpx.AsyncClient
    parts: dict[str, Process] = field(default_factory=dict)

    @property
    def shop_url(self) -> str:
        """Where the store answers."""
        return str(self.shop.told["url"])

    @property
    def erp_url(self) -> str:
        """Where the ERP answers."""
        return str(self.erp.told["url"])

    def part(self, name: str, **environment: str) -> Process:
        """A process of ours that is not started yet; ``environment`` adds to the common settings."""
        process = Process(
            name,
            ["-m", "mlc_cli", "run", name, "--json"],
            self.environment | environment,
            self.folder / f"{name}.log",
        )
        self.parts[name] = process
        return process

    async def mlc(self, *arguments: str) -> Any:
        """Run one command of ours and read its JSON.

        Raises:
            RehearsalError: it failed; the message is what it said.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "mlc_cli",
            *arguments,
            "--json",
            env=self.environment,
            cwd=self.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        if process.returncode != 0:
            raise RehearsalError(f"mlc {' '.join(arguments)}: {err.decode(errors='replace')[-1500:]}")
        return json.loads(out)

    async def act(self, action: str, **body: Any) -> Any:
        """Do something as the shopper or merchant: ``place_order``, ``refund``, ``cancel`` …"""
        return await self._post(f"{self.shop_url}/_sandbox/{action}", body)

    async def tell_erp(self, action: str, **body: Any) -> Any:
        """Use the ERP sandbox's control API."""
        return await self._post(f"{self.erp_url}/_sandbox/{action}", body)

    async def shop_truth(self) -> dict[str, Any]:
        """The store's own tables."""
        return await self._dump(self.shop_url)

    async def erp_truth(self) -> dict[str, Any]:
        """The ERP's own tables."""
        return await self._dump(self.erp_url)

    async def _post(self, url: str, body: Mapping[str, Any]) -> Any:
        answer = await self.http.post(url, json=dict(body))
        if answer.status_code >= 300:
            raise RehearsalError(f"{url}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    async def _dump(self, url: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.http.get(f"{url}/_sandbox/dump")).json()
        return found


@asynccontextmanager
async def rehearsal(
    folder: Path,
    *,
    kafka: str,
    server_dsn: str,
    tenant: str,
    shop: Mapping[str, Any] | None = None,
    erp: Mapping[str, Any] | None = None,
    **environment: str,
) -> AsyncIterator[Rehearsal]:
    """A tenant of its own on this broker and database server, with both sandboxes up; parts are started by the caller.

    Args:
        folder: An empty folder of the caller's.
        kafka: The broker.
        server_dsn: A PostgreSQL server on which databases may be made; one is made and dropped.
        tenant: The tenant's short name; its topics stay on the broker.
        shop: Settings of the WooCommerce sandbox.
        erp: Settings of the Deltek sandbox.
        environment: Further settings of our processes.
    """
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    async with _database(server_dsn, tenant) as dsn:
        ours = environment_of(folder, kafka, dsn, tenant) | environment
        rig = Rehearsal(
            folder, ours, _sandbox("woocommerce", folder, shop), _sandbox("deltek", folder, erp), httpx.AsyncClient()
        )
        try:
            await asyncio.gather(rig.shop.start(), rig.erp.start())
            yield rig
        finally:
            processes = [*rig.parts.values(), rig.shop, rig.erp]
            await asyncio.gather(*(process.stop() for process in processes), return_exceptions=True)
            await rig.http.aclose()


def environment_of(folder: Path, kafka: str, dsn: str, tenant: str) -> dict[str, str]:
    """The settings of a tenant's processes, with a vault key made in its folder where there is none."""
    key = folder / "vault.key"
    if not key.exists():
        create_key_file(key)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {
        "MLC_TENANT": tenant,
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "DATABASE_URL": dsn,
        "MLC_VAULT_KEY_FILE": str(key),
        "MLC_METRICS_PORT": "0",
        "MLC_INGEST_HOST": "127.0.0.1",
        "MLC_INGEST_PORT": "0",
        "PYTHONUNBUFFERED": "1",
    }


def _sandbox(system: str, folder: Path, config: Mapping[str, Any] | None) -> Process:
    path = folder / f"{system}.json"
    path.write_text(json.dumps(dict(config or {})), encoding="utf-8")
    arguments = ["-m", "mlc_sandbox", system, "--config", str(path)]
    return Process(f"sandbox {system}", arguments, dict(os.environ), folder / f"{system}.log")


@asynccontextmanager
async def _database(server_dsn: str, tenant: str) -> AsyncIterator[str]:
    from mlc_localstack import create_database, drop_database  # here: an image of ours has no servers of its own

    name = f"mlc_{tenant.replace('-', '_')}"
    await drop_database(server_dsn, name)
    yield await create_database(server_dsn, name)
    await drop_database(server_dsn, name)
