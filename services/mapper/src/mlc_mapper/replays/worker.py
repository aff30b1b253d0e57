"""Works replays off, one after the other: select the orders, fold each from its first event, decide, command.

Each stage is written down, so that a process that dies at any point is followed by one that goes on; an order is
decided in one transaction that locks its state, folds on what it has seen meanwhile, and marks it as done. With an
unchanged mapping nothing is commanded, because every wish is compared with the last one (architecture §6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import UUID

import structlog
from aiokafka.errors import KafkaError

from mlc_common import crash
from mlc_common.accounting import event_id
from mlc_common.clock import Clock
from mlc_common.errors import Retryable
from mlc_common.events import ReplayCompleted, ReplayRequested, Topics, encode
from mlc_common.log import Record
from mlc_common.store import holds, outbox, requests
from mlc_common.store.outbox import Outgoing
from mlc_common.store.pool import UNAVAILABLE, Connection, Pool
from mlc_common.telemetry import MetricsRegistry
from mlc_mapper.control import NOTHING_TO_SAY
from mlc_mapper.decision import Decision
from mlc_mapper.defects import Defects
from mlc_mapper.emitting import Because, Emission, lane_of
from mlc_mapper.flows import Flow, Flows, by_store
from mlc_mapper.refold import refold_events
from mlc_mapper.replays import selection, store
from mlc_mapper.replays.order import and_read, decide_anew, with_commands
from mlc_mapper.replays.store import Replay, ReplayLost, ReplayStates
from mlc_mapper.replays.turns import Turns
from mlc_mapper.state import EVOLVE_VERSION, OrderState
from mlc_mapper.store import CONSUMER, Key, StateTable, StoredState

_log = structlog.get_logger(__name__)

_IDLE_S, _PAUSE_S = 2.0, 1.0
_PAGE = 200
_FEW = 1000
_UNKNOWN = "The log knows nothing of this order."
_NO_FLOW = "There is no such flow."


@dataclass(frozen=True)
class _Work:
    """A replay in work, and what it needs to know."""

    replay: Replay
    flows: Mapping[str, Flow]

    @property
    def names(self) -> dict[str, Collection[str]]:
        """Names of the flows of each store's connection."""
        return by_store(self.flows)


