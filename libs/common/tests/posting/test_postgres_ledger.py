"""The ledger in PostgreSQL keeps the contract, and what only a database can break."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import asyncpg
import pytest

from mlc_common.accounting import content_digest
from mlc_common.clock import SystemClock
from mlc_common.events import Command, Envelope, Outcome, PartyOutcome, Topics, decode
from mlc_common.posting.engine import Engine
from mlc_common.posting.gateway import Plan
from mlc_common.posting.ledger import LeaseLost, State, Step
from mlc_common.posting.store import PostgresLedger, add_commands
from mlc_common.store.outbox import _envelope
from mlc_common.store.pool import Pool, connect

from .bench import SETTINGS, Bench
from .contract import LedgerContract, leased, one, only_row
from .memory import Written
from .scenarios import SCENARIOS, Scenario
from .wishes import Order

pytestmark = pytest.mark.postgres

PRODUCER = "poster-erp"
BACK = "make_interval(secs => $1)"


class PostgresKeeper:
    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.ledger = PostgresLedger(pool, Topics("t1"), SystemClock(), producer=PRODUCER)

    async def add(self, *commands: Command, erp: str = "erp") -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            await add_commands(connection, erp, commands)

    async def pass_time(self, seconds: float) -> None:
        moved = {
            "posting_orders": ("not_before", "lease_until"),
            "posting_documents": ("intent_at", "looked_at"),
            "posting_parties": ("intent_at", "looked_at"),
            "leases": ("lease_until",),
        }
        for table, columns in moved.items():
            changes = ", ".join(f"{column} = {column} - {BACK}" for column in columns)
            await self.pool.execute(f"update {table} set {changes}", seconds)

    async def envelopes(self) -> list[Envelope]:
        rows = await self.pool.fetch("select headers, value from outbox where producer = $1 order by id", PRODUCER)
        return [_envelope(row["headers"], row["value"]) for row in rows]

    async def outcomes(self) -> list[Written]:
        return [_written(envelope) for envelope in await self.envelopes()]


def _written(envelope: Envelope) -> Written:
    if envelope.type == PartyOutcome.event_type:
        party = decode(envelope, PartyOutcome)
        return Written(party.party_key, party.version, party.state, fencing=party.fencing)
    event = decode(envelope, Outcome)
    return Written(event.document_key, event.version, event.state, event.response_class, event.reason, event.fencing)


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    pool = await connect(database, application="test", most=10)
    yield pool
    await pool.close()


@pytest.fixture
def keeper(pool: Pool) -> PostgresKeeper:
    return PostgresKeeper(pool)


class TestPostgresLedger(LedgerContract):
    pass


async def test_a_row_whose_outcomes_cannot_be_written_is_not_written_either(keeper: PostgresKeeper) -> None:
    await keeper.add(Order("1001").invoice("1.00"))
    lease = await one(keeper)
    row = await only_row(keeper, lease)
    await keeper.pool.execute("alter table outbox add constraint full_disk check (false) not valid")

    with pytest.raises(asyncpg.CheckViolationError):
        await keeper.ledger.record(lease, row, [Step(State.CREATING)], intent="set", extend_s=60)
    assert await only_row(keeper, lease) == row


async def test_an_outcome_says_what_was_asked_of_the_erp(keeper: PostgresKeeper) -> None:
    order = Order("1001")
    command = order.invoice("12.30")
    await keeper.add(command)
    lease = await one(keeper)
    row = await only_row(keeper, lease)
    row = dataclasses.replace(row, pursued=order.bill("12.30"), plan=Plan("IN-1", "WA1"), erp_ids={"batch": "B7"})
    await keeper.ledger.record(lease, row, [Step(State.CREATING), Step(State.CREATED, "created")], extend_s=60)
    creating, created = await keeper.envelopes()
    event = decode(creating, Outcome)

    assert creating.subject == "wc01:order:1001"
    assert creating.extensions == {"documentkey": str(order.key), "state": "creating", "flow": command.flow}
    assert creating.id != created.id
    assert (event.reference, event.number, str(event.total), event.currency) == ("IN-1", "WA1", "12.30", "USD")
    assert (event.command_id, event.seq, event.place) == (command.command_id, 1, 1)
    assert event.erp_ids == {"batch": "B7"}
    assert event.request_digest == content_digest(order.bill("12.30"))
    assert decode(created, Outcome).request_digest == ""


async def test_outcomes_tell_the_ledger_whole_without_repeating_the_document(keeper: PostgresKeeper) -> None:
    order = Order("1001")
    await keeper.add(order.invoice("12.30"))
    lease = await one(keeper)
    plan = Plan("IN-1", "WA1", {"project": "P1"})
    row = dataclasses.replace(
        await only_row(keeper, lease), pursued=order.bill("12.30"), pursued_seq=1, plan=plan, sent=True
    )
    row = await keeper.ledger.record(lease, row, [Step(State.LOOKING, "absent"), Step(State.CREATING)], extend_s=60)
    await keeper.ledger.record(lease, dataclasses.replace(row, settled_seq=1), [Step(State.VERIFIED)], extend_s=60)
    looking, creating, verified = (decode(envelope, Outcome) for envelope in await keeper.envelopes())

    assert (looking.document, looking.plan) == (order.bill("12.30"), {"project": "P1"})
    assert (creating.document, creating.plan) == (None, {})
    assert [(each.pursued_seq, each.settled_seq, each.sent) for each in (creating, verified)] == [
        (1, 0, True),
        (1, 1, True),
    ]


async def test_a_command_that_cannot_be_taken_is_named(keeper: PostgresKeeper) -> None:
    first, other = Order("1001").invoice("1.00"), Order("1001").credit("0.50")
    async with keeper.pool.acquire() as connection, connection.transaction():
        assert await add_commands(connection, "erp", [first]) == set()
        assert await add_commands(connection, "erp", [first, other, first]) == {other.command_id}
    assert await keeper.pool.fetchval("select count(*) from posting_documents") == 1


async def test_a_new_command_and_a_transition_of_its_order_never_deadlock(keeper: PostgresKeeper) -> None:
    order = Order("1001")
    await keeper.add(order.invoice("1.00"))
    newer = order.invoice("2.00")
    async with keeper.pool.acquire() as connection:
        transition = connection.transaction()
        await transition.start()
        # As a transition does it: first the order …
        await connection.execute("update posting_orders set lease_until = now()")
        arriving = asyncio.create_task(keeper.add(newer))
        await _until_somebody_waits(keeper.pool)
        # … then its document, while the new command waits for the order.
        await connection.execute("update posting_documents set version = version + 1")
        await transition.commit()
    await arriving

    assert (await one(keeper)).contiguous_seq == 2


async def _until_somebody_waits(pool: Pool) -> None:
    query = """
        select exists (select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')
    """
    async with asyncio.timeout(20):
        while not await pool.fetchval(query):
            await asyncio.sleep(0)


async def test_a_takeover_that_commits_first_refuses_a_record_that_was_waiting(keeper: PostgresKeeper) -> None:
    await keeper.add(Order("1001").invoice("1.00"))
    late = await one(keeper)
    row = await only_row(keeper, late)
    await keeper.pass_time(61)
    async with keeper.pool.acquire() as connection:
        takeover = connection.transaction()
        await takeover.start()
        await connection.execute(
            "update posting_orders set fencing = nextval('fencing_numbers'), lease_until = now() + interval '60 s'"
        )
        writing = asyncio.create_task(keeper.ledger.record(late, row, [Step(State.CREATING)], extend_s=60))
        await _until_somebody_waits(keeper.pool)
        await takeover.commit()

    with pytest.raises(LeaseLost):
        await writing
    assert await keeper.outcomes() == []


async def test_two_consumers_adding_the_same_commands_at_once_make_one_of_each(keeper: PostgresKeeper) -> None:
    order = Order("1001")
    commands = [order.invoice("1.00"), order.credit("0.50"), order.invoice("2.00")]
    await asyncio.gather(*(keeper.add(*commands) for _ in range(8)))

    assert await keeper.pool.fetchval("select count(*) from posting_queue") == 3
    assert await keeper.pool.fetchval("select count(*) from posting_documents") == 2
    (lease,) = await leased(keeper)
    assert lease.contiguous_seq == 3


async def settle(keeper: PostgresKeeper, engine: Engine) -> None:
    """Work until nothing is left to do, however long the engine would wait."""
    for _ in range(100):
        leases = await leased(keeper)
        for lease in leases:
            await engine.work(lease)
        if not await keeper.pool.fetchval("select count(*) from posting_orders where runnable"):
            return
        if not leases:
            await keeper.pass_time(40)
    raise AssertionError("no end")


def lossy_bench() -> Bench:
    bench = Bench()
    bench.wire.script |= {"create": ["lost"], "finalise": ["gone"], "create_party": ["lost"]}
    return bench


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_an_engine_does_over_postgresql_what_it_does_in_the_simulation(
    keeper: PostgresKeeper, scenario: Scenario
) -> None:
    """One wish after the other; the first create, finalise and firm of each run are not answered."""
    bench = lossy_bench()
    engine = Engine(keeper.ledger, bench.gateway, bench.clock, "w1", SETTINGS)
    for command in scenario.commands:
        await keeper.add(command)
        await settle(keeper, engine)
    books, outcomes = bench.books(), [(o.key, o.state, o.response, o.reason) for o in await keeper.outcomes()]

    again = lossy_bench()
    for command in scenario.commands:
        await again.settle(command)
    looks = ("absent", "unknown")  # how often it looked is a matter of time
    assert books == again.books()
    assert [step for step in outcomes if step[2] not in looks] == [
        (o.key, o.state, o.response, o.reason) for o in again.ledger.outcomes if o.response not in looks
    ]
