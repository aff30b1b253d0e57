"""The company's lease: one writer at a time by default, the login set no oftener than needed, nobody waits for ever."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import pytest

from mlc_common.errors import Retryable
from mlc_common.store import leases
from mlc_common.store.pool import Pool
from mlc_poster_deltek.company import CompanyLease
from mlc_vendors.deltek import DeltekClient, load_contract

from .desk import Office

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.asyncio(loop_scope="session")]

_names = itertools.count(1)


class Login:
    """A client that remembers what the login was set to."""

    def __init__(self, writers: int, patience_s: float) -> None:
        http = {"writers_per_company": writers, "queue_timeout_s": patience_s, "post_timeout_s": 0.1}
        self.contract = load_contract({"http": http})
        self.set: list[str] = []
        self.refuses = False

    async def set_company(self, company: str) -> None:
        self.set.append(company)

    async def set_period(self, period: int) -> None:
        if self.refuses:
            raise Retryable("not now")
        self.set.append(str(period))


Logins = Callable[..., tuple[CompanyLease, Login]]


@pytest.fixture
def logins(office: Office) -> Logins:
    """Makes leases of one company for as many processes as asked for."""
    connection = f"lease{next(_names)}"

    def made(owner: str = "one", *, writers: int = 1, patience_s: float = 0.3) -> tuple[CompanyLease, Login]:
        login, runtime = Login(writers, patience_s), office.runtime
        client = cast(DeltekClient, login)
        return CompanyLease(
            runtime.pool, client, runtime.clock, connection=connection, company="00", owner=owner
        ), login

    return made


class Room:
    """Who is in at once."""

    def __init__(self) -> None:
        self.inside: list[int] = []
        self.most = 0
        self.mixed = False

    @asynccontextmanager
    async def entered(self, period: int) -> AsyncIterator[None]:
        self.inside.append(period)
        self.most = max(self.most, len(self.inside))
        self.mixed = self.mixed or len(set(self.inside)) > 1
        await asyncio.sleep(0.01)
        yield
        self.inside.remove(period)


async def write(lease: CompanyLease, room: Room, period: int, *, anew: bool = False) -> None:
    async with lease.writing(period, anew=anew), room.entered(period):
        pass


async def test_the_login_is_set_once_for_many_writes_of_one_period(logins: Logins) -> None:
    lease, login = logins()
    for period in (202611, 202611, 202612, 202612):
        await write(lease, Room(), period)
    assert login.set == ["00", "202611", "202612"]


async def test_a_posting_sets_the_period_anew_and_a_doubted_login_is_set_whole(logins: Logins) -> None:
    lease, login = logins()
    await write(lease, Room(), 202611)
    await write(lease, Room(), 202611, anew=True)
    lease.doubt()
    await write(lease, Room(), 202611)
    assert login.set == ["00", "202611", "202611", "00", "202611"]


async def test_the_next_process_reads_from_the_note_what_is_set_after_it_set_it_once_itself(logins: Logins) -> None:
    (first, _), (second, seen) = logins("first"), logins("second")
    await write(first, Room(), 202611)
    await write(second, Room(), 202611)  # a fresh process trusts no note
    await write(first, Room(), 202612)
    await write(second, Room(), 202612)
    assert seen.set == ["00", "202611"]


@pytest.mark.parametrize(("writers", "most"), [(1, 1), (3, 3)])
async def test_as_many_write_at_once_as_the_contract_says_and_never_for_two_periods(
    logins: Logins, writers: int, most: int
) -> None:
    lease, _ = logins(writers=writers)
    room = Room()
    periods = [202611] * 6 + [202612] * 3 + [202611] * 3
    await asyncio.gather(*(write(lease, room, period) for period in periods))
    assert (room.most, room.mixed) == (most, False)


async def test_another_process_waits_for_its_turn_and_gives_up_before_it_would_be_too_late(logins: Logins) -> None:
    (first, _), (second, seen) = logins("first"), logins("second")
    async with first.writing(202611):
        with pytest.raises(Retryable, match="another poster"):
            await write(second, Room(), 202611)
    await write(second, Room(), 202611)
    assert seen.set == ["00", "202611"]


async def test_who_gives_up_waiting_leaves_the_lease_to_others(logins: Logins) -> None:
    (first, _), (second, _) = logins("first"), logins("second")
    waiting = None
    async with first.writing(202611):
        waiting = asyncio.create_task(write(first, Room(), 202612))
        await asyncio.sleep(0.02)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await write(second, Room(), 202611)


async def test_a_login_that_cannot_be_set_is_not_taken_for_set(logins: Logins) -> None:
    lease, login = logins()
    login.refuses = True
    with pytest.raises(Retryable, match="not now"):
        await write(lease, Room(), 202611)
    login.refuses = False
    await write(lease, Room(), 202611)
    assert login.set == ["00", "00", "202611"]


async def test_a_lease_on_its_way_back_does_not_take_the_next_writers_with_it(
    logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R16: two processes in one login would post into each other's periods."""
    (first, _), (second, seen) = logins("first", patience_s=30), logins("second")
    acquire, release = leases.acquire, leases.release
    leaving, entered = asyncio.Event(), asyncio.Event()

    async def late(pool: Pool, lease: leases.Lease, *, note: str | None = None) -> bool:
        leaving.set()
        with suppress(TimeoutError):  # the next writer goes first if it can
            await asyncio.wait_for(entered.wait(), 0.5)
        return await release(pool, lease, note=note)

    async def told(*given: Any, **named: Any) -> leases.Lease | None:
        lease = await acquire(*given, **named)
        if leaving.is_set():
            entered.set()
        return lease

    monkeypatch.setattr(leases, "release", late)
    monkeypatch.setattr(leases, "acquire", told)
    one = asyncio.create_task(write(first, Room(), 202611))
    await leaving.wait()
    async with first.writing(202611):
        await one
        monkeypatch.undo()
        with pytest.raises(Retryable, match="another poster"):
            await write(second, Room(), 202612)
    assert seen.set == []


async def test_what_a_release_that_failed_did_not_note_is_set_again(
    logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cut_off(*_: Any, **__: Any) -> bool:
        raise ConnectionResetError

    lease, login = logins()
    await write(lease, Room(), 202611)
    monkeypatch.setattr(leases, "release", cut_off)
    with pytest.raises(ConnectionResetError):
        await write(lease, Room(), 202612)
    monkeypatch.undo()
    await write(lease, Room(), 202611)  # what the note still says
    assert login.set == ["00", "202611", "202612", "00", "202611"]
