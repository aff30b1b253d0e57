"""The worker: many orders at once, the database gone for a while, defects one by one and in a row."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from mlc_common.accounting import HoldReason
from mlc_common.clock import SystemClock
from mlc_common.posting.engine import Engine
from mlc_common.posting.ledger import DocumentRow, OrderLease, State
from mlc_common.posting.worker import DEFECTS_IN_A_ROW, TooManyDefects, Worker, WorkerSettings

from .bench import SETTINGS, Bench
from .wishes import Order

WITHIN_S = 20
SETTLED = WorkerSettings(concurrency=2, idle_s=9999, unavailable_s=0)


class Waits(SystemClock):
    """Notes how long somebody wants to wait, and does not."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        await asyncio.sleep(0)


class Gates:
    """Stops each create until the test opens it."""

    def __init__(self, bench: Bench) -> None:
        self.arrived: asyncio.Queue[str] = asyncio.Queue()
        self.open: dict[str, asyncio.Event] = {}
        self.bench = bench
        self._create = bench.gateway.create
        bench.gateway.create = self._gated  # type: ignore[method-assign] # the point of it

    async def _gated(self, document, plan):  # type: ignore[no-untyped-def] # as the gateway's
        self.open[plan.reference] = asyncio.Event()
        self.arrived.put_nowait(plan.reference)
        await self.open[plan.reference].wait()
        await self._create(document, plan)

    async def next(self) -> str:
        return await asyncio.wait_for(self.arrived.get(), WITHIN_S)


Start = Callable[..., "asyncio.Task[None]"]


@pytest.fixture
async def start(bench: Bench) -> AsyncIterator[Start]:
    """Run a worker beside the test; ``start.worker`` is it."""
    tasks: list[asyncio.Task[None]] = []

    def start(settings: WorkerSettings = SETTLED, clock: SystemClock | None = None) -> asyncio.Task[None]:
        worker = Worker(bench.engine, "erp", clock or SystemClock(), settings)
        bench.wake = worker.wake  # type: ignore[attr-defined] # for the test at hand
        tasks.append(asyncio.create_task(worker.run()))
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def orders(count: int) -> list[Order]:
    return [Order(str(1001 + n)) for n in range(count)]


async def test_drain_works_until_nothing_can_be_done(bench: Bench) -> None:
    bench.add(*(order.invoice("1.00") for order in orders(7)))
    await Worker(bench.engine, "erp", SystemClock(), SETTLED).drain()

    assert bench.states() == [State.VERIFIED] * 7


async def test_a_slow_order_keeps_no_other_waiting(bench: Bench, start: Start) -> None:
    gates, (slow, quick, third) = Gates(bench), orders(3)
    bench.add(slow.invoice("1.00"))
    start()
    assert await gates.next() == "IN-WC01-1001"

    bench.add(quick.invoice("1.00"))
    bench.wake()  # type: ignore[attr-defined] # set by start
    assert await gates.next() == "IN-WC01-1002"
    gates.open["IN-WC01-1002"].set()

    bench.add(third.invoice("1.00"))
    bench.wake()  # type: ignore[attr-defined] # set by start
    assert await gates.next() == "IN-WC01-1003"
    assert not gates.open["IN-WC01-1001"].is_set()


async def test_no_more_orders_are_worked_on_than_allowed(bench: Bench, start: Start) -> None:
    gates = Gates(bench)
    bench.add(*(order.invoice("1.00") for order in orders(3)))
    start()
    first, _ = await gates.next(), await gates.next()
    assert gates.arrived.empty()

    gates.open[first].set()
    await gates.next()


async def test_an_open_breaker_stops_leasing(bench: Bench) -> None:
    bench.gateway.closed_for = 30
    bench.add(Order().invoice("1.00"))
    await Worker(bench.engine, "erp", SystemClock(), SETTLED).drain()

    assert bench.wire.calls == []
    assert len(await bench.ledger.lease_orders("erp", "w2", 1, 60)) == 1


