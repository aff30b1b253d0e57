"""One run: a tenant, its schedule, everything healed, everything at rest, the verdict."""

from __future__ import annotations

import json
import shutil
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from chaos.crew import Crew
from chaos.deeds import Deeds
from chaos.model import verdict
from chaos.processes import ForgedRehearsal
from chaos.rest import NotAtRest, Quiet
from chaos.schedule import Schedule, World
from chaos.stand import Stand, mapping_of, tenant
from mlc_cli.rehearsal import RehearsalError
from mlc_common.store import holds
from mlc_common.store.pool import connect

_REST_S, _REST_PER_ORDER_S = 90.0, 0.5


@dataclass(frozen=True)
class Result:
    """What one run came to.

    Attributes:
        wrong: Everything that must not be; empty = the run passed.
        counts: What was done.
        seconds: How long its phases took.
        holds: What is held, by its reason.
        waits: What kept it from coming to rest, in tenths of seconds.
    """

    seed: int
    orders: int
    documents: int
    wrong: tuple[str, ...]
    counts: Counter[str]
    seconds: dict[str, float]
    folder: Path
    holds: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong


async def run(
    stand: Stand, schedule: Schedule, folder: Path, *, tell: Callable[[str], None] = lambda _: None
) -> Result:
    """Carry a schedule out; where that breaks, the run has failed and says why.

    Args:
        stand: The servers.
        schedule: What is done.
        folder: A folder that does not exist yet; it is removed when the run passed.
        tell: Called with what is going on.
    """
    try:
        return await _run(stand, schedule, folder, tell)
    except Exception as error:  # a defect of this harness, too, must not hide what the other seeds would find
        wrong = f"the run itself broke: {''.join(traceback.format_exception(error))}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "wrong.txt").write_text(wrong, encoding="utf-8")
        return Result(schedule.seed, 0, 0, (wrong,), Counter(), {}, folder)


async def _run(stand: Stand, schedule: Schedule, folder: Path, tell: Callable[[str], None]) -> Result:
    began = time.monotonic()
    counts: Counter[str] = Counter()
    seconds: dict[str, float] = {}

    def lap(name: str) -> None:
        seconds[name] = round(time.monotonic() - began - sum(seconds.values()), 1)

    async with tenant(stand, folder, schedule.world) as rig:
        (folder / "schedule.json").write_text(schedule.dump(), encoding="utf-8")
        crew = Crew(rig, schedule.world.parts, counts)
        try:
            tell("starting")
            await crew.start()
            lap("starting")
            deeds = Deeds(stand, rig, crew)
            for number, step in enumerate(schedule.steps):
                crew.check()
                tell(f"step {number + 1} of {len(schedule.steps)}")
                await deeds.do(step)
            lap("shopping")
            tell("coming to rest")
            await deeds.heal()
            unrest, waits = await _rest(rig, crew, schedule.orders)
            wrong = [*deeds.wrong, *unrest, *crew.exits]
            lap("coming to rest")
            found, documents, held = await _judged(rig, deeds, schedule.world)
            lap("judging")
        finally:
            await crew.stop()
    if wrong or found:
        (folder / "wrong.txt").write_text("\n\n".join((*wrong, *found)) + "\n", encoding="utf-8")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return Result(
        schedule.seed,
        len(deeds.diary.ids),
        documents,
        (*wrong, *found),
        counts,
        seconds,
        folder,
        held,
        waits,
    )


async def _rest(rig: ForgedRehearsal, crew: Crew, orders: int) -> tuple[list[str], Counter[str]]:
    try:
        return [], await Quiet.wait(rig, crew, within_s=_REST_S + _REST_PER_ORDER_S * orders)
    except NotAtRest as why:
        await crew.tell_tasks()
        return [f"it does not come to rest: {why}"], Counter()


async def _judged(rig: ForgedRehearsal, deeds: Deeds, world: World) -> tuple[list[str], int, Counter[str]]:
    shop, erp = await rig.shop_truth(), await rig.erp_truth()
    (rig.folder / "shop.json").write_text(_text(shop), encoding="utf-8")
    (rig.folder / "erp.json").write_text(_text(erp), encoding="utf-8")
    pool = await connect(rig.environment["DATABASE_URL"], application="chaos", most=1)
    try:
        held = [(int(one.order_key.rpartition(":")[2]), one.reason) for one in await holds.held(pool)]
    finally:
        await pool.close()
    wrong = verdict(shop, erp, held, deeds.diary, yaml.safe_load(mapping_of(world)))
    wrong += await _proved(rig)
    return wrong, len({row["Batch"] for row in erp["ledger"]}), Counter(reason for _, reason in held)


async def _proved(rig: ForgedRehearsal) -> list[str]:
    """Whether chain and log are whole, by the command that an auditor uses."""
    try:
        await rig.mlc("audit", "verify")
    except RehearsalError as error:
        return [f"the audit chain is not whole: {error}"]
    return []


def _text(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
