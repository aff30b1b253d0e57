"""Dates as the tenant keeps and shows them: local, no zone, blank as an empty string (facts sheet §6).

A tenant may show them in other forms, which readers must take; it must never move a date across midnight.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from mlc_sandbox.deltek.refusals import Refusal

Style = Literal["millis", "seconds", "date", "zulu", "offset"]
_TAILS: dict[str, str] = {"seconds": "", "zulu": "Z", "offset": "+00:00"}


def parse(text: str) -> datetime | None:
    """Read any accepted form as a zone-less local time; None for a blank one.

    Raises:
        Refusal: the text is no date.
    """
    if not text.strip():
        return None
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=None)
    except ValueError:
        raise Refusal("String was not recognized as a valid DateTime.", detail=text[:40]) from None


def show(moment: datetime | date | None, style: Style = "millis") -> str:
    """Write a moment in the tenant's form; blank for None."""
    if moment is None:
        return ""
    at = moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001 - zone-less by the vendor's rule
    if style == "millis":
        return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}"
    if style == "date" and (at.hour, at.minute, at.second) == (0, 0, 0):
        return at.strftime("%Y-%m-%d")
    return at.strftime("%Y-%m-%dT%H:%M:%S") + _TAILS.get(style, "")
