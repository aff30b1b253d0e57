"""Two workers, one ledger, a hostile ERP: every fault at every point, thousands of mixtures (reliability R1, R5, R21).

A failing run is given by its arguments; ``World(..., trace=[])`` shows it step by step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc_common.events import Command

from .erp import Dialect
from .scenarios import SCENARIOS, Scenario
from .verdict import check
from .world import FAULTS, World

DIALECTS: tuple[Dialect, ...] = ("files", "unposted files", "handles", "direct")
WEAKEST = DIALECTS[1:]
"""What is proved for the weaker guard of names holds for the stronger one."""
LAG_S = 8.0
SEEDS = 1000
MANY_SEEDS = 1000


def possible(dialect: Dialect) -> tuple[str, ...]:
    """Without drafts nothing can be counted again, so a process frozen before it sends may post what was withdrawn."""
    return tuple(fault for fault in FAULTS if dialect != "direct" or fault not in ("freeze", "nap"))


def arriving(commands: Sequence[Command], points: Sequence[int]) -> list[tuple[int, Sequence[Command]]]:
    """The first command before anything runs, the others each after so many points."""
    return [(0, commands[:1]), *((point, [command]) for point, command in zip(points, commands[1:], strict=True))]


def world_of(
    scenario: Scenario,
    points: Sequence[int],
    faults: Mapping[int, str],
    dialect: Dialect,
    lag: float,
    seed: int | None = None,
) -> World:
    """A world in which the commands come after so many points; not yet run."""
    arrivals = arriving(scenario.commands, points)
    return World(arrivals, faults, dialect, lag, seed, refuses=scenario.refuses, by_hand=scenario.by_hand)


def every_fault(
    scenario: Scenario, dialect: Dialect, lag: float, apart: int, among: frozenset[str] = frozenset(FAULTS)
) -> Iterator[World]:
    """A world per point that the undisturbed run passes, and fault that can happen there; not yet run.

    At a write to the ERP everything can happen; elsewhere only what is ``among``.
    """
    arrivals = [apart * n for n in range(1, len(scenario.commands))]
    calm = world_of(scenario, arrivals, {}, dialect, lag).run()
    for point, kinds in enumerate(calm.kinds, 1):
        for fault in sorted(kinds.intersection(possible(dialect), kinds if "late" in kinds else among)):
            yield world_of(scenario, arrivals, {point: fault}, dialect, lag)


@pytest.mark.parametrize("dialect", WEAKEST)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_any_one_fault_at_any_point_posts_once_and_what_was_wanted(scenario: Scenario, dialect: Dialect) -> None:
    runs = 0
    among = frozenset({"crash", "freeze"})
    for world in every_fault(
        scenario, dialect, lag=0.0 if "files" in dialect else LAG_S, apart=scenario.apart, among=among
    ):
        check(world.run(), may_hold=scenario.may_hold)
        runs += 1
    assert runs >= 20


@pytest.mark.slow
@pytest.mark.parametrize("dialect", WEAKEST)
@pytest.mark.parametrize("scenario", [s for s in SCENARIOS if len(s.commands) > 1], ids=lambda scenario: scenario.name)
def test_a_fault_while_wishes_keep_coming_posts_once(scenario: Scenario, dialect: Dialect) -> None:
    """Every sixteenth of the runs, other ones for each pace."""
    for first, apart in enumerate((0, 4, 17)):
        worlds = every_fault(scenario, dialect, lag=LAG_S if "files" in dialect else 0.0, apart=apart)
        for world in islice(worlds, first, None, 16):
            check(world.run(), may_hold=scenario.may_hold)


def mixture(seed: int) -> tuple[World, Scenario]:
    """Any scenario with up to four faults, wishes coming at any time, workers in any order."""
    random = Random(seed)
    scenario, dialect = random.choice(SCENARIOS), random.choice(DIALECTS)
    far = random.choice((60, 60 + scenario.apart * len(scenario.commands)))
    points = sorted(random.randint(0, far) for _ in scenario.commands[1:])
    faults = {random.randint(1, far + 20): random.choice(possible(dialect)) for _ in range(random.randint(0, 4))}
    lag = random.choice((0.0, LAG_S))
    return world_of(scenario, points, faults, dialect, lag, seed), scenario


@pytest.mark.parametrize("first", range(0, SEEDS, 500))
def test_mixtures_of_faults_post_once(first: int) -> None:
    for seed in range(first, first + 500):
        world, scenario = mixture(seed)
        check(world.run(), may_hold=scenario.may_hold)


@pytest.mark.slow
def test_many_mixtures_of_faults_post_once() -> None:
    for seed in range(SEEDS, SEEDS + MANY_SEEDS):
        world, scenario = mixture(seed)
        check(world.run(), may_hold=scenario.may_hold)


@settings(max_examples=150, deadline=None)
@given(
    scenario=st.sampled_from(SCENARIOS),
    dialect=st.sampled_from(DIALECTS),
    lag=st.sampled_from([0.0, LAG_S]),
    points=st.lists(st.integers(0, 60), min_size=5, max_size=5).map(sorted),
    faults=st.dictionaries(st.integers(1, 80), st.sampled_from(FAULTS), max_size=4),
    seed=st.integers(0, 2**16),
)
def test_no_mixture_that_hypothesis_finds_posts_twice(
    scenario: Scenario, dialect: Dialect, lag: float, points: list[int], faults: dict[int, str], seed: int
) -> None:
    faults = {point: fault for point, fault in faults.items() if fault in possible(dialect)}
    world = world_of(scenario, points[: len(scenario.commands) - 1], faults, dialect, lag, seed)
    check(world.run(), may_hold=scenario.may_hold)


def test_the_same_seed_gives_the_same_run() -> None:
    one, _ = mixture(7)
    two, _ = mixture(7)
    one.trace, two.trace = [], []

    assert one.run().trace == two.run().trace
    assert len(one.trace) > 40


class TestTheVerdict:
    """The check can fail: an engine without one of its precautions is caught."""

    def caught(self, scenario: str, dialect: Dialect = "handles") -> bool:
        """Whether any single fault makes the verdict fail."""
        (chosen,) = (s for s in SCENARIOS if s.name == scenario)
        try:
            for world in every_fault(chosen, dialect, LAG_S, 11):
                check(world.run(), may_hold=chosen.may_hold)
        except AssertionError:
            return True
        return False

    def test_a_sound_engine_is_not_caught(self) -> None:
        assert not self.caught("one invoice")

    def test_creating_again_without_proof_of_absence_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mlc_common.posting.rules.wait_for_absence", lambda *_, **__: 0.0)
        assert self.caught("one invoice")

    def test_forgetting_what_was_sent_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mlc_common.posting.ledger.DocumentRow.is_outstanding", property(lambda row: False))
        assert self.caught("cancelled")

    def test_forgetting_what_lies_under_an_older_reference_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def nothing(*_: object) -> bool:
            return False

        monkeypatch.setattr("mlc_common.posting.pursuit.Pursuit._leaves_behind", nothing)
        scenario = next(s for s in SCENARIOS if s.name == "renumbered with a held draft")

        with pytest.raises(AssertionError, match="a draft of ours was left behind"):
            check(world_of(scenario, [scenario.apart], {}, "handles", LAG_S).run())

    def test_forgetting_that_a_difference_given_up_was_in_the_books_is_caught(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mlc_common.posting.adjusting.lags", lambda base, rows: False)
        scenario = next(s for s in SCENARIOS if s.name == "cancelled after a difference was posted by hand")

        with pytest.raises(AssertionError):
            check(world_of(scenario, [scenario.apart, 2 * scenario.apart], {}, "handles", 0.0).run())

    def test_writing_after_a_takeover_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from .memory import MemoryLedger

        monkeypatch.setattr(MemoryLedger, "_still", lambda ledger, lease: ledger._orders[lease.flow, lease.order_key])
        assert self.caught("changed")

    def test_forgetting_earlier_adjustments_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mlc_common.posting.adjusting.standing", lambda documents, *, of: documents[0].lines)
        scenario = next(s for s in SCENARIOS if s.name == "adjusted back")

        with pytest.raises(AssertionError):
            check(World(arriving(scenario.commands, [100, 200])).run())

    def test_forgetting_that_a_deleted_refund_makes_a_cancellation_owe_more_is_caught(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mlc_common.posting.adjusting.lags", lambda base, rows: False)
        scenario = next(s for s in SCENARIOS if s.name == "refunded, cancelled, refund deleted, back")
        world = World(arriving(scenario.commands[:4], [100, 200, 300])).run()

        with pytest.raises(AssertionError):
            check(world)

    def test_forgetting_the_credits_of_an_order_that_came_back_is_caught(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mlc_common.posting.rules._wanted_again", lambda row, rows: False)
        scenario = next(s for s in SCENARIOS if s.name == "refunded, cancelled, back")
        world = World([(0, scenario.commands[:3]), (200, scenario.commands[3:])]).run()

        with pytest.raises(AssertionError):
            check(world, may_hold=scenario.may_hold)
