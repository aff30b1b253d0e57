"""Headers of webhooks are not signed: one that was caught and sent again under others may lie on another partition."""

from __future__ import annotations

import pytest

from mlc_common import exactjson
from mlc_mapper.emitting import lane_of

from .livelog import STORE, LiveLog
from .making import item, mapping_text, order

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

UNNAMED = "unknown"
"""What the gateway calls an order whose id is not where the topic of the webhook says it is."""

NUMBER = next(
    number for number in range(17, 99) if lane_of(f"{STORE}:order:{number}") > lane_of(f"shop:order:{UNNAMED}")
)
"""Of an order whose partition is read after that one."""

PAID = order(item(2, "20.00"), order_id=NUMBER)
PLACED = PAID | {"status": "pending", "date_paid_gmt": None, "date_modified_gmt": "2026-11-21T00:03:10"}


async def test_an_old_webhook_under_another_topic_reverts_nothing_in_a_replay(live: LiveLog) -> None:
    """R9, R13: offsets of two partitions say nothing of each other, and a fold would leave out what was paid."""
    await live.apply(mapping_text())
    await live.hears(PLACED)
    await live.hears(PAID)
    for _ in range(9):
        await live.hears_bytes(b"[]", UNNAMED)
    await live.hears_bytes(exactjson.dumps(PLACED), UNNAMED, topic="action.x")
    await live.turn()
    assert [command.wish.wish for command in await live.commands(NUMBER)] == ["document"]
    await live.replay()
    await live.turn()
    assert [command.wish.wish for command in await live.commands(NUMBER)] == ["document"]
    assert f"this is about {STORE}:order:{NUMBER} and came under the name of {STORE}:order:unknown" in (
        await live.dead_letters()
    )
