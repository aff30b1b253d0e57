"""Installs what the project needs into the checkout: uv, the locked packages, our members, Kafka's jars.

Run by `make` with any Python from 3.11 on; uses the standard library alone, because nothing else is there yet. Every
package is held to a hash: uv by scripts/bootstrap.lock, the rest by requirements.lock. Touches nothing outside of the
checkout but the download caches of uv and jgo. Safe to run again, and after having been cut short.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOOTSTRAP = ROOT / ".local" / "bootstrap"
ENVIRONMENT = ROOT / ".venv"
UV = BOOTSTRAP / "bin" / "uv"
MEMBERS = ("libs/*", "services/*", "sandbox")


class SetupError(Exception):
    """A step failed; the message says what to do."""


def main() -> int:
    """Run all steps, saying which; 0 if all went well."""
    steps: list[tuple[str, Callable[[], None]]] = [
        ("Checking this Python", check_python),
        ("Installing uv", install_uv),
        ("Creating the environment .venv", create_environment),
        ("Installing the locked packages", install_packages),
        ("Installing the members of this workspace", install_members),
        ("Fetching Kafka's jars, preparing its classes", fetch_jars),
    ]
    for number, (title, step) in enumerate(steps, start=1):
        print(f"[{number}/{len(steps)}] {title}", flush=True)
        try:
            step()
        except SetupError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("interrupted; run the same command again to go on", file=sys.stderr)
            return 130
    return 0


def check_python() -> None:
    """Name what a bare Debian leaves out of Python, with the command that installs it."""
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        root = "" if os.geteuid() == 0 else "sudo "
        exact = f"python3.{sys.version_info.minor}-venv"
        raise SetupError(
            f"this Python has no venv. Install it with\n\n    {root}apt install python3-venv\n\n"
            f"({root}apt install {exact} if this Python is not the system's own), then run the same command again."
        )
    print(f"      Python {sys.version.split()[0]} at {sys.executable}")


def install_uv() -> None:
    """uv itself, the version and hash of scripts/bootstrap.lock, in an environment of its own."""
    lock = ROOT / "scripts" / "bootstrap.lock"
    wanted = next(line.split()[0] for line in lock.read_text().splitlines() if line.startswith("uv=="))
    if uv_version() == wanted:
        print(f"      {wanted} is here")
        return
    # One that was cut short, or that belongs to a Python which is gone, is not worth mending.
    shutil.rmtree(BOOTSTRAP, ignore_errors=True)
    run([sys.executable, "-m", "venv", str(BOOTSTRAP)], "the bootstrap environment could not be created")
    pip = [str(BOOTSTRAP / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run([*pip, "--require-hashes", "-r", str(lock)], "uv could not be installed; check the network or your proxy")
    print(f"      {wanted} installed")


def uv_version() -> str | None:
    """What is installed, as a requirement; None if uv is missing or does not run."""
    try:
        answer = subprocess.run([UV, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"uv=={answer.split()[1]}"


def create_environment() -> None:
    """The project's environment, of this Python; made anew where that one is gone."""
    python = ENVIRONMENT / "bin" / "python"
    check = [str(python), "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    if python.exists() and subprocess.run(check, check=False).returncode == 0:
        print("      it is here")
        return
    run([str(UV), "venv", "--clear", "--python", sys.executable, str(ENVIRONMENT)], ".venv could not be created")


def install_packages() -> None:
    """Exactly the packages of requirements.lock; uv shows how far it is."""
    uv_pip(["sync", "--require-hashes", "requirements.lock"], "the packages could not be installed")


def install_members() -> None:
    """Our own packages, editable, built by the hatchling of the lock."""
    members = sorted(path.parent for pattern in MEMBERS for path in ROOT.glob(f"{pattern}/pyproject.toml"))
    editable = [argument for member in members for argument in ("-e", str(member))]
    uv_pip(["install", "--no-deps", "--no-build-isolation", *editable], "the members could not be installed")


def fetch_jars() -> None:
    """Kafka's jars into jgo's cache, each held to its checksum; its classes into a file that lets it start fast."""
    run([str(ENVIRONMENT / "bin" / "python"), "-m", "mlc_localstack", "fetch"], "Kafka's jars could not be fetched")


def uv_pip(arguments: list[str], failure: str) -> None:
    """Run `uv pip` on the project's environment."""
    command, *rest = arguments
    run([str(UV), "pip", command, "--python", str(ENVIRONMENT / "bin" / "python"), *rest], failure)


def run(command: list[str], failure: str) -> None:
    """Run a command that shows its own progress; SetupError if it fails."""
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    # It would make uv and pip work on another environment than the one named here.
    environment.pop("VIRTUAL_ENV", None)
    if subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False).returncode:
        raise SetupError(f"{failure} (see above). The command was\n    {shlex.join(command)}")


if __name__ == "__main__":
    sys.exit(main())
