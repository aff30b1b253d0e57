"""The vault's keys from the command line: a wrong or missing one is said at every start, and Kafka is not asked for."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from mlc_cli.app import app
from mlc_common.runtime import known_parts
from mlc_common.store import connections
from mlc_common.store.pool import connect
from mlc_common.vault import KeyRing, Vault
from mlc_common.vault.keyring import add_current_key, create_key_file

pytestmark = pytest.mark.postgres

PLANTED = "cs_planted-by-the-test-of-the-command"
NOWHERE = "127.0.0.1:9"
COMMANDS = [
    ["connection", "list"],
    ["connection", "ping", "shop"],
    ["connection", "set", "shop", "--set", "url=https://shop.example"],
    ["connection", "rotate", "shop", "--secret", "webhook_secret", "--generate"],
    ["vault", "status"],
    ["vault", "rotate"],
    ["holds"],
    ["audit", "show", "1001"],
    *(["run", part] for part in [*known_parts(), "all"]),
]


@pytest.fixture
def key_file(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings of a tenant whose vault holds a secret, and whose broker is away; its key file."""
    create_key_file(path := tmp_path / "vault.key")
    asyncio.run(_store(database, path))
    settings = {
        "MLC_TENANT": "acme",
        "KAFKA_BOOTSTRAP_SERVERS": NOWHERE,
        "DATABASE_URL": database,
        "MLC_VAULT_KEY_FILE": str(path),
        "MLC_METRICS_PORT": "0",
        "MLC_INGEST_PORT": "0",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return path


async def _store(database: str, key_file: Path) -> None:
    pool = await connect(database, application="test", most=2)
    try:
        await connections.add(pool, "shop", "woocommerce", {"url": "https://127.0.0.1:9", "allow_private": True})
        vault = Vault(pool, KeyRing.load(key_file), "acme")
        for name in ("consumer_key", "consumer_secret"):
            await vault.put("shop", name, SecretStr(PLANTED))
    finally:
        await pool.close()


def mlc(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_every_part_and_command_says_at_its_start_that_the_key_is_another_one(
    command: list[str], key_file: Path
) -> None:
    (right,) = KeyRing.load(key_file).ids
    key_file.unlink()
    create_key_file(key_file)
    result = mlc(*command)
    assert result.exit_code == 1
    assert f"secrets are sealed under key '{right}', which the vault key file lacks; put that key back" in result.stderr
    assert PLANTED not in result.output


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_every_part_and_command_says_at_its_start_that_the_key_file_is_missing(
    command: list[str], key_file: Path
) -> None:
    key_file.unlink()
    result = mlc(*command)
    assert result.exit_code == 1
    assert f"the vault key file {key_file} cannot be read (No such file or directory)" in result.stderr


def test_connections_are_listed_changed_and_rotated_while_the_broker_is_away(key_file: Path, tmp_path: Path) -> None:
    assert key_file.exists()
    (given := tmp_path / "erp.json").write_text('{"password": "p", "client_id": "c", "client_secret": "s"}')
    erp = ["--kind", "deltek", "--set", "url=https://erp.example/", "--set", "database=D", "--set", "username=U"]
    assert mlc("connection", "add", "deltek", *erp, "--secrets", str(given)).exit_code == 0
    assert mlc("connection", "set", "deltek", "--set", "visibility_delay_s=60").exit_code == 0
    rotated = mlc("connection", "rotate", "shop", "--secret", "webhook_secret", "--generate")
    assert rotated.exit_code == 0
    assert "Kafka does not answer: the auditor tells this to the log later." in rotated.stderr
    listed = json.loads(mlc("connection", "list", "--json").stdout)
    assert {each["connection"]: each["secrets"] for each in listed} == {
        "deltek": "client_id, client_secret, password",
        "shop": "consumer_key, consumer_secret, webhook_secret",
    }
    pinged = mlc("connection", "ping", "shop")
    assert pinged.exit_code == 1
    assert "Its address is https://127.0.0.1:9" in pinged.stderr


def test_the_state_of_the_keys_names_them_and_says_what_is_left_to_do(key_file: Path) -> None:
    (old,) = KeyRing.load(key_file).ids
    assert "Everything is under the current key." in mlc("vault", "status").stdout
    new = add_current_key(key_file)
    said = json.loads(mlc("vault", "status", "--json").stdout)
    assert said == {
        "keys": [
            {"key": new.id, "current": True, "secrets": 0},
            {"key": old, "current": False, "secrets": 2},
        ],
        "unfinished": True,
    }
    assert "2 secrets not yet under the current key: run `mlc vault rotate`" in mlc("vault", "status").stdout


def test_nothing_is_rotated_that_could_not_be_told_to_the_audit(key_file: Path) -> None:
    before = key_file.read_text()
    result = mlc("vault", "rotate")
    assert (result.exit_code, key_file.read_text()) == (1, before)
    assert f"Kafka at {NOWHERE} cannot be reached" in result.stderr


def test_what_excludes_each_other_is_said(key_file: Path) -> None:
    before = key_file.read_text()
    result = mlc("vault", "rotate", "--retire", "--no-new-key")
    assert (result.exit_code, key_file.read_text()) == (1, before)
    assert "exclude each other" in result.stderr
