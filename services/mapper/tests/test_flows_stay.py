"""A flow stays between its two ends: what was booked in one ERP cannot be credited or changed in another."""

from __future__ import annotations

import pytest

from mlc_common.store import mappings

from .livelog import LiveLog
from .making import item, mapping_text, order

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

MUG = item(2, "20.00")


@pytest.mark.parametrize("end", ["erp", "store"])
async def test_a_mapping_that_leads_a_flow_elsewhere_is_set_aside_and_the_flow_goes_on(live: LiveLog, end: str) -> None:
    version = await live.apply(mapping_text(cut_over="2026-11-01"))
    await live.turn()
    await live.apply(mapping_text(cut_over="2026-11-02", **{end: "elsewhere"}))
    await live.hears(order(MUG))
    await live.turn()
    (why,) = await live.dead_letters()
    assert why.startswith("flow web carries shop into deltek and cannot be led from ")
    assert [(one.version, one.store, one.erp) for one in await mappings.current(live.pool)] == [
        (version, "shop", "deltek")
    ]
    (command,) = await live.commands(17)
    assert command.mapping_version == version


async def test_another_version_between_the_same_ends_is_put_in_force(live: LiveLog) -> None:
    await live.apply(mapping_text(cut_over="2026-11-01"))
    version = await live.apply(mapping_text(cut_over="2026-11-02"))
    await live.turn()
    assert [one.version for one in await mappings.current(live.pool)] == [version]
    assert await live.dead_letters() == []
