"""Reads the answer of PostTransFile: 200 with a JSON string that holds almost-JSON (§8.1).

Posted is what the answer says in so many words for our batch. Everything else, HTTP 200 or not, is unknown and must be
verified from the ledger; a refusal carries the tenant's sentence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from mlc_common import exactjson
from mlc_common.errors import Undecodable
from mlc_vendors.deltek.contract import Refusals, Transactions
from mlc_vendors.deltek.errors import refusal_of, tidy

# A comma is missing in the published sample, so pairs are picked out one by one.
_PAIR = re.compile(r'"(?P<name>\w+)"\s*:\s*(?:"(?P<text>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s,"}]+))', re.DOTALL)
_ESCAPE = re.compile(r'\\(["\\/])')
_LONGEST = 1_000_000


@dataclass(frozen=True)
class PostResult:
    """What the answer says about one batch.

    Attributes:
        state: ``posted``; ``refused`` with ``text``; or ``unknown``: verify.
        text: The tenant's sentence, one line.
        rejection: Class of the refusal ("period", "inactive", ...), "rejected" where the sentence is not known.
        period: Period it went to, where the answer says so.
        post_seq: Posting sequence within that period.
    """

    state: Literal["posted", "refused", "unknown"]
    text: str = ""
    rejection: str | None = None
    period: int | None = None
    post_seq: int | None = None


def read_post_answer(
    content: bytes, *, batch: str, transtype: str, rules: Transactions, sentences: Refusals
) -> PostResult:
    """What an answer of PostTransFile says about ``batch``; never raises on a strange body."""
    lists = _lists(content)
    batches = lists.get("batchlist", [])
    if batches.count(batch) != 1:
        return PostResult("unknown", tidy(" ".join(lists.get("msg", []))))
    place = batches.index(batch)
    verdict, kind = _at(lists, "retlist", place, len(batches)), _at(lists, "typelist", place, len(batches))
    text = _text(lists, place, len(batches))
    if kind.casefold() not in ("", transtype.casefold()):
        return PostResult("unknown", text)
    period, sequence = (_number(_at(lists, name, place, len(batches))) for name in ("periodlist", "postseqlist"))
    if verdict == rules.post_ok_value:
        return PostResult("posted", text, period=period, post_seq=sequence)
    if verdict == rules.post_refused_value:
        refusal = refusal_of(text, sentences)
        return PostResult("refused", text, rejection=refusal.kind if refusal else "rejected", period=period)
    return PostResult("unknown", text)


def _lists(content: bytes) -> dict[str, list[str]]:
    """The answer's fields in lower case, each split at its pipes; empty where nothing can be read."""
    if len(content) > _LONGEST:
        return {}
    pairs = _pairs(content)
    return {name.lower(): [part.strip() for part in value.split("|")] for name, value in pairs.items()}


def _pairs(content: bytes) -> dict[str, str]:
    try:
        inner: Any = exactjson.loads(content)
    except Undecodable:
        return {}
    if isinstance(inner, str):
        try:
            inner = exactjson.loads(inner)
        except Undecodable:
            return _picked_out(inner)
    if not isinstance(inner, dict):
        return {}
    return {str(name): str(value) for name, value in inner.items() if isinstance(value, str | int)}


def _picked_out(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for match in _PAIR.finditer(text):
        value = match["text"]
        pairs.setdefault(match["name"], match["bare"] if value is None else _ESCAPE.sub(r"\1", value))
    return pairs


def _at(lists: dict[str, list[str]], name: str, place: int, length: int) -> str:
    values = lists.get(name, [])
    return values[place] if len(values) == length else ""


def _text(lists: dict[str, list[str]], place: int, length: int) -> str:
    """Our part of the message, which holds one sentence per batch; all of it where it cannot be told apart."""
    whole = "|".join(lists.get("msg", []))
    parts = whole.split("[CRLF]")
    return tidy(parts[place] if len(parts) == length else whole)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
