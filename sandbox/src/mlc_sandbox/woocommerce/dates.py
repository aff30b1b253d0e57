"""WordPress dates: site-local and UTC stamps without a zone, whole seconds, and the date filters' four readings.

Facts sheet §4. Instants inside the sandbox are aware UTC datetimes without microseconds; only text is ever local.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

STAMP = re.compile(r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?P<zone>[Zz]|[+-]\d{2}(?::?\d{2})?)?$")


def local(instant: datetime | None, zone: ZoneInfo) -> str | None:
    """The wall time of the store, without a zone."""
    return None if instant is None else instant.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S")


def gmt(instant: datetime | None) -> str | None:
    """The UTC time, without a zone."""
    return None if instant is None else instant.strftime("%Y-%m-%dT%H:%M:%S")


def is_stamp(text: str) -> bool:
    """Whether a date filter accepts it: an ISO 8601 date with a time."""
    try:
        _parsed(text)
    except ValueError:
        return False
    return True


def filter_instant(text: str, zone: ZoneInfo, *, are_gmt: bool) -> datetime:
    """The instant that a date filter means.

    Args:
        text: What the client sent.
        zone: The store's.
        are_gmt: ``dates_are_gmt``. With it a stamp that carries a zone is turned into local wall time and then taken
            for UTC: off by the store's offset, as in the real thing.
    """
    stamp = _parsed(text)
    if not are_gmt:
        return (stamp if stamp.tzinfo else stamp.replace(tzinfo=zone)).astimezone(UTC)
    wall = stamp.astimezone(zone).replace(tzinfo=None) if stamp.tzinfo else stamp
    return wall.replace(tzinfo=UTC)


def written_instant(text: str | None, zone: ZoneInfo | None) -> datetime | None:
    """The instant of a date in a request's body; ``zone`` None = it is UTC; empty = none."""
    if not text:
        return None
    stamp = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if stamp.tzinfo is None:
        stamp = stamp.replace(tzinfo=zone or UTC)
    return stamp.astimezone(UTC).replace(microsecond=0)


def _parsed(text: str) -> datetime:
    if not STAMP.match(text):
        raise ValueError("Invalid date.")
    return datetime.fromisoformat(text.upper().replace("Z", "+00:00")).replace(microsecond=0)
