"""How long a server asks us to wait, read from the headers that servers really send.

``Retry-After`` (RFC 9110: seconds or a date), BigCommerce's ``X-Rate-Limit-*-Ms`` pair, and the
``RateLimit-Remaining``/``-Reset`` pair with or without ``X-`` (reset as seconds from now or as an epoch).
Anything unreadable counts as not said.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

_EPOCH_FROM = 1_000_000_000  # a reset larger than this is an instant, not a duration
_PAIRS = (
    ("x-rate-limit-requests-left", "x-rate-limit-time-reset-ms", 0.001),
    ("ratelimit-remaining", "ratelimit-reset", 1.0),
    ("x-ratelimit-remaining", "x-ratelimit-reset", 1.0),
)


def asked_pause(status: int, headers: httpx.Headers, now: datetime) -> float | None:
    """Seconds the server wants us to stay silent, or None where it does not say.

    A remaining budget of zero counts on every answer; ``Retry-After`` only on refusals (429 and 5xx: elsewhere, as on
    redirects and 202, it means something else).
    """
    if status == 429 or status >= 500:
        said = _retry_after(headers.get("retry-after"), now)
        if said is not None:
            return said
    for remaining, reset, scale in _PAIRS:
        left, until = _number(headers.get(remaining)), _number(headers.get(reset))
        if left is not None and until is not None and left <= 0:
            return _from_now(until, scale, now)
    return None


def _retry_after(text: str | None, now: datetime) -> float | None:
    seconds = _number(text)
    if seconds is not None:
        return max(0.0, seconds)
    try:
        instant = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    if instant.tzinfo is None:  # RFC 9110: dates are GMT whatever they say
        instant = instant.replace(tzinfo=UTC)
    return max(0.0, (instant - now).total_seconds())


def _from_now(value: float, scale: float, now: datetime) -> float:
    if value > _EPOCH_FROM and scale == 1.0:
        return max(0.0, value - now.timestamp())
    return max(0.0, value * scale)


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and math.isfinite(value) else None
