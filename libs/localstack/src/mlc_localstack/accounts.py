"""Who runs PostgreSQL, and from where: it refuses to run as root, so root hands it to an account without rights.

A plain user runs it as himself. Root runs it as `nobody`, which must be able to reach the program and the data. Where
it cannot (a checkout under /root), both are placed under /var/tmp instead: nobody's permissions on existing folders
are ever widened.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
from pathlib import Path

from mlc_localstack.errors import StackError
from mlc_localstack.processes import Account

UNPRIVILEGED = "nobody"
RELOCATED = Path("/var/tmp/ml-connector")


def postgres_account() -> Account | None:
    """The account to run PostgreSQL as; None where we may run it ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError as error:
        raise StackError(
            f"PostgreSQL does not run as root and there is no account `{UNPRIVILEGED}` to run it as: "
            "run this as a plain user"
        ) from error
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def reachable(path: Path, account: Account) -> bool:
    """Whether the account can enter every folder from the root down to `path` (or to the part of it that exists)."""
    path = path.resolve()
    return all(_may_enter(folder.stat(), account) for folder in [path, *path.parents] if folder.is_dir())


def _may_enter(folder: os.stat_result, account: Account) -> bool:
    if folder.st_uid == account.uid:
        return bool(folder.st_mode & stat.S_IXUSR)
    if folder.st_gid == account.gid:
        return bool(folder.st_mode & stat.S_IXGRP)
    return bool(folder.st_mode & stat.S_IXOTH)


def place_data(directory: Path, account: Account | None) -> Path:
    """Where the data of `directory` really goes: there, or under /var/tmp where the account cannot reach it."""
    directory = directory.resolve()
    if account is None or reachable(directory.parent, account):
        return directory
    name = hashlib.sha256(str(directory).encode()).hexdigest()[:16]
    return _own_folder(RELOCATED) / name


def place_program(installation: Path, account: Account | None) -> Path:
    """The PostgreSQL installation that the account can run: the given one, or a copy of it under /var/tmp."""
    if account is None or reachable(installation / "bin", account):
        return installation
    # The version is part of the name, so that an upgraded wheel is copied anew.
    stamp = hashlib.sha256(str((installation / "bin" / "postgres").stat()[6:9]).encode()).hexdigest()[:16]
    copy = _own_folder(RELOCATED) / f"postgres-{stamp}"
    if not copy.exists():
        unfinished = copy.with_suffix(f".{os.getpid()}")
        shutil.copytree(installation, unfinished, symlinks=True)
        for folder, _, _ in os.walk(unfinished):
            Path(folder).chmod(0o755)
        try:
            unfinished.rename(copy)
        except OSError:
            # Another process was faster; its copy is as good.
            shutil.rmtree(unfinished)
    return copy


def give(path: Path, account: Account | None) -> None:
    """Make the account the owner of `path` and close it to everybody else."""
    path.chmod(0o700 if path.is_dir() else 0o600)
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _own_folder(path: Path) -> Path:
    """A folder in a place where everybody may write: ours already, or made now; anything else is refused."""
    path.mkdir(mode=0o755, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise StackError(f"{path} is not a folder of the current user: remove it and try again")
    path.chmod(0o755)
    return path
