"""R1: Gateway, mapper and poller are killed at their named points, started again, and the ERP's books are right.

The poster's points are in test_poster.py. A killed consumer keeps its place in its group for up to ten seconds; that
is what these tests wait for.
"""

from __future__ import annotations

import signal
from functools import partial

import psutil
import pytest

from mlc_cli.rehearsal import Process
from mlc_common.crash import POINTS
from mlc_common.events import Command, OrderSnapshot, decode

from ..e2e import books
from ..e2e.tenants import DONATION, Tenant
from ..e2e.waiting import until

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("in-parts"),
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.crash,
]

OF_THE_MAPPER = ("mapper.before_commit", "mapper.after_commit", "outbox.after_publish")
QUICK = {"MLC_KAFKA_SESSION_SECONDS": "2", "MLC_DATABASE_STALLED_SECONDS": "2"}
OFTEN = {"MLC_POLLER_INTERVAL_SECONDS": "0.2"}


async def armed(tenant: Tenant, name: str, point: str, *, how: str = "CRASH_AT", **environment: str) -> None:
    """Run a part that will be killed (or frozen) at this point instead of the one that runs."""
    await tenant.rig.parts[name].stop()
    await tenant.rig.part(name, **{how: point}, **environment).start()


async def stands_still(process: Process) -> bool:
    """Whether it was stopped."""
    return psutil.Process(process.pid).status() == psutil.STATUS_STOPPED


async def dead(tenant: Tenant, name: str) -> None:
    """Wait until it was killed."""
    assert await tenant.rig.parts[name].ended() == -signal.SIGKILL


async def alive_again(tenant: Tenant, name: str) -> None:
    """Start it as it should be."""
    await tenant.rig.part(name).start()


async def test_every_point_of_these_parts_is_tried() -> None:
    others = ("post.", "party.", "intake.", "control.", "replay.")  # the last two: test_replays.py of the mapper
    ours = {point for point in POINTS if not point.startswith(others)}
    assert ours == {"ingest.after_publish", "poller.after_publish", *OF_THE_MAPPER}


@pytest.mark.parametrize("point", OF_THE_MAPPER)
async def test_a_mapper_killed_between_state_and_log_commands_everything_once(
    tenant_in_parts: Tenant, point: str
) -> None:
    tenant = tenant_in_parts
    await armed(tenant, "mapper", point)
    orders = [await tenant.sell() for _ in range(4)]
    refunded = await tenant.sell(items=[DONATION])
    refund = await tenant.on_order(refunded["id"], "refunds", amount="10.00")
    await dead(tenant, "mapper")
    await alive_again(tenant, "mapper")
    for order in orders:
        await tenant.booked(order["id"], {"IN": "3.33"})
    await tenant.booked(refunded["id"], {"IN": "25.00", f"R{refund['id']}": "-10.00"})
    await tenant.at_rest()
    for order in orders:
        await tenant.booked(order["id"], {"IN": "3.33"})
        commands = [decode(event, Command) for event in await tenant.commands(order["id"], 1)]
        assert {(command.seq, command.command_id) for command in commands} == {(1, commands[0].command_id)}
        assert await tenant.held(order["id"]) == {}


@pytest.mark.parametrize("point", OF_THE_MAPPER)
async def test_a_mapper_that_wakes_up_after_another_took_over_commands_nothing_twice(
    tenant_in_parts: Tenant, point: str
) -> None:
    """R16: it stood still in the middle of a write, and lost its partitions and its transaction meanwhile."""
    tenant = tenant_in_parts
    await armed(tenant, "mapper", point, how="FREEZE_AT", **QUICK)
    first = tenant.rig.parts["mapper"]
    try:
        orders = [await tenant.sell() for _ in range(4)]
        await until(partial(stands_still, first), "the mapper stands still")
        await tenant.rig.part("mapper", **QUICK).start()
        for order in orders:
            await tenant.booked(order["id"], {"IN": "3.33"})
        assert await stands_still(first)
        first.send(signal.SIGCONT)
        orders += [await tenant.sell() for _ in range(4)]
        await tenant.at_rest()
        for order in orders:
            await tenant.booked(order["id"], {"IN": "3.33"})
            commands = [decode(event, Command) for event in await tenant.commands(order["id"], 1)]
            assert {(command.seq, command.command_id) for command in commands} == {(1, commands[0].command_id)}
            assert await tenant.held(order["id"]) == {}
        assert first.running
    finally:
        await first.kill()
        await tenant.restart("mapper")


async def test_a_gateway_killed_between_log_and_answer_loses_nothing_and_doubles_nothing(
    tenant_in_parts: Tenant,
) -> None:
    tenant = tenant_in_parts
    await armed(tenant, "ingest", "ingest.after_publish")
    order = await tenant.sell()
    await dead(tenant, "ingest")
    answers = books.deliveries(await tenant.rig.shop_truth(), order["id"])
    assert [answer for _, answer in answers] == [None, None], "the shop was answered nothing, and will not try again"
    await tenant.booked(order["id"], {"IN": "3.33"})
    await alive_again(tenant, "ingest")
    for body, headers in await tenant.delivered(order["id"]):
        assert await tenant.send(body, headers) == 200
    await tenant.at_rest()
    await tenant.booked(order["id"], {"IN": "3.33"})
    assert len({event.id for event in await tenant.log_of(tenant.topics.raw_orders, order["id"])}) == 1


async def test_a_poller_killed_in_the_middle_of_a_walk_leaves_nothing_out(tenant_in_parts: Tenant) -> None:
    tenant = tenant_in_parts
    await tenant.rig.act("settings", auto_run=False)
    try:
        await armed(tenant, "poller", "poller.after_publish:3", **OFTEN)
        orders = [await tenant.sell(settle=False) for _ in range(6)]
        await dead(tenant, "poller")
        await tenant.rig.part("poller", **OFTEN).start()
        for order in orders:
            await tenant.booked(order["id"], {"IN": "3.33"})
    finally:
        await tenant.rig.act("settings", auto_run=True)
        await tenant.restart("poller")


async def test_a_poller_killed_after_it_answered_the_mapper_answers_again(tenant_in_parts: Tenant) -> None:
    tenant = tenant_in_parts
    order = await tenant.sell()
    await tenant.booked(order["id"], {"IN": "3.33"})
    # Whatever it lists it would publish too: here it can only answer.
    await tenant.fault("shop", kind="status", method="GET", path=r"/orders\?", status=400, times=-1)
    await armed(tenant, "poller", "poller.after_publish")
    refund = await tenant.on_order(order["id"], "refunds", amount="1.00")
    await dead(tenant, "poller")
    await alive_again(tenant, "poller")
    await tenant.at_rest()
    await tenant.heal("shop")
    await tenant.booked(order["id"], {"IN": "3.33", f"R{refund['id']}": "-1.00"})
    told = await tenant.log_of(tenant.topics.raw_orders, order["id"])
    answers = [decode(event, OrderSnapshot) for event in told if event.type == OrderSnapshot.event_type]
    asked_for = [answer.fetch_id for answer in answers if answer.fetch_id]
    assert len(asked_for) == 2
    assert len(set(asked_for)) == 1
