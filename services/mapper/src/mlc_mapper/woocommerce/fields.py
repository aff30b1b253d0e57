"""Single fields of WooCommerce's JSON, read strictly: what is no amount, date or id is ``Held`` with the field's name.

Parses tolerantly where real stores differ (any number of decimals, absent optional keys, WooCommerce facts §18) and
never guesses an amount.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from mlc_common.accounting import HoldReason
from mlc_common.errors import Held
from mlc_common.money import AmountError, parse_amount

Json = dict[str, Any]

_AMOUNT_LENGTH = 64
_YEARS = range(1990, 2200)


def bad_data(where: str, what: str) -> Held:
    """The error for a field that cannot be read."""
    return Held(HoldReason.BAD_DATA, f"{where}: {what}")


def amount(record: Json, key: str, where: str, *, default: str | None = None) -> Decimal:
    """An amount in major units.

    Args:
        record: The object that holds it.
        key: Its key.
        where: Path of the object, for the message.
        default: Taken when the key is absent, null or empty text; without it these are errors.

    Raises:
        Held: not a finite decimal number.
    """
    value = record.get(key)
    if value is None or value == "":
        if default is None:
            raise bad_data(_path(where, key), "no amount is given")
        value = default
    if isinstance(value, str) and len(value) > _AMOUNT_LENGTH:
        raise bad_data(_path(where, key), f"{len(value)} characters are no amount")
    try:
        return parse_amount(value)
    except AmountError as error:
        raise bad_data(_path(where, key), str(error)) from None


def identifier(record: Json, key: str, where: str) -> int:
    """A positive whole number.

    Raises:
        Held: anything else.
    """
    value = record.get(key)
    if not is_id(value):
        raise bad_data(_path(where, key), "a whole number above zero is expected")
    assert isinstance(value, int)
    return value


def is_id(value: Any) -> bool:
    """Whether a value is an id of the store: a whole number above zero."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**18


def optional_id(value: Any) -> int:
    """An id that may be absent: 0 for anything that is none; digits in text count."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 18:
        value = int(value)
    return value if is_id(value) else 0


def instant(record: Json, key: str, where: str) -> datetime | None:
    """A UTC time of the store (``…_gmt``, without zone), or None when it is unset.

    Raises:
        Held: not a time.
    """
    value = record.get(key)
    if value is None or value == "":
        return None
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found.year not in _YEARS:
        raise bad_data(_path(where, key), "a time like 2026-11-20T19:03:15 is expected")
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def objects(record: Json, key: str, where: str) -> list[Json]:
    """A list of objects; absent or null is empty.

    Raises:
        Held: not a list, or something else in it.
    """
    value = record.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise bad_data(_path(where, key), "a list of objects is expected")
    return value


def digest(record: Json) -> str:
    """SHA-256 of what a record says, whatever the order of its keys and the form of its numbers; ``_links`` aside.

    Raises:
        Held: the record nests deeper than can be read.
    """
    said = {key: value for key, value in record.items() if key != "_links"}
    try:
        text = json.dumps(said, sort_keys=True, separators=(",", ":"), default=str)
    except RecursionError:
        raise bad_data("order", "nested too deeply") from None
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _path(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
