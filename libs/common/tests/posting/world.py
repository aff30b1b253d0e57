"""The deterministic simulation: workers as coroutines, one scheduler, one virtual clock, faults by number.

Every step of a worker that touches the ledger or the ERP passes a numbered point, before the effect and after it. A
fault plan says at which number what goes wrong; the same plan and seed always give the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, TypeVar
from uuid import UUID

from mlc_common.accounting import Party
from mlc_common.clock import FixedClock
from mlc_common.errors import Retryable, Unconfirmed
from mlc_common.events import Command
from mlc_common.posting.engine import Engine, EngineSettings
from mlc_common.posting.ledger import DocumentRow, IntentChange, LeaseLost, OrderLease, PartyRow, Step

from .erp import Dialect, FakeErp
from .fakegateway import LIMITS, FakeGateway
from .memory import MemoryLedger

ResultT = TypeVar("ResultT")

SETTINGS = EngineSettings(lease_s=60, retry_base_s=1, retry_most_s=20, margin_s=2)
FREEZE_SHORT, FREEZE_LONG = SETTINGS.lease_s - 5, 1500.0
FAULTS = ("crash", "freeze", "nap", "fail", "lose", "late")
"""crash: the process dies. freeze: stands still until others are long done. nap: stands still, wakes just before its
lease ends. fail: an error, nothing done (before) or no answer (after). lose: the request never arrives. late: it takes
effect after the sender has given up."""

_WRITE_FAULTS = frozenset(FAULTS)
_OTHER_FAULTS = frozenset({"crash", "freeze", "nap", "fail"})
_LEDGER_S, _ERP_S, _RESTART_S, _POLL_S, _MOST_STEPS = 0.01, 0.2, 5.0, 5.0, 20_000


class Crashed(BaseException):
    """The process of this worker is gone; nothing of it runs any more."""


class StuckError(AssertionError):
    """The run does not come to an end."""


class _Pause:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __await__(self) -> Generator[_Pause, None, None]:
        yield self


@dataclass
class Process:
    """One worker's process."""

    name: str
    coroutine: Coroutine[_Pause, None, None] | None = None
    wake_at: float = 0.0
    dead: bool = False


@dataclass
class World:
    """One run. ``arrivals``: after how many points which commands arrive (0 = before anything runs).

    ``refuses``: the references of what the ERP never posts. ``by_hand``: a reference; when the last commands arrive, a
    person posts the draft under it, where there is one. ``kinds`` says afterwards which faults could have happened at
    each point, ``happened`` which did.
    """

    arrivals: Sequence[tuple[int, Sequence[Command]]]
    faults: Mapping[int, str] = field(default_factory=dict)
    dialect: Dialect = "files"
    lag: float = 0.0
    seed: int | None = None
    workers: int = 2
    unique_firms: bool = False
    trace: list[str] | None = None
    refuses: frozenset[str] = frozenset()
    by_hand: str = ""

    def __post_init__(self) -> None:
        self.clock = FixedClock(datetime(2026, 3, 14, tzinfo=UTC))
        self.ledger = MemoryLedger(self.clock)
        self.erp = FakeErp(self.clock, self.dialect, self.unique_firms)
        self.random = Random(self.seed) if self.seed is not None else None
        self.points = 0
        self.kinds: list[frozenset[str]] = []
        self.happened: list[tuple[int, str, str]] = []
        self._coming = sorted(self.arrivals, key=lambda arrival: arrival[0])
        self._processes: list[Process] = []
        self._started = 0

    # -- running

    def run(self) -> World:
        """Run until every worker finds nothing to do and none is frozen."""
        self._arrive()
        for _ in range(self.workers):
            self._start(0.0)
        steps = 0
        while self._processes:
            steps += 1
            if steps > _MOST_STEPS:
                raise StuckError(f"no end after {steps} steps, {self.clock.monotonic():.0f} s: {self.ledger.rows()}")
            self._step()
        return self

    def _start(self, after: float) -> None:
        self._started += 1
        process = Process(f"w{self._started}", wake_at=self.clock.monotonic() + after)
        process.coroutine = self._work(process)
        self._processes.append(process)

    def _step(self) -> None:
        now = self.clock.monotonic()
        due = [process for process in self._processes if process.wake_at <= now]
        if not due:
            self.clock.advance(min(process.wake_at for process in self._processes) - now)
            return
        process = self.random.choice(due) if self.random else due[0]
        assert process.coroutine is not None
        try:
            process.wake_at = self.clock.monotonic() + process.coroutine.send(None).seconds
        except StopIteration:
            self._processes.remove(process)
        except Crashed:
            self._processes.remove(process)
            self._start(_RESTART_S)

    async def _work(self, process: Process) -> None:
        ledger = SimLedger(self, process)
        gateway = FakeGateway(self.erp, SimWire(self, process), refuses=self.refuses)
        engine = Engine(ledger, gateway, self.clock, process.name, SETTINGS)
        while True:
            at = self.ledger.next_time()
            if at is None and not self._coming:
                return
            if at is None or at > self.clock.monotonic():
                if at is None:
                    self._arrive(idle=True)
                await _Pause(min(max((at or 0.0) - self.clock.monotonic(), 0.01), _POLL_S))
                continue
            try:
                for lease in await ledger.lease_orders("erp", process.name, 1, SETTINGS.lease_s):
                    await engine.work(lease)
            except (LeaseLost, ConnectionError) as error:
                self.say(process, type(error).__name__)

    # -- points

    async def point(self, process: Process, label: str, kinds: frozenset[str], seconds: float) -> str:
        """A place where something may go wrong; the fault that the caller has to act out, else nothing."""
        if process.dead:
            raise Crashed
        self.points += 1
        self.kinds.append(kinds)
        self._arrive()
        fault = self.faults.get(self.points, "")
        fault = fault if fault in kinds else ""
        if fault:
            self.happened.append((self.points, label, fault))
        self.say(process, f"{label} {fault}")
        if fault == "crash":
            process.dead = True
            raise Crashed
        pause = {"freeze": FREEZE_LONG, "nap": FREEZE_SHORT}.get(fault)
        await _Pause(pause or (seconds * 2 * self.random.random() if self.random else seconds))
        return fault if fault in ("fail", "lose", "late") else ""

    def say(self, process: Process, what: str) -> None:
        """Note a step, where a trace is wanted."""
        if self.trace is not None:
            self.trace.append(f"{self.clock.monotonic():8.2f} {self.points:4} {process.name} {what}")

    def _arrive(self, *, idle: bool = False) -> None:
        """What is due arrives; the next, too, when nobody has anything to do any more."""
        while self._coming and (idle or self._coming[0][0] <= self.points):
            self.ledger.add("erp", self._coming.pop(0)[1])
            idle = False
            if not self._coming:
                self._post_by_hand()

    def _post_by_hand(self) -> None:
        for draft in [draft for draft in self.erp.drafts() if draft.reference == self.by_hand][:1]:
            self.erp.finalise(draft.handle)


