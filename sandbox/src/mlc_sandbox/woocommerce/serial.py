"""Writes JSON byte for byte as WordPress does: one line, ``\\/`` for a slash, ``\\uXXXX`` for non-ASCII.

Webhook signatures cover these bytes, so a body must come out the same wherever it is written. Rule: facts sheet §1.
"""

from __future__ import annotations

import json
from typing import Any


def write(value: Any) -> bytes:
    """The JSON of ``value``: keys in their order, non-ASCII escaped in lower-case hex, no spaces."""
    # A slash occurs only inside strings, so it may be escaped in the finished text.
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False).replace("/", "\\/").encode()


def pick(value: dict[str, Any], fields: list[str], *, as_asked: bool = False) -> dict[str, Any]:
    """Keep what ``_fields`` names: keys, or paths such as ``billing.email``.

    Args:
        value: The whole object.
        fields: What to keep.
        as_asked: In the order of ``fields`` (products) instead of the object's own (everything else).
    """
    wanted: dict[str, list[str]] = {}
    for field in fields:
        head, _, rest = field.partition(".")
        wanted.setdefault(head, [])
        if rest:
            wanted[head].append(rest)
        else:
            wanted[head] = [""]
    order = [key for key in wanted if key in value] if as_asked else [key for key in value if key in wanted]
    return {key: _inside(value[key], wanted[key]) for key in order}


def _inside(item: Any, paths: list[str]) -> Any:
    if not paths or "" in paths or not isinstance(item, dict):
        return item
    return pick(item, paths)
