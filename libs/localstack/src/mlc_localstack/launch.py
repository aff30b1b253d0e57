"""Started as a script: becomes the command it is given, tied to the life of the process that started it.

Runs between fork and exec so that no Python has to run inside a forked thread (`preexec_fn` is unsafe there, and Python
3.12 warns). Imports nothing of ours: it is executed by path, with the site directory switched off.

Usage: launch.py PARENT_PID DEATH_SIGNAL UID GID COMMAND [ARGUMENT ...]; UID and GID are "-" to stay who we are.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def become(uid: str, gid: str) -> None:
    """Give up root for another account; does nothing where both are "-"."""
    if uid == "-":
        return
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))


def die_with_parent(parent_pid: int, death_signal: int) -> None:
    """Ask Linux to signal us when the parent ends; elsewhere the next start ends what is left."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    # The parent may have ended before the request was made; then nobody would ever stop us.
    if os.getppid() != parent_pid:
        sys.exit(1)


def main(arguments: list[str]) -> None:
    """Take on the identity, tie the life, become the command."""
    parent_pid, death_signal, uid, gid, *command = arguments
    # A change of identity clears the death signal, so it comes first.
    become(uid, gid)
    die_with_parent(int(parent_pid), int(death_signal))
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
