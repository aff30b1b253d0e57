"""The query string as PHP and WordPress read it: ``status[]`` and ``status=a,b`` are lists, types follow a schema.

What does not fit its schema is collected into one ``rest_invalid_param``; what no schema names is ignored but repeated
in links. Facts sheet §3 to §5; captures errors and params-edge.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from mlc_sandbox.woocommerce.dates import is_stamp
from mlc_sandbox.woocommerce.errors import BadParameter, invalid_parameters

Reader = Callable[[str, Any], Any]
KEY = re.compile(r"^([^\[\]]+)\[([^\[\]]*)\]$")


def parse(query: str) -> dict[str, Any]:
    """Parameters in their order: text, or a list where the name ends in ``[]`` or ``[n]``."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        indexed = KEY.match(name)
        if indexed is None:
            found[name] = value
        else:
            entries = found.setdefault(indexed[1], [])
            if isinstance(entries, list):
                entries.append(value)
    return found


def sanitise(given: Mapping[str, Any], schema: Mapping[str, Reader]) -> dict[str, Any]:
    """The parameters with the types of their schema; unknown ones stay as they are.

    Raises:
        Refusal: 400 ``rest_invalid_param`` with all that do not fit.
    """
    read: dict[str, Any] = {}
    wrong: list[BadParameter] = []
    for name, value in given.items():
        try:
            read[name] = schema[name](name, value) if name in schema else value
        except BadParameter as bad:
            wrong.append(bad)
    if wrong:
        raise invalid_parameters(wrong)
    return read


def integer(least: int | None = None, most: int | None = None) -> Reader:
    """A whole number between bounds that count as inside."""

    def read(name: str, value: Any) -> int:
        if not isinstance(value, str) or not re.fullmatch(r"-?\d+", value):
            raise BadParameter(name, "rest_invalid_type", f"{name} is not of type integer.", {"param": name})
        number = int(value)
        if least is not None and most is not None and not least <= number <= most:
            text = f"{name} must be between {least} (inclusive) and {most} (inclusive)"
            raise BadParameter(name, "rest_out_of_bounds", text)
        if least is not None and number < least:
            raise BadParameter(name, "rest_out_of_bounds", f"{name} must be greater than or equal to {least}")
        return number

    return read


def one_of(*allowed: str) -> Reader:
    """One of some words."""

    def read(name: str, value: Any) -> str:
        if value not in allowed:
            raise BadParameter(name, "rest_not_in_enum", f"{name} is not one of {_listed(allowed)}.")
        return str(value)

    return read


def many_of(*allowed: str) -> Reader:
    """A list of words, or words between commas; empty ``allowed`` = any text."""

    def read(name: str, value: Any) -> list[str]:
        words = value if isinstance(value, list) else [word.strip() for word in re.split(r"[\s,]+", value) if word]
        for index, word in enumerate(words):
            if allowed and word not in allowed:
                text = f"{name}[{index}] is not one of {_listed(allowed)}."
                raise BadParameter(name, "rest_not_in_enum", text)
        return [str(word) for word in words]

    return read


def integers(name: str, value: Any) -> list[int]:
    """A list of ids, or ids between commas."""
    words = many_of()(name, value)
    for index, word in enumerate(words):
        if not re.fullmatch(r"-?\d+", word):
            where = f"{name}[{index}]"
            raise BadParameter(name, "rest_invalid_type", f"{where} is not of type integer.", {"param": where})
    return [int(word) for word in words]


def boolean(name: str, value: Any) -> bool:
    """true, false, 1 or 0."""
    known = {"true": True, "1": True, "false": False, "0": False, "": False}
    if str(value).lower() not in known:
        raise BadParameter(name, "rest_invalid_type", f"{name} is not of type boolean.", {"param": name})
    return known[str(value).lower()]


def stamp(name: str, value: Any) -> str:
    """A date with a time; kept as text, since its reading depends on another parameter."""
    if not isinstance(value, str) or not is_stamp(value):
        raise BadParameter(name, "rest_invalid_date", "Invalid date.")
    return value


def _listed(words: tuple[str, ...]) -> str:
    if len(words) < 3:
        return " and ".join(words)
    return f"{', '.join(words[:-1])}, and {words[-1]}"
