"""What will be done in one run, decided beforehand from one seed: the shopper's acts, the faults, and their order.

Nothing here looks at a clock or at the system, so the same seed is the same schedule for ever, and a schedule that was
written down runs again as it was. How long a fault lasts is part of it: in steps, and at least so many seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

from chaos.faults import ERP_FAULTS, SHOP_FAULTS
from chaos.stories import STORIES, Story

POINTS = {
    "ingest": ("ingest.after_publish",),
    "poller": ("poller.after_publish",),
    "mapper": (
        *("mapper.before_commit", "mapper.after_commit", "outbox.after_publish", "control.before_commit"),
        *("replay.after_selecting", "replay.after_folding", "replay.before_commit", "replay.after_commit"),
        "replay.after_completion",
    ),
    "poster-deltek": (
        *("intake.before_commit", "intake.after_commit", "post.after_lease", "post.after_look", "post.after_intent"),
        *("post.before_send", "post.after_create", "post.after_recount", "post.before_finalise", "post.before_release"),
        *("post.after_finalise", "post.after_posted", "post.after_verified", "outbox.after_publish"),
    ),
}

_OFTEN = {point for points in POINTS.values() for point in points} - {
    *("control.before_commit", "replay.after_selecting", "replay.after_folding", "replay.after_completion")
}
"""Points that are passed for each order or document, and not once for a whole replay."""


@dataclass(frozen=True)
class World:
    """How the run's world is made: how many processes of a part, what the outside systems are like."""

    mappers: int = 1
    posters: int = 1
    duplicate_guard: Literal["always", "unposted"] = "always"
    delivery_concurrency: int = 1
    after_posting: Literal["adjust", "hold"] = "adjust"

    @property
    def parts(self) -> list[str]:
        """The processes that run; ``mapper:2`` is a second one of that part."""
        mappers = [f"mapper:{number}" if number > 1 else "mapper" for number in range(1, self.mappers + 1)]
        posters = [
            f"poster-deltek:{number}" if number > 1 else "poster-deltek" for number in range(1, self.posters + 1)
        ]
        return ["ingest", "poller", "auditor", *mappers, *posters]


@dataclass(frozen=True)
class Step:
    """One thing that is done; ``pause_s`` is waited after it."""

    act: str
    what: dict[str, Any] = field(default_factory=dict)
    pause_s: float = 0.0


@dataclass(frozen=True)
class Schedule:
    """One run."""

    seed: int
    orders: int
    world: World
    steps: tuple[Step, ...]

    def dump(self) -> str:
        """As JSON, to be run again."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False)

    @classmethod
    def load(cls, path: Path) -> Schedule:
        """Read what ``dump`` wrote.

        Raises:
            ValueError: it is something else.
        """
        found = json.loads(path.read_text(encoding="utf-8"))
        try:
            steps = tuple(Step(**step) for step in found["steps"])
            return cls(found["seed"], found["orders"], World(**found["world"]), steps)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path} is no schedule that `make chaos` wrote: {error}") from None


def plan(seed: int, orders: int) -> Schedule:
    """The schedule of a seed."""
    chance = Random(f"chaos {seed} {orders}")
    world = World(
        mappers=chance.choice((1, 1, 2)),
        posters=chance.choice((1, 2, 2)),
        duplicate_guard=chance.choice(("always", "always", "unposted")),
        delivery_concurrency=chance.choice((1, 1, 4)),
        after_posting=chance.choice(("adjust", "adjust", "hold")),
    )
    placed = [*_shopping(chance, orders), *_trouble(chance, orders, world)]
    steps = tuple(step for _, step in sorted(placed, key=lambda pair: pair[0]))
    return Schedule(seed, orders, world, steps)


Placed = tuple[float, Step]


def _shopping(chance: Random, orders: int) -> Iterator[Placed]:
    """Every order's story: bought at its number, the rest of the story some orders later."""
    stories = list(STORIES)
    for number in range(orders):
        story: Story = chance.choices(stories, [each.weight for each in stories])[0]
        at = float(number)
        for act, what in story.tell(chance):
            yield at, Step(act, {"order": number, **what}, chance.choice((0.0, 0.0, 0.03, 0.1, 0.3)))
            at += chance.choice((0.0, 0.3, 1.0, 4.0)) * chance.random() + 1e-6


