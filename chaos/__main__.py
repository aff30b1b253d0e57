"""`python -m chaos`: run seeds one after the other and say what came of them; exit status 1 where one failed."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from chaos.report import Report
from chaos.run import Result, run
from chaos.schedule import Schedule, plan
from chaos.stand import standing

_say = Console(stderr=True, highlight=False, soft_wrap=True)

_LONG_S = 15.0


def main() -> int:
    """Run and report."""
    logging.getLogger().addHandler(logging.NullHandler())  # what clients say of brokers that are away is no news here
    given = _arguments()
    report = asyncio.run(_all(given))
    report.show(_say)
    sys.stdout.write(json.dumps(report.as_json(), indent=1) + "\n")
    return 0 if report.passed else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--runs", type=int, default=1, help="how many seeds, one after the other (default 1)")
    parser.add_argument("--orders", type=int, default=20, help="orders of each run (default 20)")
    parser.add_argument("--schedule", type=Path, help="run this schedule again, as a failed run has left it")
    parser.add_argument("--dump", action="store_true", help="only print the schedule of the seed")
    parser.add_argument("--folder", type=Path, default=Path(".local/chaos"), help="where data and logs go")
    parser.add_argument("--keep-going", action="store_true", help="run all seeds, also after one has failed")
    return parser.parse_args()


async def _all(given: argparse.Namespace) -> Report:
    schedules = _schedules(given)
    report = Report()
    folder = given.folder.resolve()
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: task.cancel() if task else None)
    try:
        await _one_after_the_other(schedules, report, folder, keep_going=given.keep_going)
    except asyncio.CancelledError:  # what was found so far counts
        _say.print("Stopped.")
    return report


async def _one_after_the_other(
    schedules: Sequence[Schedule], report: Report, folder: Path, *, keep_going: bool
) -> None:
    async with standing(folder) as stand:
        with _say.status("starting") as status:
            for number, schedule in enumerate(schedules, start=1):
                place = folder / "runs" / f"seed-{schedule.seed}-{report.stamp}"

                def tell(what: str, number: int = number, seed: int = schedule.seed) -> None:
                    status.update(f"run {number} of {len(schedules)}, seed {seed}: {what}")

                result = await run(stand, schedule, place, tell=tell)
                report.add(result)
                _tell(result)
                if not result.passed and not keep_going:
                    break


def _schedules(given: argparse.Namespace) -> list[Schedule]:
    if given.schedule:
        return [Schedule.load(given.schedule)]
    schedules = [plan(given.seed + number, given.orders) for number in range(given.runs)]
    if given.dump:
        sys.stdout.write(schedules[0].dump() + "\n")
        raise SystemExit(0)
    return schedules


def _tell(result: Result) -> None:
    came = "[green]passed[/green]" if result.passed else "[red]FAILED[/red]"
    seconds = ", ".join(f"{phase} {lap:.1f} s" for phase, lap in result.seconds.items())
    _say.print(f"seed {result.seed}: {came}, {result.orders} orders, {result.documents} documents; {seconds}")
    if result.seconds.get("coming to rest", 0.0) > _LONG_S:
        slow = ", ".join(f"{why} ({tenths / 10:.1f} s)" for why, tenths in result.waits.most_common(3))
        _say.print(f"  waited for: {slow}", markup=False, style="dim")
    for wrong in result.wrong:
        _say.print(f"  {wrong}", markup=False)
    if not result.passed:
        _say.print(f"  logs and tables: {result.folder}; again: make chaos SCHEDULE={result.folder / 'schedule.json'}")


if __name__ == "__main__":
    sys.exit(main())
