"""Leases by name: one holder, expiry by the database's clock, fencing numbers that only grow."""

from __future__ import annotations

import asyncio

import pytest

from mlc_common.store import leases
from mlc_common.store.pool import Pool

pytestmark = pytest.mark.postgres


async def run_out(pool: Pool) -> None:
    await pool.execute("update leases set lease_until = now()")


async def test_a_lease_has_one_holder(pool: Pool) -> None:
    lease = await leases.acquire(pool, "poll:wc01", "p1", 60)

    assert lease is not None
    assert (lease.name, lease.owner, lease.note) == ("poll:wc01", "p1", "")
    assert await leases.acquire(pool, "poll:wc01", "p2", 60) is None
    assert await leases.acquire(pool, "poll:wc02", "p2", 60) is not None


async def test_of_many_at_once_one_gets_it(pool: Pool) -> None:
    got = await asyncio.gather(*(leases.acquire(pool, "poll:wc01", f"p{n}", 60) for n in range(8)))

    assert sum(lease is not None for lease in got) == 1


async def test_the_holder_extends_it_under_the_same_number(pool: Pool) -> None:
    first = await leases.acquire(pool, "poll:wc01", "p1", 60)
    await pool.execute("update leases set lease_until = now() + interval '1 s'")
    again = await leases.acquire(pool, "poll:wc01", "p1", 60)

    assert again == first
    assert await pool.fetchval("select lease_until > now() + interval '50 s' from leases")


async def test_after_it_ran_out_another_takes_it_under_a_higher_number(pool: Pool) -> None:
    first = await leases.acquire(pool, "poll:wc01", "p1", 60)
    await run_out(pool)
    second = await leases.acquire(pool, "poll:wc01", "p2", 60)

    assert first is not None
    assert second is not None
    assert second.fencing > first.fencing
    assert await leases.acquire(pool, "poll:wc01", "p1", 60) is None


async def test_a_holder_that_comes_back_too_late_gets_a_new_number(pool: Pool) -> None:
    first = await leases.acquire(pool, "poll:wc01", "p1", 60)
    await run_out(pool)
    second = await leases.acquire(pool, "poll:wc01", "p1", 60)

    assert first is not None
    assert second is not None
    assert second.fencing > first.fencing


async def test_a_lease_given_back_is_free_and_leaves_its_note(pool: Pool) -> None:
    lease = await leases.acquire(pool, "company:01", "p1", 60)
    assert lease is not None
    assert await leases.release(pool, lease, note="period 202603")
    other = await leases.acquire(pool, "company:01", "p2", 60)

    assert other is not None
    assert other.note == "period 202603"
    assert await leases.release(pool, other)
    third = await leases.acquire(pool, "company:01", "p3", 60)
    assert third is not None
    assert third.note == "period 202603"


async def test_a_lease_that_was_lost_cannot_be_given_back(pool: Pool) -> None:
    late = await leases.acquire(pool, "company:01", "p1", 60)
    await run_out(pool)
    holder = await leases.acquire(pool, "company:01", "p2", 60)
    assert late is not None
    assert holder is not None

    assert not await leases.release(pool, late, note="wrong")
    assert await leases.acquire(pool, "company:01", "p3", 60) is None
    assert await leases.release(pool, holder)


async def test_who_takes_it_anew_keeps_it_when_a_release_of_before_arrives_late(pool: Pool) -> None:
    before = await leases.acquire(pool, "company:01", "p1", 60)
    now = await leases.acquire(pool, "company:01", "p1", 60, anew=True)
    assert before is not None
    assert now is not None
    assert now.fencing > before.fencing

    assert not await leases.release(pool, before, note="late")
    assert await leases.acquire(pool, "company:01", "p2", 60) is None
    assert await leases.acquire(pool, "company:01", "p1", 60) == now


async def test_nobody_takes_anew_what_another_holds(pool: Pool) -> None:
    await leases.acquire(pool, "company:01", "p1", 60)

    assert await leases.acquire(pool, "company:01", "p2", 60, anew=True) is None
