"""A ledger in memory over a clock that tests move: the simulation's keeper, held to the same contract as PostgreSQL's.

It keeps exactly what the tables keep, so that what the simulation proves holds for both (``test_ledger_contract``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from mlc_common.accounting import Party
from mlc_common.clock import Clock
from mlc_common.events import Command, ResolvedWish
from mlc_common.posting.ledger import DocumentRow, IntentChange, LeaseLost, OrderLease, PartyRow, Step

_NEVER = float("-inf")


@dataclass(frozen=True)
class Written:
    """One outcome, as far as the contract speaks of it."""

    key: UUID
    version: int
    state: str
    response: str = ""
    reason: str = ""
    fencing: int = 0


@dataclass
class _Order:
    erp: str
    contiguous: int = 0
    runnable: bool = True
    not_before: float = _NEVER
    lease_until: float = _NEVER
    fencing: int = 0


@dataclass
class _Times:
    intent_at: float | None = None
    looked_at: float | None = None

    def change(self, now: float, intent: IntentChange, looked: bool) -> None:
        if intent != "keep":
            self.intent_at = now if intent == "set" else None
        if looked:
            self.looked_at = now


@dataclass
class MemoryLedger:
    """See ``mlc_common.posting.ledger.Ledger``."""

    clock: Clock
    outcomes: list[Written] = field(default_factory=list)
    _orders: dict[tuple[str, str], _Order] = field(default_factory=dict)
    _commands: dict[tuple[str, str], dict[int, Command]] = field(default_factory=dict)
    _rows: dict[UUID, DocumentRow] = field(default_factory=dict)
    _parties: dict[UUID, PartyRow] = field(default_factory=dict)
    _times: dict[UUID, _Times] = field(default_factory=dict)
    _party_leases: dict[UUID, tuple[str, int, float]] = field(default_factory=dict)
    _fencing: int = 0

    # -- what the intake does

    def add(self, erp: str, commands: Sequence[Command]) -> None:
        """Put commands into the queue; one seen before changes nothing."""
        for command in commands:
            at = (command.flow, command.order_key)
            self._commands.setdefault(at, {}).setdefault(command.seq, command)
            row = self._rows.get(command.document_key)
            if row is None:
                self._keep(_new_row(command, command.seq))
            else:
                self._rows[row.key] = dataclasses.replace(row, place=min(row.place, command.seq))
        for at in {(command.flow, command.order_key) for command in commands}:
            self._arrived(erp, at)

    def _arrived(self, erp: str, at: tuple[str, str]) -> None:
        contiguous = 0
        while contiguous + 1 in self._commands[at]:
            contiguous += 1
        order = self._orders.setdefault(at, _Order(erp))
        if order.contiguous < contiguous:
            order.contiguous, order.runnable = contiguous, True
            order.not_before = min(order.not_before, self._now)

    # -- orders

    async def lease_orders(self, erp: str, owner: str, most: int, seconds: float) -> Sequence[OrderLease]:
        """See ``Ledger``."""
        free = [
            (order.not_before, at)
            for at, order in self._orders.items()
            if order.erp == erp and order.runnable and max(order.not_before, order.lease_until) <= self._now
        ]
        return [self._lease(at, owner, seconds) for _, at in sorted(free)[:most]]

    def _lease(self, at: tuple[str, str], owner: str, seconds: float) -> OrderLease:
        order = self._orders[at]
        order.fencing, order.lease_until = self._next_fencing(), self._now + seconds
        return OrderLease(*at, owner, order.fencing, order.contiguous)

    async def documents(self, lease: OrderLease) -> Sequence[DocumentRow]:
        """See ``Ledger``."""
        seen = [self._seen(row, lease) for row in self._rows.values() if _at(row) == (lease.flow, lease.order_key)]
        return sorted((row for row in seen if row is not None), key=lambda row: row.place)

    def _seen(self, row: DocumentRow, lease: OrderLease) -> DocumentRow | None:
        newest, before = row.newest, None
        if row.adjusts is not None and newest.seq > lease.contiguous_seq:
            return None
        if row.adjusts is None:
            of_key = [c for c in self._commands[_at(row)].values() if c.document_key == row.key]
            visible = [c for c in of_key if c.seq <= lease.contiguous_seq]
            if not visible:
                return None
            newest = max(visible, key=lambda c: c.seq)
            if isinstance(newest.wish, ResolvedWish):
                settled = sorted((c for c in visible if not isinstance(c.wish, ResolvedWish)), key=lambda c: c.seq)
                before = settled[-1].wish if settled else None
        intent_age, looked_age = self._ages(row.key)
        return dataclasses.replace(row, newest=newest, before=before, intent_age_s=intent_age, looked_age_s=looked_age)

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
        order = self._still(lease)
        order.lease_until = self._now + extend_s
        self._times[row.key].change(self._now, intent, looked)
        intent_age, looked_age = self._ages(row.key)
        version = row.version + max(len(steps), 1)
        row = dataclasses.replace(row, version=version, intent_age_s=intent_age, looked_age_s=looked_age)
        self._rows[row.key] = row
        for version, step in enumerate(steps, row.version - len(steps) + 1):
            reason = row.reason if step.state == "held" else ""
            self.outcomes.append(Written(row.key, version, step.state, step.response, reason, lease.fencing))
        return row

    async def open_adjustment(self, lease: OrderLease, base: DocumentRow, key: UUID) -> None:
        """See ``Ledger``."""
        if key not in self._rows and self._orders[lease.flow, lease.order_key].fencing == lease.fencing:
            row = _new_row(base.newest, base.newest.seq)
            self._keep(dataclasses.replace(row, key=key, kind="adjustment", adjusts=base.key))

    async def release(self, lease: OrderLease, *, runnable: bool, after_s: float) -> None:
        """See ``Ledger``."""
        order = self._orders[lease.flow, lease.order_key]
        if order.fencing != lease.fencing:
            return
        more = order.contiguous > lease.contiguous_seq
        order.lease_until, order.runnable = _NEVER, runnable or more
        order.not_before = self._now + (0.0 if more else after_s)

    # -- parties

    async def party(self, flow: str, party: Party) -> PartyRow:
        """See ``Ledger``."""
        row = self._parties.setdefault(party.key, PartyRow(party.key, flow, party.external_key))
        intent_age, looked_age = self._ages(party.key)
        return dataclasses.replace(row, intent_age_s=intent_age, looked_age_s=looked_age)

    async def lease_party(self, key: UUID, owner: str, seconds: float) -> int | None:
        """See ``Ledger``."""
        if key in self._party_leases and self._party_leases[key][2] > self._now:
            return None
        fencing = self._next_fencing()
        self._party_leases[key] = (owner, fencing, self._now + seconds)
        return fencing

    async def record_party(
        self, row: PartyRow, owner: str, fencing: int, *, intent: IntentChange = "keep", looked: bool = False
    ) -> PartyRow:
        """See ``Ledger``."""
        held_by, number, until = self._party_leases.get(row.key, ("", 0, _NEVER))
        if (held_by, number) != (owner, fencing) or until <= self._now:
            raise LeaseLost(f"the party {row.external_key} was taken over from {owner}")
        row = dataclasses.replace(row, version=row.version + 1)
        self._parties[row.key] = row
        self._times.setdefault(row.key, _Times()).change(self._now, intent, looked)
        self.outcomes.append(Written(row.key, row.version, row.state, fencing=fencing))
        intent_age, looked_age = self._ages(row.key)
        return dataclasses.replace(row, intent_age_s=intent_age, looked_age_s=looked_age)

    async def release_party(self, key: UUID, owner: str, fencing: int) -> None:
        """See ``Ledger``."""
        if self._party_leases.get(key, ("", 0, 0.0))[:2] == (owner, fencing):
            self._party_leases[key] = (owner, fencing, _NEVER)

    # -- for tests

    def next_time(self) -> float | None:
        """When an order can next be leased; None when all are quiet."""
        times = [max(order.not_before, order.lease_until) for order in self._orders.values() if order.runnable]
        return min(times, default=None)

    def rows(self) -> list[DocumentRow]:
        """Every row with the newest of all its commands, by order and place."""
        everything = OrderLease("", "", "", 0, 2**31)
        rows = [self._seen(row, everything) for row in self._rows.values()]
        return sorted((row for row in rows if row is not None), key=lambda row: (*_at(row), row.place))

    # -- inside

    @property
    def _now(self) -> float:
        return self.clock.monotonic()

    def _next_fencing(self) -> int:
        self._fencing += 1
        return self._fencing

    def _still(self, lease: OrderLease) -> _Order:
        order = self._orders[lease.flow, lease.order_key]
        if order.fencing != lease.fencing:
            raise LeaseLost(f"{lease.flow} {lease.order_key} was taken over from {lease.owner}")
        return order

    def _keep(self, row: DocumentRow) -> None:
        self._rows[row.key] = row
        self._times[row.key] = _Times()

    def _ages(self, key: UUID) -> tuple[float | None, float | None]:
        times = self._times.get(key, _Times())
        ages = (None if at is None else self._now - at for at in (times.intent_at, times.looked_at))
        return next(ages), next(ages)


def _new_row(command: Command, place: int) -> DocumentRow:
    return DocumentRow(command.document_key, command.flow, command.order_key, command.kind, place, command)


def _at(row: DocumentRow) -> tuple[str, str]:
    return row.flow, row.order_key
