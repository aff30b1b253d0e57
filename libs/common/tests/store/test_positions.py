"""Positions move only from where their reader left them."""

from __future__ import annotations

import asyncio

import pytest

from mlc_common.store import positions
from mlc_common.store.pool import Pool
from mlc_common.store.positions import Overtaken

pytestmark = pytest.mark.postgres


async def advance(pool: Pool, expected: int, next_offset: int, *, part: int = 0, consumer: str = "mapper") -> None:
    async with pool.acquire() as connection, connection.transaction():
        await positions.advance(connection, consumer, "t.raw", part, expected=expected, next_offset=next_offset)


async def test_a_partition_never_read_stands_at_its_beginning(pool: Pool) -> None:
    assert await positions.load(pool, "mapper", "t.raw", 0) == 0


async def test_a_position_moves_on_and_stays(pool: Pool) -> None:
    await advance(pool, 0, 10)
    await advance(pool, 10, 25)

    assert await positions.load(pool, "mapper", "t.raw", 0) == 25


async def test_positions_are_kept_per_consumer_topic_and_partition(pool: Pool) -> None:
    await advance(pool, 0, 10)
    await advance(pool, 0, 20, part=1)
    await advance(pool, 0, 30, consumer="poster")

    found = [await positions.load(pool, *of) for of in (("mapper", "t.raw", 0), ("mapper", "t.raw", 1))]
    assert found == [10, 20]
    assert await positions.load(pool, "poster", "t.raw", 0) == 30


@pytest.mark.parametrize("expected", [0, 9, 11])
async def test_a_reader_that_stands_elsewhere_is_overtaken(pool: Pool, expected: int) -> None:
    await advance(pool, 0, 10)

    with pytest.raises(Overtaken, match=f"^mapper at t.raw/0 is no longer at {expected}$"):
        await advance(pool, expected, 30)
    assert await positions.load(pool, "mapper", "t.raw", 0) == 10


async def test_a_position_that_is_gone_is_not_made_up(pool: Pool) -> None:
    with pytest.raises(Overtaken):
        await advance(pool, 10, 20)
    assert await positions.load(pool, "mapper", "t.raw", 0) == 0


@pytest.mark.parametrize("first", [0, 10])
async def test_of_readers_at_the_same_place_one_goes_on(pool: Pool, first: int) -> None:
    if first:
        await advance(pool, 0, first)
    results = await asyncio.gather(*(advance(pool, first, 50 + n) for n in range(5)), return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["NoneType", *["Overtaken"] * 4]


async def test_the_effects_of_an_overtaken_reader_vanish_with_it(pool: Pool) -> None:
    await advance(pool, 0, 10)

    with pytest.raises(Overtaken):
        await _advance_with_an_effect(pool)
    assert await pool.fetchval("select count(*) from leases") == 0


async def _advance_with_an_effect(pool: Pool) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("insert into leases (name, owner, lease_until, fencing) values ('x', 'y', now(), 1)")
        await positions.advance(connection, "mapper", "t.raw", 0, expected=0, next_offset=5)
