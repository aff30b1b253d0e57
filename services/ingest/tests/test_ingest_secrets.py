"""Which secrets the gateway knows: from the vault, fresh enough, without asking the database too often."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr

from mlc_common.clock import FixedClock
from mlc_common.errors import ConfigurationError
from mlc_common.store import connections
from mlc_common.store.pool import Pool
from mlc_common.vault import KeyRing, Vault
from mlc_common.vault.keyring import create_key_file
from mlc_ingest.secrets import WEBHOOK_SECRET, ActiveSecrets, DistantVault, Secrets, VaultSource

from .stand_ins import SECRET, KnownSecrets


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 11, 21, tzinfo=UTC))


async def test_a_request_that_asks_gets_a_look_at_most_once_a_second(clock: FixedClock) -> None:
    source = KnownSecrets({})
    secrets = Secrets(source, clock)
    assert await secrets.newest("shop") is None
    source.found["shop"] = ("s",)
    assert await secrets.newest("shop") is None
    assert source.reads == 1
    clock.advance(1)
    assert await secrets.newest("shop") == ActiveSecrets(("s",))
    assert source.reads == 2


async def test_many_that_ask_at_once_share_one_look(clock: FixedClock) -> None:
    source = KnownSecrets({"shop": ("s",)})
    secrets = Secrets(source, clock)
    assert set(await asyncio.gather(*(secrets.newest("shop") for _ in range(50)))) == {ActiveSecrets(("s",))}
    assert source.reads == 1


async def test_a_look_that_takes_long_does_not_hold_a_request_for_long(clock: FixedClock) -> None:
    class Hanging(KnownSecrets):
        async def load(self) -> dict[str, ActiveSecrets]:
            await asyncio.Event().wait()
            raise AssertionError

    secrets = Secrets(Hanging({}), clock, patience_s=0.05)
    running = asyncio.create_task(secrets.run())
    assert await asyncio.wait_for(secrets.newest("shop"), 5) is None
    assert not secrets.loaded
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_is_known_outlives_a_lost_database(clock: FixedClock) -> None:
    source = KnownSecrets({"shop": ("s",)})
    secrets = Secrets(source, clock)
    await secrets.newest("shop")
    for error in (OSError("gone"), ConfigurationError("the key file is gone")):
        source.error = error
        clock.advance(10)
        assert await secrets.newest("shop") == ActiveSecrets(("s",))
    source.error, source.found = None, {}
    clock.advance(10)
    assert await secrets.newest("shop") is None


async def test_secrets_that_cannot_be_read_at_the_start_end_the_service(clock: FixedClock) -> None:
    with pytest.raises(ConfigurationError, match="the key file is another one"):
        await Secrets(KnownSecrets({}, error=ConfigurationError("the key file is another one")), clock).run()


async def test_refreshing_goes_on_until_cancelled(clock: FixedClock) -> None:
    source = KnownSecrets({"shop": ("s",)})
    running = asyncio.create_task(Secrets(source, clock).run())
    while source.reads < 5:
        await asyncio.sleep(0)
    assert clock.monotonic() >= 10 * 4
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_stores_with_their_active_webhook_secrets_come_from_the_vault(pool: Pool, vault: Vault) -> None:
    await vault.put("shop", WEBHOOK_SECRET, SecretStr("the new one"), keep_previous=True)
    await vault.put("shop", "consumer_secret", SecretStr("cs_not_for_ingest"))
    await connections.add(pool, "erp", "deltek", {})
    await vault.put("erp", WEBHOOK_SECRET, SecretStr("of an ERP"))
    await connections.add(pool, "no-webhooks", "woocommerce", {})
    found = await VaultSource(pool, vault).load()
    assert found == {"shop": ActiveSecrets(("the new one", SECRET))}
    assert SECRET not in repr(found)


async def test_nothing_but_webhook_secrets_is_read(pool: Pool, key_file: Path, tenant: str, vault: Vault) -> None:
    await vault.put("shop", "consumer_secret", SecretStr("cs_not_for_ingest"))
    read: list[tuple[str, str]] = []

    async def on_read(connection: str, name: str) -> None:
        read.append((connection, name))

    watched = Vault(pool, KeyRing.load(key_file), tenant, on_read=on_read)
    await VaultSource(pool, watched).load()
    assert read == [("shop", WEBHOOK_SECRET)]


async def test_another_key_file_is_said_without_the_secret(
    database: str, vault: Vault, tenant: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.keys"
    create_key_file(other)
    source = DistantVault(database, other, tenant)
    with pytest.raises(ConfigurationError) as error:
        await source.load()
    await source.close()
    assert SECRET not in str(error.value)
    assert vault is not None


async def test_a_database_that_is_away_is_tried_again(database: str, key_file: Path, tenant: str, vault: Vault) -> None:
    source = DistantVault("postgresql://nobody:pw@127.0.0.1:9/none", key_file, tenant)
    secrets = Secrets(source, FixedClock(datetime(2026, 11, 21, tzinfo=UTC)), least_s=0)
    with structlog.testing.capture_logs() as lines:
        assert await secrets.newest("shop") is None
    assert [line["event"] for line in lines] == ["ingest.secrets_unavailable"]
    assert not secrets.loaded
    source._dsn = database
    assert await secrets.newest("shop") == ActiveSecrets((SECRET,))
    await source.close()
    assert vault is not None
