"""Lists read whole although they change while they are read. Facts §3.

Pages are asked for by id, ascending: a row that vanishes moves the later ones one place forward, and one of them from a
page not yet read onto a page already read. So a pass counts only if what was seen is as many as the store says there
are, or if it found nothing new; otherwise another pass follows.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mlc_common import exactjson
from mlc_common.errors import Retryable
from mlc_vendors.woocommerce.rest import Params, Rest

JsonObject = dict[str, Any]

LARGEST_PAGE = 100
_MOST_PASSES = 20
_TOO_LONG = 18
"""More digits than an id of a store has."""


@dataclass(frozen=True)
class Page:
    """One page of a list.

    Attributes:
        rows: Its objects.
        total: How many the whole list has, where the store says so.
        not_before: See ``RestAnswer``.
    """

    rows: list[JsonObject] = field(repr=False)
    total: int | None = None
    not_before: datetime | None = None

    def is_last(self, number: int, size: int) -> bool:
        """Whether no page follows this one.

        A short page may have successors: rows that vanish, or that the key's user may not see, are dropped after the
        page was cut. So the total read with this page decides, and its length only where there is no total.
        """
        return len(self.rows) < size if self.total is None else self.total <= number * size


ReadPage = Callable[[Sequence[tuple[str, str]]], Awaitable[Page]]
"""Reads one page of a list with this query."""


def pages_of(rest: Rest, path: str, *, template: str) -> ReadPage:
    """A reader of one endpoint's pages."""

    async def read(params: Params) -> Page:
        answer = await rest.get(path, params, template=template)
        return Page(answer.objects(f"GET {template}"), answer.total, answer.not_before)

    return read


async def read_all(read: ReadPage, params: Params = (), *, size: int = LARGEST_PAGE) -> AsyncIterator[JsonObject]:
    """Every row of a list, each version of it at least once.

    Args:
        read: Reads a page.
        params: The list's filters.
        size: Rows per page.

    Raises:
        Retryable: the list changes faster than it can be read.
    """
    seen: set[tuple[int | str, str]] = set()
    for _ in range(_MOST_PASSES):
        ids: set[int | str] = set()
        totals: set[int | None] = set()
        fresh = False
        async for page in _one_pass(read, params, size):
            totals.add(page.total)
            ids.update(identity(row) for row in page.rows)
            for row in page.rows:
                version = (identity(row), str(row.get("date_modified_gmt")))
                if version not in seen:
                    seen.add(version)
                    fresh = True
                    yield row
        if not fresh or totals == {len(ids)}:
            return
    raise Retryable("the store's list changes faster than it can be read; trying again later")


async def _one_pass(read: ReadPage, params: Params, size: int) -> AsyncIterator[Page]:
    """Pages with rows, to the last one. Totals past the end mean nothing (§3)."""
    number = 0
    while True:
        number += 1
        sorting = [("orderby", "id"), ("order", "asc"), ("per_page", str(size)), ("page", str(number))]
        page = await read([*params, *sorting])
        if page.rows:
            yield page
        if page.is_last(number, size):
            return


def identity(row: JsonObject) -> int | str:
    """What tells a row of a list from the others: its id; where it has none (plugins break records), all that it says.

    Such a row is handed out like any other, so that it neither ends the reading nor is left out.
    """
    said = row.get("id")
    if isinstance(said, str) and said.isascii() and said.isdigit() and len(said) < _TOO_LONG:
        return int(said)
    if isinstance(said, int) and not isinstance(said, bool):
        return said
    return hashlib.sha256(exactjson.dumps(row)).hexdigest()
