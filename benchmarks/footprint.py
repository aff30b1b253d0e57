"""Memory of each service and of `run all`, and what `run all` costs when nothing happens."""

from __future__ import annotations

import asyncio
from typing import Any

import psutil

from mlc_cli.rehearsal import Process

_MIB = 1024 * 1024


def resident_mib(process: Process) -> float:
    """Resident memory of a process and its children, in MiB."""
    tree = psutil.Process(process.pid)
    return round(sum(each.memory_info().rss for each in [tree, *tree.children(recursive=True)]) / _MIB, 1)


async def idle_cpu_percent(process: Process, seconds: float) -> float:
    """CPU of one core that a process takes while nothing happens, in percent."""
    tree = psutil.Process(process.pid)
    before = _seconds(tree)
    await asyncio.sleep(seconds)
    return round(100 * (_seconds(tree) - before) / seconds, 2)


def _seconds(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)


def row(name: str, process: Process) -> dict[str, Any]:
    """One line of the table."""
    return {"part": name, "resident_mib": resident_mib(process)}
