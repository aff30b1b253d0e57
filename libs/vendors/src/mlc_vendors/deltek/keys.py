"""Keys that fit the tenant's columns and stay the same for the same source record (§13).

Pure functions of their input: two workers, or one worker twice, make the same key. A key that is too long ends in a
digest of the whole text instead of being cut, so that two long ones never become one.
"""

from __future__ import annotations

import base64
import hashlib

from mlc_vendors.deltek.contract import Limits
from mlc_vendors.deltek.errors import ValidationRefused

_DIGEST_IN_BATCH = 11


def batch_name(text: str, limits: Limits) -> str:
    """``text`` where it fits, else its head, ``~`` and a digest of all of it."""
    if len(text) <= limits.batch:
        return text
    return f"{text[: limits.batch - _DIGEST_IN_BATCH - 1]}~{_digest(text)[:_DIGEST_IN_BATCH]}"


def document_number(prefix: str, number: str, limits: Limits, *, longest: int | None = None) -> str:
    """Prefix and number, zero-filled to the length below which the tenant would pad it by itself.

    Args:
        prefix: Tells stores and kinds of documents apart, such as ``WA``.
        number: The source record's own immutable id.
        limits: The tenant's limits.
        longest: Another limit than the invoice number's (``RefNo``).

    Raises:
        ValidationRefused: the prefix leaves no room for a digest.
    """
    longest = limits.invoice if longest is None else longest
    plain = prefix + number.rjust(limits.invoice_min - len(prefix), "0")
    if len(plain) <= longest:
        return plain
    room = longest - len(prefix)
    if room < 10:  # 50 bits: below that, two of a store's numbers would meet
        raise ValidationRefused(f"prefix {prefix!r} leaves {room} of {longest} characters for a number; shorten it")
    return prefix + _digest(prefix + number)[:room]


def _digest(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
