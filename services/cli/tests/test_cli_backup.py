"""Connections and sealed secrets to a file and back: whole or not at all, for the same tenant, never in clear."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from mlc_cli.app import app
from mlc_common.events import ConnectionChanged
from mlc_common.store import connections
from mlc_common.store.pool import Pool, connect
from mlc_common.vault import Vault
from mlc_common.vault.keyring import create_key_file

pytestmark = pytest.mark.postgres

PLANTED = "cs_planted-by-the-test-of-the-backup"
SETTINGS = {"url": "https://shop.example", "rate_per_s": 2.5}


@pytest.fixture
def key_file(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tenant with a connection and two secrets of it, whose broker is away; its key file."""
    create_key_file(path := tmp_path / "vault.key")
    for name, value in {
        "MLC_TENANT": "acme",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
        "DATABASE_URL": database,
        "MLC_VAULT_KEY_FILE": str(path),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    in_database(database, _store_with(path))
    return path


def in_database(dsn: str, act: Callable[[Pool], Any]) -> Any:
    async def run() -> Any:
        pool = await connect(dsn, application="test", most=2)
        try:
            return await act(pool)
        finally:
            await pool.close()

    return asyncio.run(run())


def _store_with(key_file: Path) -> Callable[[Pool], Any]:
    async def store(pool: Pool) -> None:
        await connections.add(pool, "shop", "woocommerce", SETTINGS)
        vault = await Vault.start(pool, key_file, "acme")
        await vault.put("shop", "webhook_secret", SecretStr("older"))
        await vault.put("shop", "webhook_secret", SecretStr(PLANTED), keep_previous=True)

    return store


async def _lose(pool: Pool) -> None:
    await pool.execute("truncate connections, vault_secrets")


def _secrets_with(key_file: Path) -> Callable[[Pool], Any]:
    async def read(pool: Pool) -> tuple[dict[str, Any], list[str]]:
        vault = await Vault.start(pool, key_file, "acme")
        found = await vault.get_active("shop", "webhook_secret")
        return (await connections.get(pool, "shop")).settings, [one.get_secret_value() for one in found]

    return read


def mlc(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "80"}).invoke(app, arguments)


def test_what_was_backed_up_is_restored_and_opens(key_file: Path, database: str, tmp_path: Path) -> None:
    """R19: the part of a lost database that the log does not hold."""
    made = mlc("backup", "tenant.json", "--json")
    assert json.loads(made.stdout) == {"file": "tenant.json", "connections": 1, "secrets": 2}
    file = tmp_path / "tenant.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert PLANTED not in file.read_text()
    in_database(database, _lose)
    restored = mlc("restore", "tenant.json")

    assert (restored.exit_code, "Next: mlc rebuild." in restored.stdout) == (0, True)
    assert in_database(database, _secrets_with(key_file)) == (SETTINGS, [PLANTED, "older"])
    assert PLANTED not in made.output + restored.output


def test_a_backup_is_never_written_over_another(key_file: Path, tmp_path: Path) -> None:
    (tmp_path / "tenant.json").write_text("precious")
    refused = mlc("backup", "tenant.json")

    assert (refused.exit_code, (tmp_path / "tenant.json").read_text()) == (1, "precious")
    assert "exists already" in refused.output


def test_what_is_there_is_replaced_only_if_that_is_asked_for(key_file: Path, database: str) -> None:
    mlc("backup", "tenant.json")

    async def change(pool: Pool) -> None:
        await connections.update(pool, "shop", {"url": "https://other.example"})

    in_database(database, change)
    refused = mlc("restore", "tenant.json")
    assert (refused.exit_code, "--replace drops them" in " ".join(refused.output.split())) == (1, True)
    assert in_database(database, _secrets_with(key_file))[0] == {"url": "https://other.example"}
    assert mlc("restore", "tenant.json", "--replace").exit_code == 0
    assert in_database(database, _secrets_with(key_file)) == (SETTINGS, [PLANTED, "older"])


async def _told(pool: Pool) -> list[ConnectionChanged]:
    rows = await pool.fetch("select value from outbox where producer = 'vault' order by id")
    return [ConnectionChanged.model_validate_json(row["value"]) for row in rows]


def test_what_is_brought_back_is_told_to_the_audit(key_file: Path, database: str) -> None:
    """Who put which connections and secrets back, and what they replaced; the auditor tells it, the broker is away."""
    mlc("backup", "tenant.json")

    async def change(pool: Pool) -> None:
        await connections.update(pool, "shop", {"url": "https://other.example"})
        await connections.add(pool, "newer", "deltek", {"url": "https://erp.example"})
        vault = await Vault.start(pool, key_file, "acme")
        await vault.put("newer", "password", SecretStr(PLANTED))

    in_database(database, change)
    assert mlc("restore", "tenant.json").exit_code == 1
    assert in_database(database, _told) == []
    restored = mlc("restore", "tenant.json", "--replace")
    assert "Kafka does not answer: the auditor tells this" in " ".join(restored.output.split())
    dropped, back = in_database(database, _told)

    assert (dropped.connection, dropped.kind, dropped.change, dropped.secrets) == (
        "newer", "deltek", "dropped", {"password": 0},
    )  # fmt: skip
    assert (back.connection, back.kind, back.change, back.by) == ("shop", "woocommerce", "restored", getpass.getuser())
    assert back.before == {"url": "https://other.example"}
    assert back.after == {"rate_per_s": "2.5", "url": "https://shop.example"}
    assert back.secrets == {"webhook_secret": 2}
    assert PLANTED not in back.model_dump_json() + dropped.model_dump_json()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text[:-40], "this is no backup"),
        (lambda text: text.replace('"acme"', '"other"'), "is of tenant 'other', not of 'acme'"),
        (lambda text: text.replace('"format": 1', '"format": 2'), "has format 2, which this version does not know"),
        (lambda text: text.replace('"nonce": "', '"nonce": "!'), "the backup is damaged"),
        (lambda text: text.replace('"woocommerce"', '"nothing"'), "the backup is damaged"),
        (lambda text: text.replace('"ciphertext": "', '"ciphertext": "AAAA'), "does not open"),
    ],
)
def test_a_file_that_is_no_whole_backup_of_this_tenant_restores_nothing(
    key_file: Path, database: str, tmp_path: Path, spoil: Callable[[str], str], said: str
) -> None:
    mlc("backup", "tenant.json")
    file = tmp_path / "tenant.json"
    file.write_text(spoil(file.read_text()))
    in_database(database, _lose)
    refused = mlc("restore", "tenant.json")

    assert refused.exit_code == 1
    assert said in " ".join(refused.output.split())

    async def left(pool: Pool) -> int:
        return int(await pool.fetchval("select count(*) from connections"))

    assert in_database(database, left) == 0
