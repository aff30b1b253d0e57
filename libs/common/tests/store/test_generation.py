"""Generations of the tables: made beside, swapped in one step, and complete."""

from __future__ import annotations

import asyncpg
import pytest

from mlc_common.errors import Retryable
from mlc_common.store.pool import Pool
from mlc_common.store.rebuild import generation, recorded
from mlc_common.store.rebuild.folding import folds
from mlc_common.store.rebuild.rebuilding import Report, _compare_table

pytestmark = pytest.mark.postgres

NOT_RECORDED = {
    "outbox": "what waited is appended before a rebuild folds",
    "leases": "nobody works",
    "replay_orders": "a replay begins anew",
    "replay_states": "a replay begins anew",
}

TABLES = "select tablename from pg_tables where schemaname = $1 and tablename not like '\\_pogo%'"


async def tables(pool: Pool, schema: str) -> set[str]:
    return {row["tablename"] for row in await pool.fetch(TABLES, schema)}


async def test_every_table_is_folded_carried_over_or_known_to_need_neither(pool: Pool) -> None:
    """Whoever adds a table says here what a rebuild makes of it."""
    compared = {each.table for part in folds() for each in part.compared} | {t.table for t in recorded.COMPARED}
    assert await tables(pool, "public") == compared | generation.CARRIED | NOT_RECORDED.keys()


async def test_a_fresh_generation_has_every_table_and_leaves_those_in_force_alone(pool: Pool, database: str) -> None:
    await pool.execute("insert into leases values ('kept', 'me', now(), 1)")
    await generation.make(pool, database)
    assert await tables(pool, generation.FRESH) == await tables(pool, "public")
    await generation.make(pool, database)  # what an earlier attempt left is no obstacle
    await generation.drop(pool)
    assert await tables(pool, generation.FRESH) == set()
    assert await pool.fetchval("select name from leases") == "kept"
    assert await pool.fetchval("select count(*) from public._pogo_migration where schema_name <> 'public'") == 0


async def test_a_table_that_somebody_dropped_differs_in_every_row_and_is_back_after_the_swap(
    pool: Pool, database: str
) -> None:
    await generation.make(pool, database)
    await pool.execute("drop table public.audit_index")
    report = Report(rows={"audit_index": 7})
    async with pool.acquire() as connection, connection.transaction():
        await _compare_table(connection, recorded.AUDIT_INDEX, report)
    assert (report.differing, report.notes) == (7, ["The table audit_index is gone, of which the log tells 7 rows."])
    await generation.swap(pool)
    assert await pool.fetchval("select count(*) from public.audit_index") == 0


async def test_a_swap_moves_everything_but_what_is_carried_over(pool: Pool, database: str) -> None:
    await pool.execute("create role reader_of_tests")
    try:
        await pool.execute("grant select on leases to reader_of_tests")
        await pool.execute("create table somebody_elses (n int)")
        await pool.execute("insert into connections (id, kind) values ('shop', 'woocommerce')")
        await pool.execute("insert into leases values ('old', 'me', now(), 1)")
        await generation.make(pool, database)
        await pool.execute(f"insert into {generation.FRESH}.leases values ('fresh', 'me', now(), 1)")
        await generation.swap(pool, keep_as="old_tables")

        assert await pool.fetchval("select name from leases") == "fresh"
        assert await pool.fetchval("select name from old_tables.leases") == "old"
        assert await pool.fetchval("select id from connections") == "shop"
        assert "somebody_elses" in await tables(pool, "public")
        assert await pool.fetchval("select has_table_privilege('reader_of_tests', 'public.leases', 'select')")
        assert await tables(pool, "old_tables") == await tables(pool, "public") - generation.CARRIED - {
            "somebody_elses"
        }
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="the audit index only grows"):
            await pool.execute("delete from audit_index")
    finally:
        await pool.execute("drop owned by reader_of_tests")
        await pool.execute("drop role reader_of_tests")


async def test_a_swap_that_somebody_is_in_the_way_of_changes_nothing(
    pool: Pool, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "PATIENCE_MS", 50)
    await generation.make(pool, database)
    async with pool.acquire() as other, other.transaction():
        await other.execute("select 1 from leases")
        with pytest.raises(Retryable, match="another session holds a table"):
            await generation.swap(pool)
    assert await tables(pool, generation.FRESH) == await tables(pool, "public")
    await generation.swap(pool)
    assert await tables(pool, generation.FRESH) == set()
    assert await tables(pool, generation.KEPT) == set()