class Replays:
    """The task of a mapper that works replays off; one process at a time does."""

    def __init__(
        self,
        pool: Pool,
        topics: Topics,
        clock: Clock,
        metrics: MetricsRegistry,
        *,
        brokers: str,
        turns: Turns,
        wake: Callable[[], None],
    ) -> None:
        """Wire the task.

        Args:
            pool: Of the database.
            topics: The tenant's.
            clock: To wait by.
            metrics: What is counted.
            brokers: Of the log.
            turns: Says whose turn it is.
            wake: Called whenever there is something to publish.
        """
        self._pool = pool
        self._topics = topics
        self._clock = clock
        self._metrics = metrics
        self._brokers = brokers
        self._turns = turns
        self._published = wake
        self._flows = Flows()
        self._awake = asyncio.Event()
        self._looks_due, self._looks = 1, 0

    def wake(self) -> None:
        """Say that there may be a replay to be worked off."""
        self._awake.set()

    def look_for_old_states(self) -> None:
        """Say that there may be states of another version of ``evolve``: at the start, and whenever this is called."""
        self._looks_due += 1
        self._awake.set()

    async def run(self) -> None:
        """Work off whatever is asked for, until cancelled."""
        while True:
            self._awake.clear()
            try:
                await self.ask_for_old_states()
                await self.work_off()
            except (Retryable, ReplayLost, KafkaError, *UNAVAILABLE) as error:
                _log.warning("replay.waiting", error=type(error).__name__)
                await self._clock.sleep(_PAUSE_S)
                continue
            with suppress(TimeoutError):  # not wait_for: up to Python 3.11 it loses a cancellation that meets the event
                async with asyncio.timeout(_IDLE_S):
                    await self._awake.wait()

    async def ask_for_old_states(self) -> None:
        """Ask for a replay of the orders whose states another version of ``evolve`` has folded (architecture §2).

        Where one was asked for already, by any mapper, that one is waited for: there may be nothing left after it. What
        comes to be asked for is made from how many were before, so that no later one is taken for one that is through.
        """
        due = self._looks_due
        if due == self._looks or await store.waits_for(self._pool, CONSUMER):
            return
        newest = await store.newest(self._pool)
        orders = await store.folded_by_others(self._pool, EVOLVE_VERSION)
        if orders:
            request = ReplayRequested(
                request_id=event_id("evolve", EVOLVE_VERSION, newest, len(orders), *orders[:1], *orders[-1:]),
                orders=orders,
                by=CONSUMER,
                why=f"states are folded by version {EVOLVE_VERSION} now",
                at=self._clock.now(),
            )
            async with self._pool.acquire() as connection, connection.transaction():
                await store.ask(connection, request)
        self._looks = due

    async def work_off(self) -> int:
        """Work off every replay that waits, unless another process does; how many were."""
        done = 0
        if await store.waits(self._pool):
            while await self._turns.take(self._next):
                done += 1
        return done

    async def _next(self, fencing: int) -> bool:
        """Work off the next replay; False where there is none."""
        replay = await store.take(self._pool, fencing)
        if replay is None:
            return False
        await self._work(_Work(replay, await self._flows.by_name(self._pool)))
        return True

    async def _work(self, work: _Work) -> None:
        _log.info("replay.begins", request=str(work.replay.request.request_id), stage=work.replay.stage)
        if work.replay.stage == "asked":
            work = await self._select(work)
        if work.replay.stage == "selected" or await self._was_folded_by_others(work.replay):
            work = await self._fold(work)
        while keys := await store.undecided(self._pool, _PAGE):
            work = await self._catch_up(work)
            for key in keys:
                await self._order(work, key)
        await self._finish(work.replay)

    # -- the stages

    async def _select(self, work: _Work) -> _Work:
        async with self._pool.acquire() as connection, connection.transaction():
            await store.guard(connection, work.replay)
            await store.forget(connection)
        ends = await store.read_until(self._pool, self._topics.raw_orders)
        found = selection.Selection(
            pool=self._pool,
            brokers=self._brokers,
            topic=self._topics.raw_orders,
            flows=work.names,
            request=work.replay.request,
            until=ends,
        )
        await found.write(work.replay)
        work = await self._reach(work, "selected", ends)
        crash.point("replay.after_selecting")
        return work

    async def _fold(self, work: _Work) -> _Work:
        async with self._pool.acquire() as connection, connection.transaction():
            await store.guard(connection, work.replay)
            await store.forget_states(connection)
        await self._read(work, {}, work.replay.ends)
        work = await self._reach(work, "folded", work.replay.ends)
        crash.point("replay.after_folding")
        return work

    async def _was_folded_by_others(self, replay: Replay) -> bool:
        """Whether a mapper of another version has begun this replay: what it folded is folded once more."""
        return replay.stage == "folded" and bool(await store.folded_by_others(self._pool, EVOLVE_VERSION, store.STATES))

    async def _catch_up(self, work: _Work) -> _Work:
        """Fold what the mapper has read since, so that few orders have seen more than was folded."""
        ends = await store.read_until(self._pool, self._topics.raw_orders)
        if ends == work.replay.ends:
            return work
        await self._read(work, work.replay.ends, ends)
        return await self._reach(work, "folded", ends)

    async def _read(self, work: _Work, since: Mapping[int, int], until: Mapping[int, int]) -> None:
        everything = selection.takes_everything(work.replay.request)
        into = ReplayStates(self._pool, work.replay, everything=everything)
        few = None if everything else await store.few_selected(self._pool, _FEW)
        keys = None if few is None else {order_key.encode() for _, order_key in few}
        if few is not None:
            lanes = {lane_of(order_key) for _, order_key in few}
            until = {part: end if part in lanes else 0 for part, end in until.items()}
        only = None if keys is None else _of_keys(keys)
        await refold_events(
            self._brokers, self._topics.raw_orders, work.names, into, since=since, until=until, only=only
        )

    async def _reach(self, work: _Work, stage: str, ends: Mapping[int, int]) -> _Work:
        async with self._pool.acquire() as connection, connection.transaction():
            await store.guard(connection, work.replay)
            if stage == "folded" and work.replay.stage != stage and selection.takes_everything(work.replay.request):
                await store.select_folded(connection)
            await store.advance(connection, work.replay, stage, ends)
        return replace(work, replay=replace(work.replay, stage=stage, ends=ends))

    async def _finish(self, replay: Replay) -> None:
        request_id, now = replay.request.request_id, self._clock.now()
        async with self._pool.acquire() as connection, connection.transaction():
            await store.guard(connection, replay)
            orders, commands = await store.finish(connection, replay)
            event = ReplayCompleted(request_id=request_id, orders=orders, commands=commands, at=now)
            envelope = encode(
                event,
                event_id=event_id("replay-completed", str(request_id)),
                subject=f"replay:{request_id}",
                source=f"/{self._topics.tenant}/mapper",
                time=now,
            )
            await outbox.add(connection, CONSUMER, [Outgoing(self._topics.audit, envelope)])
        self._published()
        _log.info("replay.done", request=str(request_id), orders=orders, commands=commands)
        crash.point("replay.after_completion")

    # -- one order

    async def _order(self, work: _Work, key: Key) -> None:
        emission = Emission(self._topics)
        async with self._pool.acquire() as connection, connection.transaction():
            await store.guard(connection, work.replay)
            if not await store.begin_order(connection, key):
                return
            said = await self._decide(connection, work, key, emission)
            await outbox.add(connection, CONSUMER, emission.rows)
            if said.commands or said.note:
                await requests.answer(connection, said)
            await store.end_order(connection, work.replay, key, len(said.commands))
            crash.point("replay.before_commit")
        crash.point("replay.after_commit")
        emission.count(self._metrics)
        self._published()

    async def _decide(self, connection: Connection, work: _Work, key: Key, emission: Emission) -> requests.Answer:
        request = work.replay.request
        said = requests.Answer(request.request_id, *key)
        known = (await StateTable(connection).load([key], lock=True)).get(key)
        folded = await self._folded(connection, work, key, known)
        flow = work.flows.get(key[0])
        if flow is None or folded is None:
            return replace(said, note=_UNKNOWN if flow else _NO_FLOW)
        before = OrderState.model_validate_json(known.state) if known else None
        state = with_commands(OrderState.model_validate_json(folded.state), before)
        held = await holds.held_keys(connection, *key)
        waited, stopped = _waited(known, folded), bool(known and known.defect)
        decision, defect = _decision(state, work.replay, flow, held, folded.defect)
        if decision is None:
            # An event that waited for nothing but this replay is held for the defect, as it would be on its own.
            if not work.replay.released and (stopped or not waited):
                return replace(said, note=f"A defect of ours ({defect}); the order stays as it is.")
            decision = Defects().held(state, flow.mapping, str(request.request_id), defect)
        elif waited:
            decision = and_read(decision, folded.newest_event)
        text = decision.state.model_dump_json()
        stored = replace(folded, evolve_version=EVOLVE_VERSION, state=text, defect=defect)
        await StateTable(connection).save([stored], fresh=() if known else [key])
        because = Because(
            cause=str(request.request_id), time=request.at, lane=lane_of(key[1]), replay_of=folded.newest_event
        )
        emission.add(flow.erp, decision, because)
        ids = tuple(command.command_id for command in decision.commands)
        return replace(said, commands=ids, note=NOTHING_TO_SAY if work.replay.released and not ids else "")

    async def _folded(
        self, connection: Connection, work: _Work, key: Key, known: StoredState | None
    ) -> StoredState | None:
        """The order from its first event to the last that the mapper has read."""
        found = (await StateTable(connection, store.STATES).load([key])).get(key)
        lane = lane_of(key[1])
        end = work.replay.ends.get(lane, 0)
        if known is not None and not known.waits and 0 <= known.newest_offset < end:
            return found
        until = (await store.read_until(connection, self._topics.raw_orders))[lane]
        if until <= end:
            return found
        one = _One(key, found)
        only_here = {part: until if part == lane else 0 for part in work.replay.ends}
        await refold_events(
            self._brokers,
            self._topics.raw_orders,
            work.names,
            one,
            since={lane: end},
            until=only_here,
            only=_of_keys({key[1].encode()}),
        )
        return one.state


