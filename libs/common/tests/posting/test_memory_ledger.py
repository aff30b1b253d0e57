"""The ledger of the simulation keeps the contract."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mlc_common.clock import FixedClock
from mlc_common.events import Command

from .contract import LedgerContract
from .memory import MemoryLedger, Written


class MemoryKeeper:
    def __init__(self) -> None:
        self.clock = FixedClock(datetime(2026, 3, 14, tzinfo=UTC))
        self.ledger = MemoryLedger(self.clock)

    async def add(self, *commands: Command, erp: str = "erp") -> None:
        self.ledger.add(erp, commands)

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def outcomes(self) -> list[Written]:
        return self.ledger.outcomes


class TestMemoryLedger(LedgerContract):
    @pytest.fixture
    def keeper(self) -> MemoryKeeper:
        return MemoryKeeper()
