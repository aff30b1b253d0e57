"""One engine over a ledger in memory and the hostile ERP, driven by hand: each test scripts what goes wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from mlc_common.clock import FixedClock
from mlc_common.errors import Retryable, Unconfirmed
from mlc_common.events import Command
from mlc_common.posting.engine import Engine, EngineSettings
from mlc_common.posting.ledger import DocumentRow, State

from .erp import Dialect, FakeErp
from .fakegateway import LIMITS, FakeGateway
from .memory import MemoryLedger

SETTINGS = EngineSettings(lease_s=60, retry_base_s=1, retry_most_s=20, margin_s=2)
MOST_ROUNDS = 200


@dataclass
class ScriptedWire:
    """The way to the ERP; ``script[verb]`` says call by call what goes wrong (None = nothing)."""

    erp: FakeErp
    script: dict[str, list[BaseException | str | None]] = field(default_factory=lambda: defaultdict(list))
    calls: list[str] = field(default_factory=list)
    before: dict[str, Callable[[], object]] = field(default_factory=dict)
    lag: float = 0.0

    async def read(self, verb: str) -> float:
        """See ``Wire``."""
        fault = self._next(verb)
        if isinstance(fault, BaseException):
            raise fault
        return self.lag

    async def write(self, verb: str, effect: Callable[[], object]) -> object:
        """See ``Wire``. No answer: ``lost`` after the effect, ``gone`` without it, ``late`` before it."""
        fault = self._next(verb)
        if isinstance(fault, BaseException):
            raise fault
        if fault == "late":
            self.erp.later(LIMITS.request_timeout_s * 0.9, effect)
        answer = effect() if fault in (None, "lost") else None
        if fault is not None:
            raise Unconfirmed(verb, f"no answer to {verb}")
        return answer

    def _next(self, verb: str) -> BaseException | str | None:
        self.calls.append(verb)
        if verb in self.before:
            self.before.pop(verb)()
        return self.script[verb].pop(0) if self.script[verb] else None


class Bench:
    """Everything an engine needs; ``settle`` runs it until nothing more can be done."""

    def __init__(self, dialect: Dialect = "files") -> None:
        self.clock = FixedClock(datetime(2026, 3, 14, tzinfo=UTC))
        self.ledger = MemoryLedger(self.clock)
        self.erp = FakeErp(self.clock, dialect)
        self.wire = ScriptedWire(self.erp)
        self.gateway = FakeGateway(self.erp, self.wire)
        self.engine = Engine(self.ledger, self.gateway, self.clock, "w1", SETTINGS)

    def add(self, *commands: Command) -> None:
        """Commands arrive."""
        self.ledger.add("erp", commands)

    async def once(self) -> None:
        """Work on one order that can be leased now."""
        for lease in await self.ledger.lease_orders("erp", "w1", 1, SETTINGS.lease_s):
            await self.engine.work(lease)

    async def settle(self, *commands: Command) -> None:
        """Commands arrive, and everything is worked on until nothing can be done, however long that takes."""
        self.add(*commands)
        for _ in range(MOST_ROUNDS):
            at = self.ledger.next_time()
            if at is None:
                return
            self.clock.advance(max(at - self.clock.monotonic(), 0.0))
            await self.once()
        raise AssertionError(f"no end: {self.states()}")

    def row(self, kind: str = "invoice") -> DocumentRow:
        """The only row of a kind."""
        (row,) = [row for row in self.ledger.rows() if row.kind == kind]
        return row

    def states(self) -> list[State]:
        """Of all rows, by place."""
        return [row.state for row in self.ledger.rows()]

    def steps(self) -> list[str]:
        """The outcomes so far."""
        return [f"{outcome.state}: {outcome.response}".strip(": ") for outcome in self.ledger.outcomes]

    def books(self) -> list[str]:
        """Kind and total of everything posted in the ERP."""
        things = self.erp.stand().things
        return [f"{thing.document.type} {thing.document.total}" for thing in things if thing.posted]

    def net(self) -> Decimal:
        """Everything posted in the ERP, credits taken off."""
        documents = [thing.document for thing in self.erp.stand().things if thing.posted]
        signed = (-each.total if each.type == "credit_note" else each.total for each in documents)
        return sum(signed, Decimal(0))


def busy(after: float | None = None) -> Retryable:
    """The ERP says: not now."""
    return Retryable("busy", after=after)