def _decision(
    state: OrderState, replay: Replay, flow: Flow, held: Collection[UUID], defect: str
) -> tuple[Decision | None, str]:
    """The decision, and the kind of an error of ours; no decision where there is such an error."""
    cause, mapping = str(replay.request.request_id), flow.mapping
    try:
        if defect:
            raise _FoldFailed
        decision = decide_anew(
            state, mapping, cause=cause, released=replay.released, held=held, rebook=replay.request.rebook
        )
    except Exception as error:  # whatever it is, it is ours: this order stays, the others go on
        defect = defect or type(error).__name__
        _log.exception("replay.defect", flow=state.flow, order_id=state.order_id, error=defect)
        return None, defect
    return decision, ""


def _waited(known: StoredState | None, folded: StoredState) -> bool:
    """Whether there are events of the order that had to wait for this replay."""
    return known is not None and known.waits and 0 <= known.newest_offset < folded.newest_offset


class _FoldFailed(Exception):  # noqa: N818 - never leaves this module
    """The order's events could not be folded."""


def _of_keys(keys: Collection[bytes]) -> Callable[[Record], bool]:
    return lambda record: record.key in keys


class _One:
    """The state of one order, in memory: see ``refold.Storage``."""

    def __init__(self, key: Key, state: StoredState | None) -> None:
        self._key = key
        self.state = state

    async def admitted(self, keys: Collection[Key]) -> Collection[Key]:
        """See ``Storage``."""
        return {self._key} & set(keys)

    async def load(self, keys: Collection[Key]) -> Mapping[Key, StoredState]:
        """See ``Storage``."""
        return {self._key: self.state} if self.state and self._key in keys else {}

    async def save(self, states: Collection[StoredState]) -> None:
        """See ``Storage``."""
        for state in states:
            self.state = state
