"""Named points at which a process can be made to die or to stand still, for the crash and chaos tests (R1, R16).

``CRASH_AT=name`` in the environment kills the process with SIGKILL when it reaches that point, ``CRASH_AT=name:3`` at
the third time; ``FREEZE_AT`` stops it with SIGSTOP in the same way, until somebody sends SIGCONT. Does nothing
otherwise. ``POINTS`` is the closed list; tests go through all of it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping

POINTS = (
    "ingest.after_publish",
    "poller.after_publish",
    "mapper.before_commit",
    "mapper.after_commit",
    "control.before_commit",
    "replay.after_selecting",
    "replay.after_folding",
    "replay.before_commit",
    "replay.after_commit",
    "replay.after_completion",
    "intake.before_commit",
    "intake.after_commit",
    "post.after_lease",
    "post.after_look",
    "post.after_intent",
    "post.before_send",
    "post.after_create",
    "post.after_recount",
    "post.before_finalise",
    "post.before_release",
    "post.after_finalise",
    "post.after_posted",
    "post.after_verified",
    "party.after_intent",
    "party.after_create",
    "outbox.after_publish",
)
"""``post.before_send`` and ``post.before_release`` lie behind every check of ours, right before a draft or a posting
leaves: what wakes up there sends, whoever has taken over meanwhile."""

_HOW = {"CRASH_AT": signal.SIGKILL, "FREEZE_AT": signal.SIGSTOP}
_armed: dict[str, list[tuple[signal.Signals, int]]] = {}
_passed: dict[str, int] = {}


def arm(environment: Mapping[str, str]) -> None:
    """Take the points from an environment, instead of those that were armed before."""
    _armed.clear()
    _passed.clear()
    for variable, number in _HOW.items():
        name, _, count = environment.get(variable, "").partition(":")
        if name:
            _armed.setdefault(name, []).append((number, int(count or 1)))


def point(name: str) -> None:
    """Die or stand still here if the environment says so."""
    if name not in _armed:
        return
    _passed[name] = _passed.get(name, 0) + 1
    for number, count in _armed[name]:
        if _passed[name] == count:
            os.kill(os.getpid(), number)


arm(os.environ)
