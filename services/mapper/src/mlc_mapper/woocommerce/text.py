"""Text as WooCommerce stores it, made fit for documents: entities and tags out, nothing that breaks later encoding.

Names and titles hold HTML entities and tags, address fields do not (WooCommerce facts §1). Lone surrogates and control
characters are legal in JSON but neither in UTF-8 nor in PostgreSQL; they become U+FFFD, visibly.
"""

from __future__ import annotations

import html
import re
from typing import Any

_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,500}>")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_SPACE = re.compile(r"\s+")
_BROKEN = re.compile("[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]")
_REPLACEMENT = "\ufffd"

MAX_TEXT = 500
"""Characters kept of any text; what is longer ends in an ellipsis."""


def plain(value: Any) -> str:
    """A text field on one line, encodable; anything but text and whole numbers is empty."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        return ""
    if len(value) <= MAX_TEXT and value.isascii() and value.isprintable() and "  " not in value:
        return value.strip()  # nearly all there is; what follows would leave it as it is
    line = _SPACE.sub(" ", _BROKEN.sub(_REPLACEMENT, value[: MAX_TEXT * 8])).strip()
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"


def name(value: Any) -> str:
    """A name or title: tags stripped, entities resolved once (``A &amp; Co`` is ``A & Co``)."""
    return plain(unescape(_TAG.sub("", value))) if isinstance(value, str) else plain(value)


def unescape(value: str) -> str:
    """Resolve complete entities only; ``Pots&copper`` stays as it is."""
    return _ENTITY.sub(lambda entity: html.unescape(entity.group()), value)
