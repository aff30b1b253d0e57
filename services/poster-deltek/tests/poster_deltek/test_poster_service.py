"""The poster as a part: which connections it serves, and a person who mends a connection while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from mlc_common.events import MappingApplied
from mlc_common.store import connections, mappings
from mlc_poster_deltek.app import run
from mlc_poster_deltek.settings import PosterSettings

from .desk import Desk, Office, OpenDesk

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.asyncio(loop_scope="session")]


@asynccontextmanager
async def the_part(at: Desk, monkeypatch: pytest.MonkeyPatch, serving: str = "") -> AsyncIterator[None]:
    """The whole part at work, as `mlc run` starts it."""
    common = at.runtime.settings
    monkeypatch.setenv("MLC_TENANT", common.tenant)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", common.kafka_bootstrap_servers)
    monkeypatch.setenv("DATABASE_URL", common.database_url.get_secret_value())
    monkeypatch.setenv("MLC_VAULT_KEY_FILE", str(common.vault_key_file))
    monkeypatch.setenv("MLC_POSTER_CONNECTIONS", serving)
    task = asyncio.create_task(run(at.runtime))
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def in_force(at: Desk) -> None:
    """A mapping that names the desk's connection."""
    applied = MappingApplied(
        flow=at.flow, store="shop", erp=at.erp, version="1", text="", by="test", at=datetime(2026, 11, 1, tzinfo=UTC)
    )
    async with at.runtime.pool.acquire() as connection:
        await mappings.apply(connection, applied)


async def test_a_refused_password_holds_nothing_and_a_new_one_is_taken_without_a_restart(
    desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk() as at:
        await in_force(at)
        await at.tell("users", name="ML_CONNECTOR", password="changed")
        await at.wish(at.wanted(1, at.invoice()))
        async with the_part(at, monkeypatch, at.erp):
            await at.until(lambda: tried(at))
            tokens = (await at.calls())["POST api/token"]
            assert tokens == 1, "a refused password may lock the user when it is tried again"
            assert (await at.reasons(), await at.drafts()) == ([], [])
            await at.runtime.vault.put(at.erp, "password", SecretStr("changed"))
            await connections.update(at.runtime.pool, at.erp, (await connections.get(at.runtime.pool, at.erp)).settings)
            await at.until(lambda: posted_after_the_pause(at))
        assert await at.batches() == ["IN-WC01-1001"]


async def test_a_connection_that_the_process_does_not_serve_is_left_to_others(
    desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk() as ours, desk() as others:
        for at in (ours, others):
            await in_force(at)
            await at.wish(at.wanted(1, at.invoice()))
        async with the_part(ours, monkeypatch, f"{ours.erp}, nobody"):
            await ours.until(lambda: posted(ours))
        assert (await ours.batches(), await others.calls()) == (["IN-WC01-1001"], {})


async def test_a_process_serves_all_connections_unless_some_are_named(office: Office) -> None:
    values = office.runtime.settings.model_dump()
    assert PosterSettings.model_validate(values).serves("deltek")
    some = PosterSettings.model_validate(values | {"poster_connections": "acme, globex"})
    assert (some.serves("globex"), some.serves("deltek")) == (True, False)


async def tried(at: Desk) -> bool:
    query = "select count(*) from posting_documents where flow = $1 and attempts > 0"
    return bool(await at.runtime.pool.fetchval(query, at.flow))


async def posted(at: Desk) -> bool:
    return bool(await at.batches())


async def posted_after_the_pause(at: Desk) -> bool:
    """Whether it is posted, once the minute is over that a wrong setting costs."""
    await at.runtime.pool.execute("update posting_orders set not_before = '-infinity' where flow = $1", at.flow)
    return await posted(at)