@dataclass(frozen=True)
class SimWire:
    """The way to the ERP, with faults."""

    world: World
    process: Process

    async def read(self, verb: str) -> float:
        """See ``Wire``. A replica lags, or it does not."""
        if await self.world.point(self.process, verb, _OTHER_FAULTS, _ERP_S):
            raise Retryable(f"{verb} failed")
        lag = self.world.lag
        return lag * self.world.random.randint(0, 1) if self.world.random else lag

    async def write(self, verb: str, effect: Callable[[], object]) -> object:
        """See ``Wire``."""
        before = await self.world.point(self.process, f"{verb} >", _WRITE_FAULTS, _ERP_S)
        if before == "fail":
            raise Retryable(f"{verb} is refused for now")
        if before == "late":
            self.world.erp.later(LIMITS.request_timeout_s * 0.9, effect)
        if before:
            raise Unconfirmed(verb, f"no answer to {verb}")
        answer = effect()
        if await self.world.point(self.process, f"{verb} <", _OTHER_FAULTS, _ERP_S):
            raise Unconfirmed(verb, f"no answer to {verb}")
        return answer


@dataclass(frozen=True)
class SimLedger:
    """The ledger as one process sees it: the database may be gone before a statement or after it."""

    world: World
    process: Process

    async def _through(self, label: str, act: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
        if await self.world.point(self.process, f"{label} >", _OTHER_FAULTS, _LEDGER_S):
            raise ConnectionError("the database is gone; nothing was written")
        answer = await act()
        if await self.world.point(self.process, f"{label} <", _OTHER_FAULTS, _LEDGER_S):
            raise ConnectionError("the database is gone; it was written")
        return answer

    async def lease_orders(self, erp: str, owner: str, most: int, seconds: float) -> Sequence[OrderLease]:
        """See ``Ledger``."""
        return await self._through("lease", lambda: self.world.ledger.lease_orders(erp, owner, most, seconds))

    async def documents(self, lease: OrderLease) -> Sequence[DocumentRow]:
        """See ``Ledger``."""
        return await self._through("documents", lambda: self.world.ledger.documents(lease))

    async def record(
        self,
        lease: OrderLease,
        row: DocumentRow,
        steps: Sequence[Step],
        *,
        intent: IntentChange = "keep",
        looked: bool = False,
        extend_s: float,
    ) -> DocumentRow:
        """See ``Ledger``."""
        label = "record " + ",".join(f"{step.state} {step.response}".strip() for step in steps)
        return await self._through(
            label,
            lambda: self.world.ledger.record(lease, row, steps, intent=intent, looked=looked, extend_s=extend_s),
        )

    async def open_adjustment(self, lease: OrderLease, invoice: DocumentRow, key: UUID) -> None:
        """See ``Ledger``."""
        await self._through("open_adjustment", lambda: self.world.ledger.open_adjustment(lease, invoice, key))

    async def release(self, lease: OrderLease, *, runnable: bool, after_s: float) -> None:
        """See ``Ledger``."""
        await self._through(
            f"release {runnable} {after_s:.1f}",
            lambda: self.world.ledger.release(lease, runnable=runnable, after_s=after_s),
        )

    async def party(self, flow: str, party: Party) -> PartyRow:
        """See ``Ledger``."""
        return await self._through("party", lambda: self.world.ledger.party(flow, party))

    async def lease_party(self, key: UUID, owner: str, seconds: float) -> int | None:
        """See ``Ledger``."""
        return await self._through("lease_party", lambda: self.world.ledger.lease_party(key, owner, seconds))

    async def record_party(
        self, row: PartyRow, owner: str, fencing: int, *, intent: IntentChange = "keep", looked: bool = False
    ) -> PartyRow:
        """See ``Ledger``."""
        return await self._through(
            f"record_party {row.state}",
            lambda: self.world.ledger.record_party(row, owner, fencing, intent=intent, looked=looked),
        )

    async def release_party(self, key: UUID, owner: str, fencing: int) -> None:
        """See ``Ledger``."""
        await self._through("release_party", lambda: self.world.ledger.release_party(key, owner, fencing))
