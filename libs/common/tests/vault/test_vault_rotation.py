"""Keys are rotated while secrets are read and stored: nothing fails or stays behind, and it is told by key ids."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from mlc_common.clock import FixedClock
from mlc_common.errors import ConfigurationError
from mlc_common.events import Topics, VaultKeysRotated
from mlc_common.store.pool import Pool, connect
from mlc_common.vault import KeyRing, Vault
from mlc_common.vault.keyring import add_current_key, create_key_file
from mlc_common.vault.rotation import PRODUCER, KeyState, Rotation
from mlc_common.vault.store import hold_keys, take_turn

pytestmark = pytest.mark.postgres

PLAIN = "cs_planted-secret-9876543210"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    pool = await connect(database, application="test-rotation")
    yield pool
    await pool.close()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    create_key_file(path := tmp_path / "vault.key")
    return path


@pytest.fixture
async def vault(pool: Pool, key_file: Path) -> Vault:
    """As a running part has it; three secrets are in it."""
    opened = await Vault.start(pool, key_file, "acme")
    for number in range(3):
        await opened.put("shop", f"secret{number}", SecretStr(f"{PLAIN}{number}"))
    return opened


@pytest.fixture
async def rotation(pool: Pool, vault: Vault, key_file: Path) -> Rotation:
    """As another process has it; ``vault`` was opened before."""
    own = await Vault.start(pool, key_file, "acme")
    return Rotation(pool, own, key_file, Topics("acme"), FixedClock(NOW), by="ada")


async def told(pool: Pool) -> list[VaultKeysRotated]:
    """What waits to be told to the audit topic."""
    rows = await pool.fetch("select topic, value from outbox where producer = $1 order by id", PRODUCER)
    assert {row["topic"] for row in rows} <= {"acme.audit"}
    return [VaultKeysRotated.model_validate_json(row["value"]) for row in rows]


async def read(vault: Vault) -> list[str]:
    return [(await vault.get("shop", f"secret{number}")).get_secret_value() for number in range(3)]


async def test_every_secret_comes_under_a_new_key_and_a_running_part_reads_on(
    rotation: Rotation, vault: Vault, key_file: Path
) -> None:
    (old,) = KeyRing.load(key_file).ids
    done = await rotation.rotate()
    new, *others = KeyRing.load(key_file).ids
    assert (done.current, done.added, done.rewrapped, others) == (new, True, 3, [old])
    assert await rotation.status() == [KeyState(new, current=True, secrets=3), KeyState(old, current=False, secrets=0)]
    assert await read(vault) == [f"{PLAIN}{number}" for number in range(3)]


async def test_what_a_running_part_stores_afterwards_is_under_the_new_key(rotation: Rotation, vault: Vault) -> None:
    done = await rotation.rotate()
    await vault.put("shop", "webhook_secret", SecretStr(PLAIN))
    assert await vault.keys_in_use() == {done.current: 4}


async def test_a_rotation_that_was_cut_off_goes_on_without_a_further_key(
    rotation: Rotation, vault: Vault, key_file: Path, pool: Pool
) -> None:
    def cut(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await rotation.rotate(progress=cut)
    ids = KeyRing.load(key_file).ids
    assert sorted((await vault.keys_in_use()).values()) == [1, 2]
    assert await read(vault) == [f"{PLAIN}{number}" for number in range(3)]
    done = await rotation.rotate()
    assert (done.added, done.rewrapped, KeyRing.load(key_file).ids) == (False, 1, ids)
    assert await vault.keys_in_use() == {ids[0]: 3}
    assert await told(pool) == [done]


async def test_a_key_that_was_put_in_front_by_hand_is_taken(rotation: Rotation, vault: Vault, key_file: Path) -> None:
    new = add_current_key(key_file)
    done = await rotation.rotate(new_key=False)
    assert (done.current, done.added, done.rewrapped) == (new.id, False, 3)
    assert (await rotation.rotate(new_key=False)).rewrapped == 0
    assert await vault.keys_in_use() == {new.id: 3}


async def test_who_did_it_and_when_is_told_by_key_ids_alone(rotation: Rotation, pool: Pool, key_file: Path) -> None:
    (old,) = KeyRing.load(key_file).ids
    rotated, retired = await rotation.rotate(), await rotation.retire()
    assert await told(pool) == [rotated, retired]
    assert (rotated.by, rotated.at, rotated.rewrapped) == ("ada", NOW, 3)
    assert (retired.retired, retired.current) == ([old], rotated.current)
    said = json.dumps([event.model_dump(mode="json") for event in await told(pool)])
    for key in KeyRing.load(key_file).all():
        assert base64.b64encode(key.material).decode() not in said


async def test_a_key_that_something_is_under_is_never_dropped(rotation: Rotation, vault: Vault, key_file: Path) -> None:
    (old,) = KeyRing.load(key_file).ids
    new = add_current_key(key_file)
    done = await rotation.retire()
    assert (done.retired, KeyRing.load(key_file).ids) == ([], (new.id, old))
    await rotation.rotate()
    assert (await rotation.retire()).retired == [old]
    assert KeyRing.load(key_file).ids == (new.id,)
    assert await read(vault) == [f"{PLAIN}{number}" for number in range(3)]


async def test_what_does_nothing_is_not_told(rotation: Rotation, pool: Pool) -> None:
    await rotation.retire()
    assert await told(pool) == []


async def test_two_rotations_at_once_are_refused(rotation: Rotation, pool: Pool, key_file: Path) -> None:
    async with pool.acquire() as db, db.transaction():
        assert await take_turn(db)
        for act in (rotation.rotate, rotation.retire):
            with pytest.raises(ConfigurationError, match="somebody else rotates"):
                await act()
    assert len(KeyRing.load(key_file).ids) == 1


async def test_a_secret_that_is_being_stored_keeps_the_keys_as_they_are_until_it_is_stored(
    rotation: Rotation, vault: Vault, pool: Pool
) -> None:
    async with pool.acquire() as db, db.transaction():
        await hold_keys(db)
        rotating = asyncio.create_task(rotation.rotate())
        waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        while not await pool.fetchval(waiting):
            await asyncio.sleep(0.01)
        assert await vault.keys_in_use() == {(await rotation.status())[0].key: 3}
    assert (await rotating).rewrapped == 3


async def test_rotations_over_and_over_while_secrets_are_read_and_stored_lose_and_leave_nothing(
    rotation: Rotation, vault: Vault, key_file: Path
) -> None:
    over = asyncio.Event()
    stored = 0

    async def reading() -> None:
        while not over.is_set():
            assert await read(vault) == [f"{PLAIN}{number}" for number in range(3)]

    async def storing() -> None:
        nonlocal stored
        while not over.is_set():
            stored += 1
            await vault.put("shop", "webhook_secret", SecretStr(f"{PLAIN}-{stored}"))
            assert (await vault.get("shop", "webhook_secret")).get_secret_value() == f"{PLAIN}-{stored}"

    async with asyncio.TaskGroup() as group:
        group.create_task(reading())
        group.create_task(storing())
        for _ in range(10):
            await rotation.rotate()
            await rotation.retire()
        over.set()
    assert stored > 10
    assert await vault.keys_in_use() == {KeyRing.load(key_file).current.id: 4}
    assert len(KeyRing.load(key_file).ids) <= 2, "what was stored in the very moment of a retirement kept its key"


async def test_a_file_that_cannot_be_replaced_is_said_with_the_way_round(
    rotation: Rotation, vault: Vault, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(_self: Path, _target: Path) -> None:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", busy)
    before = key_file.read_text()
    with pytest.raises(ConfigurationError, match=r"busy.*--no-new-key") as caught:
        await rotation.rotate()
    assert key_file.read_text() == before
    assert list(key_file.parent.iterdir()) == [key_file], "no key is left lying about"
    assert before.partition(":")[2].strip() not in str(caught.value)
    assert await read(vault) == [f"{PLAIN}{number}" for number in range(3)]
