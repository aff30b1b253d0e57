"""Secrets and connections in a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from mlc_common.errors import ConfigurationError
from mlc_common.store import connections
from mlc_common.store.pool import Pool, connect
from mlc_common.vault import ConnectionKind, Key, KeyRing, Vault

pytestmark = pytest.mark.postgres

OLD, NEW = Key.generate("old"), Key.generate("new")
PLAIN = "cs_planted-secret-0123456789"


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    pool = await connect(database, application="test-vault")
    yield pool
    await pool.close()


@pytest.fixture
def vault(pool: Pool) -> Vault:
    return Vault(pool, KeyRing([OLD]), "acme")


def plain(found: tuple[SecretStr, ...]) -> list[str]:
    return [secret.get_secret_value() for secret in found]


async def everything(pool: Pool) -> list[asyncpg.Record]:
    return await pool.fetch("select * from vault_secrets order by connection, name, version")


async def test_a_stored_secret_is_read_back_and_is_not_in_the_table_in_clear(vault: Vault, pool: Pool) -> None:
    await vault.put("shop", "consumer_secret", SecretStr(PLAIN))
    assert plain(await vault.get_active("shop", "consumer_secret")) == [PLAIN]
    (row,) = await everything(pool)
    assert PLAIN.encode() not in row["ciphertext"] + row["wrapped_key"] + row["nonce"] + row["wrap_nonce"]


async def test_while_a_secret_is_replaced_two_are_active_newest_first(vault: Vault) -> None:
    for secret in ("one", "two", "three"):
        await vault.put("shop", "webhook_secret", SecretStr(secret), keep_previous=True)
    assert plain(await vault.get_active("shop", "webhook_secret")) == ["three", "two"]
    assert await vault.names("shop") == {"webhook_secret": 2}
    assert await vault.retire_old("shop", "webhook_secret") == 1
    assert plain(await vault.get_active("shop", "webhook_secret")) == ["three"]


async def test_a_secret_replaced_outright_leaves_no_old_one(vault: Vault, pool: Pool) -> None:
    await vault.put("shop", "consumer_secret", SecretStr("one"))
    assert await vault.put("shop", "consumer_secret", SecretStr("two")) == 2
    assert plain(await vault.get_active("shop", "consumer_secret")) == ["two"]
    assert len(await everything(pool)) == 1


async def test_secrets_stored_at_once_are_all_versions_of_their_own(vault: Vault) -> None:
    puts = [vault.put("shop", "webhook_secret", SecretStr(str(n)), keep_previous=True) for n in range(5)]
    assert sorted(await asyncio.gather(*puts)) == [1, 2, 3, 4, 5]
    assert len(await vault.get_active("shop", "webhook_secret")) == 2


async def test_an_empty_secret_is_refused(vault: Vault) -> None:
    with pytest.raises(ConfigurationError, match="is empty"):
        await vault.put("shop", "consumer_secret", SecretStr(""))


async def test_a_secret_that_is_not_there_is_named(vault: Vault) -> None:
    assert await vault.get_active("shop", "password") == ()
    with pytest.raises(ConfigurationError, match="'shop' has no secret 'password'"):
        await vault.get("shop", "password")


async def test_a_row_copied_to_another_connection_does_not_open(vault: Vault, pool: Pool) -> None:
    await vault.put("shop", "consumer_secret", SecretStr(PLAIN))
    await pool.execute("update vault_secrets set connection = 'other'")
    with pytest.raises(ConfigurationError, match="does not open") as caught:
        await vault.get("other", "consumer_secret")
    assert PLAIN not in str(caught.value)


async def test_another_tenants_row_does_not_open(vault: Vault, pool: Pool) -> None:
    await vault.put("shop", "consumer_secret", SecretStr(PLAIN))
    with pytest.raises(ConfigurationError, match="the tenant is another one"):
        await Vault(pool, KeyRing([OLD]), "rival").get("shop", "consumer_secret")


async def test_reads_are_told_and_name_no_value(pool: Pool) -> None:
    heard: list[tuple[str, str]] = []

    async def on_read(connection: str, name: str) -> None:
        heard.append((connection, name))

    vault = Vault(pool, KeyRing([OLD]), "acme", on_read=on_read)
    await vault.put("shop", "consumer_secret", SecretStr(PLAIN))
    assert heard == []
    await vault.get("shop", "consumer_secret")
    await vault.get_active("shop", "absent")
    assert heard == [("shop", "consumer_secret")]


async def test_keys_are_rotated_and_the_old_key_may_go(vault: Vault, pool: Pool) -> None:
    for number in range(3):
        await vault.put("shop", f"secret{number}", SecretStr(f"{PLAIN}{number}"))
    before = await everything(pool)
    told: list[tuple[int, int]] = []
    rotating = Vault(pool, KeyRing([NEW, OLD]), "acme")
    assert await rotating.rotate_keys(lambda done, total: told.append((done, total))) == 3
    after = await everything(pool)
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert [(row["nonce"], row["ciphertext"]) for row in after] == [(row["nonce"], row["ciphertext"]) for row in before]
    assert {row["key_id"] for row in after} == {"new"}
    assert plain(await Vault(pool, KeyRing([NEW]), "acme").get_active("shop", "secret1")) == [f"{PLAIN}1"]
    assert await rotating.rotate_keys() == 0


async def test_a_rotation_that_was_cut_off_goes_on_where_it_was(vault: Vault, pool: Pool) -> None:
    for number in range(4):
        await vault.put("shop", f"secret{number}", SecretStr(PLAIN))
    rotating = Vault(pool, KeyRing([NEW, OLD]), "acme")

    def cut(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await rotating.rotate_keys(cut)
    assert sorted(row["key_id"] for row in await everything(pool)) == ["new", "new", "old", "old"]
    for number in range(4):
        assert plain(await rotating.get_active("shop", f"secret{number}")) == [PLAIN]
    assert await rotating.rotate_keys() == 2
    assert {row["key_id"] for row in await everything(pool)} == {"new"}


async def test_a_vault_starts_only_with_keys_that_open_what_is_stored(vault: Vault, pool: Pool, tmp_path: Path) -> None:
    await vault.put("shop", "consumer_secret", SecretStr(PLAIN))
    keys = tmp_path / "keys"
    for ring, words in ((KeyRing([NEW]), "lacks"), (KeyRing([Key.generate("old")]), "holds another key")):
        keys.write_text(ring.text())
        with pytest.raises(ConfigurationError, match=words):
            await Vault.start(pool, keys, "acme")
    keys.write_text(KeyRing([NEW, OLD]).text())
    started = await Vault.start(pool, keys, "acme")
    assert plain(await started.get_active("shop", "consumer_secret")) == [PLAIN]


async def test_a_removed_connection_keeps_no_secret(vault: Vault, pool: Pool) -> None:
    await vault.put("shop", "a", SecretStr("1"))
    await vault.put("erp", "a", SecretStr("2"))
    assert await vault.remove("shop") == 1
    assert [row["connection"] for row in await everything(pool)] == ["erp"]


async def test_a_connection_is_added_listed_changed_and_removed(pool: Pool) -> None:
    added = await connections.add(pool, "shop", "woocommerce", {"url": "https://shop.example", "allow_private": False})
    assert added.kind is ConnectionKind.WOOCOMMERCE
    assert await connections.get(pool, "shop") == added
    await connections.add(pool, "erp", "deltek", {"url": "https://erp.example"})
    assert [each.id for each in await connections.list_all(pool)] == ["erp", "shop"]
    assert [each.id for each in await connections.list_all(pool, ConnectionKind.DELTEK)] == ["erp"]
    changed = await connections.update(pool, "shop", {"url": "https://new.example"})
    assert changed.settings == {"url": "https://new.example"}
    assert changed.updated_at >= changed.created_at == added.created_at
    assert await connections.remove(pool, "shop")
    assert not await connections.remove(pool, "shop")


async def test_a_taken_or_unknown_connection_is_named(pool: Pool) -> None:
    await connections.add(pool, "shop", "woocommerce", {})
    with pytest.raises(ConfigurationError, match="there is a connection 'shop' already"):
        await connections.add(pool, "shop", "woocommerce", {})
    with pytest.raises(ConfigurationError, match=r"no connection 'shpo' \(known: shop\)"):
        await connections.get(pool, "shpo")
    with pytest.raises(ConfigurationError, match="no connection 'shpo'"):
        await connections.update(pool, "shpo", {})


@pytest.mark.parametrize(
    ("connection", "kind", "settings", "words"),
    [
        ("Shop 1", "woocommerce", {}, "its name must be"),
        ("a:b", "woocommerce", {}, "its name must be"),
        ("shop", "magento", {}, "kind"),
        ("shop", "woocommerce", {"consumer_secret": PLAIN}, "looks like a credential"),
        ("shop", "deltek", {"login": {"password": PLAIN}}, "'login.password' looks like a credential"),
        ("shop", "deltek", {"contract": {"auth": {"form": {"password": PLAIN}}}}, "looks like a credential"),
        ("shop", "deltek", {"contract": {"auth": {"token": PLAIN}}}, "looks like a credential"),
        ("shop", "deltek", {"contract": {"fields": {"password": "word"}}}, "looks like a credential"),
        ("shop", "deltek", {"url": f"https://me:{PLAIN}@erp.example"}, "holds a password in an address"),
    ],
)
async def test_a_connection_that_cannot_be_used_is_refused_without_showing_a_secret(
    pool: Pool, connection: str, kind: str, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        await connections.add(pool, connection, kind, settings)
    assert PLAIN not in str(caught.value)
    assert await connections.list_all(pool) == []


async def test_how_a_tenant_spells_its_sign_in_is_no_credential(pool: Pool) -> None:
    auth = {
        "token": {"root": "api", "path": "connect/token", "method": "POST"},
        "form": {"password": "Pass_word", "client_secret": "ClientSecret", "refresh_token": "RefreshToken"},
    }
    added = await connections.add(pool, "erp", "deltek", {"contract": {"auth": auth}})
    assert added.settings == {"contract": {"auth": auth}}


async def test_the_table_takes_every_kind_that_the_model_knows(pool: Pool) -> None:
    for kind in ConnectionKind:
        await connections.add(pool, f"c-{kind.value}", kind.value, {})
    assert len(await connections.list_all(pool)) == len(ConnectionKind)
