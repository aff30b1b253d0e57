"""Orders by modification time, none left out although orders are touched while they are read. Facts §3, §4.

Paging over a moving sort key skips rows: an order of page 1 that is touched jumps to the end, and page 2 begins one
row late. So page 1 is asked for again and again, ``modified_after`` moving forward to the second before the last row's;
only inside one second (bulk edits) pages are turned, by id. Bounds are strict, whole seconds, and UTC without a zone.
A row without its time, or with an earlier one than was asked for, is handed out with the others and moves no bound; so
is one without its id.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from mlc_common.errors import ConfigurationError, Rejected
from mlc_vendors.woocommerce.errors import NotJson
from mlc_vendors.woocommerce.paging import Page, ReadPage, identity, read_all

JsonObject = dict[str, Any]

SECOND = timedelta(seconds=1)

_MOST_REREADS = 4
_LONGEST_CHASE = timedelta(minutes=10)
"""How far into the present a walk follows a store that never rests; what comes later is the next walk's."""


class OrderWalk:
    """One walk, to be iterated once: ``async for order in walk``. An order may come more than once, in newer versions.

    Args:
        read: Reads a page of orders.
        since: Orders modified later than this (with a time zone).
        overlap_s: Begin this much earlier: PHP stamps an order when it begins to save it, and shows it when it has.
        size: Orders per page.
        fields: What to read of each order; nothing = everything.
        trash: Walk the trashed ones too; they must be asked for by name.
        resume: Where an earlier walk of the same kind had come to (``reached``); the trashed ones are walked whole.
    """

    def __init__(
        self,
        read: ReadPage,
        since: datetime,
        *,
        overlap_s: float = 0.0,
        size: int,
        fields: Sequence[str] = (),
        trash: bool = False,
        resume: datetime | None = None,
    ) -> None:
        self._read = read
        self._start = (since - timedelta(seconds=overlap_s)).astimezone(UTC).replace(microsecond=0)
        self._reached = self._start if resume is None else max(self._start, resume.astimezone(UTC))
        self._size = size
        self._fields = [("_fields", ",".join(dict.fromkeys(["id", "date_modified_gmt", *fields])))] if fields else []
        self._trash = trash
        self._chase_until: datetime | None = None
        self._read_until = since

    @property
    def read_until(self) -> datetime:
        """Up to where everything has been read: where the next walk begins. Meaningful once the walk has ended.

        Not simply the newest stamp seen: an order that was touched while its page was made shows a stamp later than
        others that the page does not have yet.
        """
        return self._read_until

    @property
    def reached(self) -> datetime:
        """Up to where every order that is in no trash was handed out before the one that was handed out last."""
        return self._reached

    async def __aiter__(self) -> AsyncIterator[JsonObject]:
        """The orders, oldest modification first, as far as they stand still."""
        async for row in self._walk("any", self._reached):
            yield row
        if not self._trash:
            return
        # What is trashed after the first walk's end carries stamps later than orders that the first has not seen.
        until = self._read_until
        async for row in self._walk("trash", self._start):
            yield row
        self._read_until = until

    async def _walk(self, status: str, bound: datetime) -> AsyncIterator[JsonObject]:
        seen: set[_Version] = set()
        while not self._chased(bound):
            self._reached = bound if status == "any" else self._reached
            page, settled = await self._page_at_rest(status, bound)
            for row in page.rows:
                if _version(row) not in seen:
                    yield row
            seen = {_version(row) for row in page.rows}
            newest = max(settled, default=bound)
            if page.is_last(1, self._size):
                bound = newest
                break
            if newest > bound + SECOND:
                bound = newest - SECOND
                continue
            # No step forward: the page lies within one second, or nothing on it can be relied on but the ids.
            until = newest if settled else None
            async for row in read_all(self._read, self._filters(status, bound, until), size=self._size):
                if _version(row) not in seen:
                    yield row
            if until is None:
                break
            bound = until
        self._read_until = max(self._read_until, bound)

    async def _page_at_rest(self, status: str, bound: datetime) -> tuple[Page, list[datetime]]:
        """Page 1 beyond a bound, and the stamps on it that say where the page really reaches.

        The store finds the ids first and loads the orders then: one that is touched in between shows a stamp later
        than the one that it was found by. Stamps older than the request are safe; where there are none, a page that
        reads the same twice is. Where there are none at all, the store does not come to rest.
        """
        before: list[_Version] = []
        for _ in range(_MOST_REREADS):
            page = await self._first_page(status, bound)
            self._hear(page)
            stamps = [stamp for stamp in _stamps(page.rows) if stamp > bound]
            settled = [stamp for stamp in stamps if page.not_before is not None and stamp < page.not_before]
            if settled or page.is_last(1, self._size):
                break
            versions = [_version(row) for row in page.rows]
            if versions == before:
                return page, stamps
            before = versions
        return page, settled

    async def _first_page(self, status: str, bound: datetime) -> Page:
        sorting = [("orderby", "modified"), ("order", "asc"), ("per_page", str(self._size))]
        try:
            page = await self._read([*self._filters(status, bound), *sorting])
        except Rejected as error:
            if error.rejection != "rest_invalid_param":
                raise
            raise ConfigurationError(
                "the store cannot list orders by modification time; WooCommerce must be brought up to date"
            ) from None
        stamps = _stamps(page.rows)
        if page.rows and not stamps and not page.is_last(1, self._size):
            raise NotJson("GET orders: the orders come without their modification times; trying again later")
        # One that shows another time than it was found by (a plugin, tables out of step) is no such sign.
        if len(stamps) > 1 and all(stamp <= bound for stamp in stamps):
            raise ConfigurationError(
                "the store answers with orders that were not asked for: it is too old to know modified_after, or a "
                "cache in front of it ignores the query; bring WooCommerce up to date, or except /wp-json/ from caching"
            )
        return page

    def _filters(self, status: str, after: datetime, until: datetime | None = None) -> list[tuple[str, str]]:
        """Modified later than ``after``, and not later than ``until``."""
        before = [] if until is None else [("modified_before", _text(until + SECOND))]
        dates = [("modified_after", _text(after)), *before, ("dates_are_gmt", "true")]
        return [("status", status), *dates, *self._fields]

    def _hear(self, page: Page) -> None:
        if self._chase_until is None and page.not_before is not None:
            self._chase_until = page.not_before + _LONGEST_CHASE

    def _chased(self, bound: datetime) -> bool:
        return self._chase_until is not None and bound > self._chase_until


_Version = tuple[int | str, datetime | None]


def stamp_of(row: JsonObject) -> datetime | None:
    """When an order was modified last, by the store's clock (UTC); None where the order does not say it."""
    try:
        return datetime.fromisoformat(row["date_modified_gmt"]).replace(tzinfo=UTC)
    except (KeyError, TypeError, ValueError):
        return None


def _stamps(rows: Sequence[JsonObject]) -> list[datetime]:
    return [stamp for row in rows if (stamp := stamp_of(row)) is not None]


def _version(row: JsonObject) -> _Version:
    return identity(row), stamp_of(row)


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S")