async def test_an_order_that_could_not_be_given_back_is_as_soon_as_the_database_answers(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents_of, release_to = bench.ledger.documents, bench.ledger.release
    gone = [ConnectionError("the database is gone"), ConnectionError("still")]

    async def documents(lease: OrderLease) -> Sequence[DocumentRow]:
        if gone:
            raise gone.pop()
        return await documents_of(lease)

    async def release(lease: OrderLease, *, runnable: bool, after_s: float) -> None:
        if gone:
            raise gone.pop()
        await release_to(lease, runnable=runnable, after_s=after_s)

    monkeypatch.setattr(bench.ledger, "documents", documents)
    monkeypatch.setattr(bench.ledger, "release", release)
    bench.add(Order().invoice("1.00"))
    await Worker(bench.engine, "erp", SystemClock(), SETTLED).drain()

    assert bench.states() == [State.VERIFIED]


async def test_a_defect_holds_its_order_and_the_others_go_on(bench: Bench) -> None:
    bench.wire.script["plan"] = [RuntimeError("a defect")]
    bench.add(*(order.invoice("1.00") for order in orders(3)))
    await Worker(bench.engine, "erp", SystemClock(), WorkerSettings(concurrency=1)).drain()

    assert bench.states() == [State.HELD, State.VERIFIED, State.VERIFIED]
    assert bench.ledger.rows()[0].reason == HoldReason.INTERNAL_ERROR
    assert "a defect" not in bench.ledger.rows()[0].detail  # its text may quote what nobody checked


async def test_an_order_whose_rows_cannot_be_read_stops_no_other(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot even be held; the worker must not end for it, be started again, and lease it first once more."""
    documents = bench.ledger.documents

    async def unreadable(lease: OrderLease) -> Sequence[DocumentRow]:
        if lease.order_key.endswith(":1001"):
            raise ValueError("a command of a newer version")
        return await documents(lease)

    monkeypatch.setattr(bench.ledger, "documents", unreadable)
    bench.add(Order("1001").invoice("10.00"), Order("1002").invoice("20.00"))
    await Worker(bench.engine, "erp", bench.clock, SETTLED).drain()

    assert bench.books() == ["invoice 20.00"]


async def test_defects_in_a_row_stop_the_worker_before_everything_is_held(bench: Bench) -> None:
    bench.wire.script["plan"] = [RuntimeError("a defect")] * 99
    bench.add(*(order.invoice("1.00") for order in orders(DEFECTS_IN_A_ROW + 5)))

    with pytest.raises(TooManyDefects):
        await Worker(bench.engine, "erp", SystemClock(), WorkerSettings(concurrency=1)).drain()
    assert bench.states().count(State.HELD) == DEFECTS_IN_A_ROW - 1


async def test_defects_with_successes_between_them_do_not_stop_it(bench: Bench) -> None:
    bench.wire.script["plan"] = [RuntimeError("a defect"), None] * DEFECTS_IN_A_ROW
    bench.add(*(order.invoice("1.00") for order in orders(2 * DEFECTS_IN_A_ROW)))
    await Worker(bench.engine, "erp", SystemClock(), WorkerSettings(concurrency=1)).drain()

    assert bench.states().count(State.VERIFIED) == DEFECTS_IN_A_ROW


async def test_a_lost_database_is_waited_out_and_the_order_given_back(
    bench: Bench, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, gates = Waits(), Gates(bench)
    lease_orders, documents = bench.ledger.lease_orders, bench.ledger.documents
    failing = iter([True, True])

    async def no_lease(*arguments):  # type: ignore[no-untyped-def] # as the ledger's
        monkeypatch.setattr(bench.ledger, "lease_orders", lease_orders)
        raise ConnectionRefusedError

    async def no_documents(lease: OrderLease):  # type: ignore[no-untyped-def] # as the ledger's
        if next(failing, False):
            raise ConnectionResetError
        return await documents(lease)

    monkeypatch.setattr(bench.ledger, "lease_orders", no_lease)
    monkeypatch.setattr(bench.ledger, "documents", no_documents)
    bench.add(Order().invoice("1.00"))
    start(WorkerSettings(idle_s=0.01, unavailable_s=0), clock)

    assert await gates.next() == "IN-WC01-1001"  # at once, not when its lease has run out
    assert bench.clock.monotonic() == 0
    assert len(clock.waited) == 1


async def test_a_worker_that_stops_gives_its_orders_back(bench: Bench, start: Start) -> None:
    gates = Gates(bench)
    bench.add(Order().invoice("1.00"))
    task = start()
    await gates.next()
    assert await bench.ledger.lease_orders("erp", "w2", 1, 60) == []
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    (lease,) = await bench.ledger.lease_orders("erp", "w2", 1, 60)

    # Its create may be on its way: the successor looks, and does not repeat it.
    bench.gateway.create = gates._create  # type: ignore[method-assign] # no gate any more
    await Engine(bench.ledger, bench.gateway, bench.clock, "w2", SETTINGS).work(lease)
    assert bench.row().state is State.UNKNOWN
    await bench.settle()
    assert bench.books() == ["invoice 1.00"]


async def test_an_order_taken_over_meanwhile_is_dropped_quietly(bench: Bench, start: Start) -> None:
    gates = Gates(bench)
    bench.add(Order().invoice("1.00"))
    task = start()
    reference = await gates.next()
    bench.clock.advance(SETTINGS.lease_s + 1)
    await bench.ledger.lease_orders("erp", "w2", 1, 60)
    gates.open[reference].set()
    bench.add(Order("1002").invoice("1.00"))
    bench.wake()  # type: ignore[attr-defined] # set by start
    await gates.next()

    assert not task.done()
    assert bench.books() == []
