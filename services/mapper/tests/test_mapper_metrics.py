"""What the mapper counts is what is on the log: every command once, whatever asked for it."""

from __future__ import annotations

from collections import Counter

import pytest

from mlc_common import crash

from .livelog import LiveLog
from .making import order
from .test_replays import CUP, NO_CUPS, WITH_CUPS, a_day, invoice_of

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

Said = Counter[tuple[str, str]]

_DOCUMENT = ("invoice", "document")


def counted(live: LiveLog) -> Said:
    """Commands by kind and wish, as the metric has them."""
    (family,) = live.metrics.commands.collect()
    return Counter(
        {
            (one.labels["kind"], one.labels["wish"]): int(one.value)
            for one in family.samples
            if one.name == "mlc_commands_total"
        }
    )


async def on_the_log(live: LiveLog) -> Said:
    return Counter((command.kind, command.wish.wish) for command in await live.commands())


async def test_events_releases_resolutions_and_replays_count_their_commands(live: LiveLog) -> None:
    await a_day(live)
    after_events = await on_the_log(live)
    assert counted(live) == after_events != {}
    await live.resolve(203, invoice_of(203), "closed")
    await live.apply(WITH_CUPS)
    await live.release(200, invoice_of(200))
    await live.turn()
    assert counted(live) == await on_the_log(live) == after_events + Said([("invoice", "resolved"), _DOCUMENT])
    before = counted(live)
    await live.replay()
    await live.turn()
    assert counted(live) == await on_the_log(live)
    assert (counted(live) - before).total() > 0


@pytest.mark.parametrize("point", ["mapper.before_commit", "control.before_commit", "replay.before_commit"])
async def test_what_is_rolled_back_and_decided_once_more_counts_once(
    live: LiveLog, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    await live.apply(NO_CUPS)
    await live.turn()
    missed: list[str] = []

    def lost(reached: str) -> None:
        if reached == point and not missed:
            missed.append(point)
            raise ConnectionResetError

    monkeypatch.setattr(crash, "point", lost)
    for what in ("events", "release", "replay"):
        try:
            await _ask(live, what)
        except ConnectionResetError:
            await live.turn()
    assert missed == [point]
    assert counted(live) == await on_the_log(live) == Said([("invoice", "held")] * 2 + [_DOCUMENT] * 2)


async def _ask(live: LiveLog, what: str) -> None:
    if what == "events":
        await live.hears(order(CUP, order_id=200))
        await live.hears(order(CUP, order_id=201))
    elif what == "release":
        await live.apply(WITH_CUPS)
        await live.release(200, invoice_of(200))
    else:
        await live.replay()
    await live.turn()