def _trouble(chance: Random, orders: int, world: World) -> Iterator[Placed]:
    """About one fault for two orders, and each server restarted in some of the runs."""
    for _ in range(max(5, orders // 2)):
        at = chance.uniform(0.2, orders + 1)
        kind = chance.choices(list(_KINDS), [weight for weight, _ in _KINDS.values()])[0]
        yield from _KINDS[kind][1](chance, at, world)


def _kill(chance: Random, at: float, world: World) -> Iterator[Placed]:
    yield at, Step("kill", {"part": chance.choice(world.parts)})


def _freeze(chance: Random, at: float, world: World) -> Iterator[Placed]:
    part, seconds = chance.choice(world.parts), round(chance.choice((0.3, 1.0, 2.5, 4.5)), 1)
    yield at, Step("freeze", {"part": part})
    yield at + chance.uniform(0.5, 5), Step("thaw", {"part": part, "after_s": seconds})


def _arm(chance: Random, at: float, world: World) -> Iterator[Placed]:
    """Restart a part so that it dies or stands still at a named point."""
    part = chance.choice([part for part in world.parts if part.partition(":")[0] in POINTS])
    point = chance.choice(POINTS[part.partition(":")[0]])
    replays = point.startswith(("replay.", "control."))
    time = chance.choice((1, 1, 2, 3)) if point in _OFTEN else 1
    freezes = chance.random() < 0.5
    yield at, Step("arm", {"part": part, "point": f"{point}:{time}", "how": "FREEZE_AT" if freezes else "CRASH_AT"})
    if replays:  # else it would seldom come by there
        yield at + chance.uniform(0.01, 1.5), Step("replay")
    if freezes:
        yield at + chance.uniform(2, 8), Step("thaw", {"part": part, "after_s": chance.choice((1.0, 4.5))})


def _erp(chance: Random, at: float, _: World) -> Iterator[Placed]:
    yield at, Step("fault", {"where": "erp", "fault": chance.choice(ERP_FAULTS)(chance)})


def _shop(chance: Random, at: float, _: World) -> Iterator[Placed]:
    yield at, Step("fault", {"where": "shop", "fault": chance.choice(SHOP_FAULTS)(chance)})


def _webhooks(chance: Random, at: float, _: World) -> Iterator[Placed]:
    act = chance.choice(("drop", "duplicate", "late", "resend", "resend", "tamper", "tamper", "disable"))
    if act == "late":  # kept back, and delivered in another order
        yield at, Step("hold webhooks")
        order = {"order": chance.choice(("reverse", "shuffle")), "seed": chance.randrange(1000)}
        yield at + chance.uniform(0.5, 4), Step("deliver webhooks", order)
    elif act in ("drop", "duplicate"):
        yield at, Step("mischief", {"kind": act, "count": chance.randint(1, 3)})
    else:
        yield at, Step(act, {"which": chance.randrange(10_000) / 10_000})


def _broker(chance: Random, at: float, _: World) -> Iterator[Placed]:
    yield at, Step("broker", {"how": chance.choice(("kill", "kill", "restart"))})


def _database(chance: Random, at: float, _: World) -> Iterator[Placed]:
    yield at, Step("database", {"how": chance.choice(("fast", "immediate", "cut", "cut", "cut"))})


def _clock(chance: Random, at: float, _: World) -> Iterator[Placed]:
    seconds = chance.choice((40, 1700, 1900, 4000, 20_000))
    yield at, Step("clock", {"where": chance.choice(("shop", "erp")), "advance": seconds})


def _replay(_: Random, at: float, __: World) -> Iterator[Placed]:
    yield at, Step("replay")


_KINDS = {
    "kill": (5, _kill),
    "freeze": (4, _freeze),
    "arm": (5, _arm),
    "erp": (6, _erp),
    "shop": (3, _shop),
    "webhooks": (5, _webhooks),
    "broker": (0.5, _broker),
    "database": (1.5, _database),
    "clock": (1, _clock),
    "replay": (1, _replay),
}
