"""Who changed a connection, its settings or its secrets: told in the same transaction, with old and new, no secret."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from mlc_common.audit.telling import PRODUCER
from mlc_common.clock import FixedClock
from mlc_common.errors import ConfigurationError
from mlc_common.events import ConnectionChanged, Topics
from mlc_common.store import connections, outbox
from mlc_common.store.pool import Pool, connect
from mlc_common.store.rebuild import running
from mlc_common.telemetry.redaction import WITHHELD
from mlc_common.vault import Vault
from mlc_common.vault.changes import Changes
from mlc_common.vault.connections import differing
from mlc_common.vault.keyring import create_key_file
from mlc_common.vault.rotation import Rotation

pytestmark = pytest.mark.postgres

PLAIN = "cs_planted-secret-of-a-connection"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SETTINGS: dict[str, Any] = {"url": "https://shop.example", "contract": {"http": {"max_rps": 5, "absence_gap_s": 1.5}}}


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    pool = await connect(database, application="test-changes")
    yield pool
    await pool.close()


@pytest.fixture
async def changes(pool: Pool, tmp_path: Path) -> Changes:
    create_key_file(path := tmp_path / "vault.key")
    vault = await Vault.start(pool, path, "acme")
    return Changes(pool, vault, Topics("acme"), FixedClock(NOW), by="ada")


async def told(pool: Pool) -> list[ConnectionChanged]:
    """What waits to be told to the audit topic, in order."""
    rows = await pool.fetch("select topic, value, key from outbox where producer = $1 order by id", PRODUCER)
    assert {(row["topic"], row["key"]) for row in rows} <= {("acme.audit", b"connection:shop")}
    return [ConnectionChanged.model_validate_json(row["value"]) for row in rows]


async def add(changes: Changes) -> None:
    secrets = {name: SecretStr(PLAIN) for name in ("consumer_key", "consumer_secret")}
    await changes.add("shop", "woocommerce", SETTINGS, secrets)


async def test_a_new_connection_is_told_with_its_settings_and_the_names_of_its_secrets(
    changes: Changes, pool: Pool
) -> None:
    await add(changes)
    (event,) = await told(pool)
    assert event == ConnectionChanged(
        connection="shop",
        kind="woocommerce",
        change="added",
        after={"url": "https://shop.example", "contract.http.max_rps": "5", "contract.http.absence_gap_s": "1.5"},
        secrets={"consumer_key": 1, "consumer_secret": 1},
        by="ada",
        at=NOW,
    )


async def test_a_changed_setting_is_told_with_its_old_and_its_new_value_and_the_others_are_not(
    changes: Changes, pool: Pool
) -> None:
    await add(changes)
    new = SETTINGS | {"contract": {"http": {"max_rps": None, "absence_gap_s": 1.5}}, "rate_per_s": "2"}
    await changes.settings("shop", lambda known: new)
    assert (await connections.get(pool, "shop")).settings == new
    event = (await told(pool))[1]
    assert (event.change, event.by, event.at) == ("settings", "ada", NOW)
    assert event.before == {"contract.http.max_rps": "5"}
    assert event.after == {"contract.http.max_rps": "null", "rate_per_s": "2"}


async def test_a_secret_given_anew_and_the_old_one_dropped_are_told_by_name_and_count(
    changes: Changes, pool: Pool
) -> None:
    await add(changes)
    before = (await connections.get(pool, "shop")).updated_at
    assert await changes.secret("shop", "consumer_secret", SecretStr(f"{PLAIN}2")) == 2
    assert await changes.retire("shop", "consumer_secret") == 1
    assert [(each.change, each.secrets) for each in (await told(pool))[1:]] == [
        ("secret", {"consumer_secret": 2}),
        ("retired", {"consumer_secret": 1}),
    ]
    assert (await changes.vault.get("shop", "consumer_secret")).get_secret_value() == f"{PLAIN}2"
    # Whoever serves the connection looks at this time.
    assert (await connections.get(pool, "shop")).updated_at > before


async def test_what_changes_nothing_is_not_told(changes: Changes, pool: Pool) -> None:
    await add(changes)
    await changes.settings("shop", lambda known: known.settings)
    assert await changes.retire("shop", "consumer_secret") == 1
    assert len(await told(pool)) == 1


async def test_no_secret_is_in_what_is_told(changes: Changes, pool: Pool) -> None:
    await add(changes)
    await changes.secret("shop", "webhook_secret", SecretStr(PLAIN))
    assert PLAIN not in json.dumps([each.model_dump(mode="json") for each in await told(pool)])
    for row in await pool.fetch("select value, headers from outbox"):
        assert PLAIN not in row["value"].decode() + row["headers"]


@pytest.mark.parametrize("secrets", [{"consumer_key": ""}, {"consumer_key": PLAIN, "consumer_secret": ""}])
async def test_a_connection_is_added_with_all_of_its_secrets_and_its_event_or_not_at_all(
    changes: Changes, pool: Pool, secrets: dict[str, str]
) -> None:
    with pytest.raises(ConfigurationError, match="is empty"):
        await changes.add("shop", "woocommerce", SETTINGS, {name: SecretStr(text) for name, text in secrets.items()})
    assert (await connections.list_all(pool), await changes.vault.names("shop"), await told(pool)) == ([], {}, [])


async def test_a_change_that_cannot_be_told_is_not_made(
    changes: Changes, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(changes)

    async def lost(*_: Any) -> None:
        raise ConnectionResetError("the machine lost power")

    monkeypatch.setattr(outbox, "add", lost)
    with pytest.raises(ConnectionResetError):
        await changes.secret("shop", "consumer_secret", SecretStr(f"{PLAIN}2"))
    with pytest.raises(ConnectionResetError):
        await changes.settings("shop", lambda known: {**known.settings, "rate_per_s": "2"})
    assert (await connections.get(pool, "shop")).settings == SETTINGS
    assert (await changes.vault.names("shop"))["consumer_secret"] == 1


async def test_nothing_is_changed_while_the_tables_are_rebuilt_for_its_event_would_go_with_the_old_ones(
    changes: Changes, pool: Pool
) -> None:
    await add(changes)
    rotation = Rotation(pool, changes.vault, Path("/nowhere"), Topics("acme"), changes.clock, by="ada")
    async with running.alone(pool):
        with pytest.raises(ConfigurationError, match="try again when `mlc rebuild` has ended"):
            await changes.secret("shop", "consumer_secret", SecretStr(f"{PLAIN}2"))
        with pytest.raises(ConfigurationError, match="try again when `mlc rebuild` has ended"):
            await rotation.rotate()
    assert len(await told(pool)) == 1
    assert await changes.secret("shop", "consumer_secret", SecretStr(f"{PLAIN}2")) == 2


async def test_no_rebuild_begins_while_something_is_being_changed(pool: Pool) -> None:
    async with pool.acquire() as db, db.transaction():
        await running.refuse_meanwhile(db)
        with pytest.raises(ConfigurationError, match="a connection are being changed"):
            async with running.alone(pool):
                pytest.fail("it began")


def test_what_is_called_like_a_credential_is_named_and_not_shown_and_no_address_tells_one() -> None:
    before = {"contract": {"auth": {"token": {"path": "v1/token"}}}, "url": "https://erp.example/?api_key=abcdef"}
    after = {"contract": {"auth": {"token": {"path": "v2/token"}}}, "username": "kim@shop.example", "lines": ["a", 1]}
    assert differing(before, after) == (
        {"contract.auth.token.path": WITHHELD, "url": "https://erp.example/?api_key=[withheld]"},
        {"contract.auth.token.path": WITHHELD, "lines": '["a", 1]', "username": "[e-mail]"},
    )


async def test_a_first_secret_is_made_once_and_told(changes: Changes, pool: Pool) -> None:
    await add(changes)
    assert await changes.first_secret("shop", "webhook_secret", SecretStr(PLAIN))
    assert not await changes.first_secret("shop", "webhook_secret", SecretStr("another"))

    (known,) = await changes.vault.get_active("shop", "webhook_secret")
    assert known.get_secret_value() == PLAIN
    (event,) = (await told(pool))[1:]
    assert (event.change, event.secrets, event.by) == ("secret", {"webhook_secret": 1}, "ada")
    assert PLAIN not in event.model_dump_json()
