"""`python -m chaos`: run seeds one after the other and say what came of them; exit status 1 where one failed."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from rich.console import Console

from chaos.report import Report
from chaos.run import Result, run
from chaos.schedule import Schedule, plan
from chaos.stand import standing

_say = Console(stderr=True, highlight=False, soft_wrap=True)


def main() -> int:
    """Run and report."""
    given = _arguments()
    try:
        report = asyncio.run(_all(given))
    except KeyboardInterrupt:
        _say.print("Stopped.")
        return 130
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
    async with standing(folder) as stand:
        with _say.status("starting") as status:
            for number, schedule in enumerate(schedules, start=1):
                place = folder / "runs" / f"seed-{schedule.seed}-{report.stamp}"

                def tell(what: str, number: int = number, seed: int = schedule.seed) -> None:
                    status.update(f"run {number} of {len(schedules)}, seed {seed}: {what}")

                result = await run(stand, schedule, place, tell=tell)
                report.add(result)
                _tell(result)
                if not result.passed and not given.keep_going:
                    break
    return report


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
    for wrong in result.wrong:
        _say.print(f"  {wrong}", markup=False)
    if not result.passed:
        _say.print(f"  logs and tables: {result.folder}; again: make chaos SCHEDULE={result.folder / 'schedule.json'}")


if __name__ == "__main__":
    sys.exit(main())
