"""Named points at which a process can be made to die, for the crash tests (reliability R1). Does nothing otherwise.

``CRASH_AT=name`` in the environment kills the process with SIGKILL when it reaches that point; ``CRASH_AT=name:3`` at
the third time. ``POINTS`` is the closed list; tests go through all of it.
"""

from __future__ import annotations

import os
import signal

POINTS = (
    "ingest.after_publish",
    "poller.after_publish",
    "mapper.before_commit",
    "mapper.after_commit",
    "intake.before_commit",
    "intake.after_commit",
    "post.after_lease",
    "post.after_look",
    "post.after_intent",
    "post.after_create",
    "post.after_recount",
    "post.before_finalise",
    "post.after_finalise",
    "post.after_posted",
    "post.after_verified",
    "party.after_intent",
    "party.after_create",
    "outbox.after_publish",
)

_name, _, _count = os.environ.get("CRASH_AT", "").partition(":")
_left = [int(_count or 1)]


def point(name: str) -> None:
    """Die here if the environment says so."""
    if name != _name:
        return
    _left[0] -= 1
    if _left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
