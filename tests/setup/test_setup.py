"""What a newcomer's machine lacks is named with the command that installs it; the locks name no download address."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ["requirements.lock", "scripts/bootstrap.lock", "libs/localstack/src/mlc_localstack/kafka-jars.lock"]


@pytest.fixture
def setup() -> ModuleType:
    spec = importlib.util.spec_from_file_location("setup_of_the_project", ROOT / "scripts" / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def find_python(path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{path}:/usr/bin:/bin", **variables}
    return subprocess.run(
        ["/bin/sh", str(ROOT / "scripts" / "find-python")], env=environment, capture_output=True, text=True, check=False
    )


def fake_python(folder: Path, name: str, *, new_enough: bool) -> Path:
    program = folder / name
    answer = "exit 0" if new_enough else '[ "$1" = --version ] && echo "Python 3.9.2"; exit 1'
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o755)
    return program


def test_an_old_python3_is_passed_over_for_a_newer_one_beside_it(tmp_path: Path) -> None:
    fake_python(tmp_path, "python3", new_enough=False)
    newer = fake_python(tmp_path, "python3.12", new_enough=True)
    fake_python(tmp_path, "python3.13", new_enough=False)
    assert find_python(tmp_path).stdout.strip() == str(newer)


def test_the_python_that_was_asked_for_is_used_or_refused(tmp_path: Path) -> None:
    chosen = fake_python(tmp_path, "chosen", new_enough=True)
    assert find_python(tmp_path, PYTHON=str(chosen)).stdout.strip() == str(chosen)
    old = fake_python(tmp_path, "old", new_enough=False)
    refused = find_python(tmp_path, PYTHON=str(old))
    assert refused.returncode == 1
    assert "Python 3.11 or newer is needed; found: Python 3.9.2" in refused.stderr
    assert "apt install python3 python3-venv" in refused.stderr


@pytest.mark.parametrize(("uid", "command"), [(0, "\n    apt install python3-venv\n"), (1000, "sudo apt install")])
def test_a_python_without_venv_is_told_the_package_that_brings_it(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch, uid: int, command: str
) -> None:
    def only_the_rest(name: str) -> ModuleSpec | None:
        return None if name == "ensurepip" else ModuleSpec(name, None)

    monkeypatch.setattr(importlib.util, "find_spec", only_the_rest)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    with pytest.raises(setup.SetupError, match="has no venv") as caught:
        setup.check_python()
    assert command in str(caught.value)


def test_a_failed_step_shows_the_command_so_that_it_can_be_tried_by_hand(setup: ModuleType) -> None:
    with pytest.raises(setup.SetupError, match=r"it broke \(see above\)") as caught:
        setup.run([sys.executable, "-c", "raise SystemExit(3)"], "it broke")
    assert "raise SystemExit(3)" in str(caught.value)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_a_hash_for_everything_and_no_download_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    entries = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert entries
    assert "://" not in text
    assert text.count("sha256:") >= len(entries)
