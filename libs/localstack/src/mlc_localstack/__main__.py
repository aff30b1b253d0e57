"""`python -m mlc_localstack`: the stack in the foreground, and what `make` needs of it.

Standard output carries results for programs, one JSON line; everything for people goes to standard error. Ctrl-C and
SIGTERM end the stack in order; a SIGKILL ends it too (see `processes`).
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from types import FrameType
from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from mlc_localstack import ahead_of_time
from mlc_localstack.errors import StackError
from mlc_localstack.jars import fetch_jars, write_lock
from mlc_localstack.kafka import KafkaServer, class_path
from mlc_localstack.stack import LocalStack

DEFAULT_DATA = Path(".local/stack")


class Display:
    """One line per part on standard error: live on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._lock = Lock()
        self._lines: dict[str, TaskID] = {}
        self._said: dict[str, str] = {}
        self._progress = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.fields[part]:<9}"),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=self._console,
        )

    def report(self, part: str, what: str) -> None:
        """Show what a part is doing now."""
        with self._lock:
            if self._console.is_terminal:
                self._show(part, what)
            elif self._said.get(part) != (first := what.split(maxsplit=1)[0]):
                # In a log, one line per kind of step is enough: not one for each jar.
                self._said[part] = first
                self._console.print(f"{part}: {what}", highlight=False)

    def _show(self, part: str, what: str) -> None:
        if part not in self._lines:
            self._lines[part] = self._progress.add_task(what, total=None, part=part)
        done = 1 if what.startswith("ready") else None
        self._progress.update(self._lines[part], description=what, total=done, completed=done)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def up(data: Path) -> None:
    """Run the stack until it is told to end; prints its addresses as one JSON line once both answer."""
    # A shell that starts us in the background has SIGINT ignored; whoever sends one means it.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, _interrupt)
    display = Display()
    stack = LocalStack(data, report=display.report)
    try:
        with display:
            stack.start()
        print(json.dumps(stack.environment), flush=True)
        while True:
            time.sleep(0.5)
            stack.check()
    except KeyboardInterrupt:
        print("stopping Kafka and PostgreSQL", file=sys.stderr)
    finally:
        # A second, impatient Ctrl-C must not leave half of it running.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        stack.stop()


def fetch() -> None:
    """Fetch Kafka's jars into the cache, and let it start fast from now on, showing how far it is."""
    with Display() as display:
        display.report("kafka", "looking for its jars")
        jars = fetch_jars(lambda have, want: display.report("kafka", f"jars {have}/{want}"))
        display.report("kafka", "preparing its classes, once")
        ahead = "prepared"
        try:
            ahead_of_time.make(class_path(jars), _run_once)
        except (StackError, OSError, subprocess.TimeoutExpired) as error:
            ahead = f"not prepared, it starts slower ({error})"
        display.report("kafka", f"ready: {len(jars)} jars checked, classes {ahead}")


def _run_once(folder: Path, java_options: Sequence[str]) -> None:
    with KafkaServer(folder, java_options=java_options):
        pass


def clean(data: Path) -> None:
    """Delete the stack's data, and what root's PostgreSQL keeps outside of the checkout."""
    LocalStack(data, environment={}).destroy()
    shutil.rmtree(data, ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0 if all went well, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m mlc_localstack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="run Kafka and PostgreSQL in the foreground, until Ctrl-C")
    start.add_argument("--data", type=Path, default=DEFAULT_DATA, help="where the data is kept (%(default)s)")
    erase = commands.add_parser("clean", help="delete the data of a stack that is not running")
    erase.add_argument("--data", type=Path, default=DEFAULT_DATA, help="where the data is (%(default)s)")
    commands.add_parser("fetch", help="fetch Kafka's jars and prepare its classes")
    commands.add_parser("lock", help="resolve Kafka's jars anew and write their list (for maintainers)")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "up":
            up(chosen.data)
        elif chosen.command == "clean":
            clean(chosen.data)
        elif chosen.command == "fetch":
            fetch()
        else:
            print(f"{write_lock()} jars locked", file=sys.stderr)
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
