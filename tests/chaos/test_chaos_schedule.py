"""A seed is its schedule: the same one every time, also after it was written down and read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chaos.run import run
from chaos.schedule import POINTS, Schedule, plan

from mlc_common import crash


def test_a_seed_always_gives_the_same_schedule() -> None:
    assert plan(7, 50).dump() == plan(7, 50).dump()
    assert plan(7, 50).dump() != plan(8, 50).dump()


def test_a_schedule_that_was_written_down_is_the_one_that_was_planned(tmp_path: Path) -> None:
    planned = plan(7, 50)
    (tmp_path / "schedule.json").write_text(planned.dump(), encoding="utf-8")

    assert Schedule.load(tmp_path / "schedule.json") == planned


def test_something_else_is_no_schedule(tmp_path: Path) -> None:
    (tmp_path / "schedule.json").write_text(json.dumps({"seed": 1, "orders": 2, "world": {}}))

    with pytest.raises(ValueError, match=r"is no schedule that `make chaos` wrote"):
        Schedule.load(tmp_path / "schedule.json")


def test_nothing_happens_to_an_order_before_it_is_bought() -> None:
    for seed in range(20):
        bought: set[int] = set()
        for step in plan(seed, 40).steps:
            if step.act == "buy":
                bought.add(step.what["order"])
            elif "order" in step.what and isinstance(step.what["order"], int):
                assert step.what["order"] in bought
        assert bought == set(range(40))


def test_over_some_seeds_everything_happens_that_can() -> None:
    acts = {step.act for seed in range(60) for step in plan(seed, 40).steps}
    worlds = {(plan(seed, 5).world.mappers, plan(seed, 5).world.posters) for seed in range(60)}

    assert acts == {
        *("buy", "status", "edit", "refund", "delete refund", "trash", "restore"),
        *("kill", "freeze", "thaw", "arm", "broker", "database", "clock", "replay", "fault"),
        *("mischief", "hold webhooks", "deliver webhooks", "resend", "tamper", "disable"),
    }
    assert worlds == {(1, 1), (1, 2), (2, 1), (2, 2)}


def test_processes_die_and_freeze_at_points_that_exist() -> None:
    assert {point for points in POINTS.values() for point in points} <= set(crash.POINTS)


def test_who_is_to_die_within_a_replay_is_asked_for_one_after_it_was_started_so() -> None:
    armed = set()
    for seed in range(60):
        steps = plan(seed, 40).steps
        for number, step in enumerate(steps):
            point = step.what.get("point", "").partition(":")[0]
            if point.startswith("replay."):
                armed.add(point)
                assert "replay" in {later.act for later in steps[number:]}
    assert armed == {point for point in crash.POINTS if point.startswith("replay.")}


async def test_a_run_that_breaks_its_own_harness_has_failed_and_says_why(tmp_path: Path) -> None:
    no_servers: Any = None
    result = await run(no_servers, plan(1, 1), tmp_path / "run")
    (why,) = result.wrong
    assert why.startswith("the run itself broke")
    assert (result.folder / "wrong.txt").read_text() == why
