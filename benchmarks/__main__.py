"""`python -m benchmarks`: runs every measurement on real Kafka and PostgreSQL and prints a table, then JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import footprint, mapper, path
from benchmarks import ingest as gateway
from benchmarks.tenant import started, tenant
from mlc_localstack import LocalStack

_PARTS = ("ingest", "mapper", "poller", "poster-deltek")
_say = Console(stderr=True)


async def _all(folder: Path, orders: int, events: int, seconds: float) -> dict[str, Any]:
    async with LocalStack(folder / "stack") as stack:
        figures: dict[str, Any] = {}
        _say.print("ingest beside a bare app …")
        figures["ingest"] = await gateway.measure(stack.bootstrap_servers, seconds)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            place = Path(scratch)
            _say.print("mapper beside a bare consumer …")
            async with tenant(stack, place) as rig:
                figures["mapper"] = await mapper.measure(rig, events, first=1_000_000)
            _say.print("the path, each part a process …")
            async with tenant(stack, place) as rig:
                parts = await started(rig, *_PARTS)
                figures["path, parts apart"] = await path.measure(
                    rig, str(parts[0].told["ingest"]), orders, first=2_000_000
                )
                figures["memory, parts apart"] = [
                    footprint.row(name, part) for name, part in zip(_PARTS, parts, strict=True)
                ]
            _say.print("the path, all in one process …")
            async with tenant(stack, place) as rig:
                (everything,) = await started(rig, "all")
                idle = await footprint.idle_cpu_percent(everything, seconds)
                fresh = footprint.resident_mib(everything)
                figures["path, run all"] = await path.measure(
                    rig, str(everything.told["ingest"]), orders, first=3_000_000
                )
                figures["run all"] = {
                    "idle_cpu_percent": idle,
                    "resident_mib_idle": fresh,
                    "resident_mib_after_load": footprint.resident_mib(everything),
                }
        return figures


def _table(figures: Mapping[str, Any]) -> Table:
    table = Table("measurement", "figure", "value", title="ml-connector", title_justify="left")
    for name, found in figures.items():
        for index, each in enumerate(found if isinstance(found, list) else [found]):
            for key, value in each.items():
                table.add_row(
                    name if index == 0 else "", key, json.dumps(value) if isinstance(value, dict) else str(value)
                )
        table.add_section()
    return table


def main() -> int:
    """Measure, print, return 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=600, help="orders of the path measurement")
    parser.add_argument("--events", type=int, default=10_000, help="events of the mapper measurement")
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds of each load of the ingest measurement")
    given = parser.parse_args()
    figures = asyncio.run(_all(Path(".local/bench").resolve(), given.orders, given.events, given.seconds))
    Console(stderr=True).print(_table(figures))
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
