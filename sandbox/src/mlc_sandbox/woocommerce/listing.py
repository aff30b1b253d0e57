"""Filters, sorts and pages a list of objects, with the totals and Link headers WordPress sends.

Past the last page, orders and refunds claim a total of 0 and point back to page 0; everything else keeps its totals.
Both ends of a date filter are exclusive. Facts sheet §3 and §4; capture paging-and-filters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from mlc_sandbox.woocommerce.dates import filter_instant
from mlc_sandbox.woocommerce.links import flat, page_url
from mlc_sandbox.woocommerce.query import Reader, boolean, integer, integers, one_of, stamp


class Dated(Protocol):
    """What dated lists are made of."""

    @property
    def id(self) -> int: ...

    @property
    def created(self) -> datetime: ...


AnyDated = TypeVar("AnyDated", bound=Dated)
Item = TypeVar("Item")

PAGING: dict[str, Reader] = {
    "context": one_of("view", "edit"),
    "page": integer(1),
    "per_page": integer(1, 100),
    "offset": integer(),
    "include": integers,
    "exclude": integers,
    "order": one_of("asc", "desc"),
}
DATES: dict[str, Reader] = {
    **dict.fromkeys(("after", "before", "modified_after", "modified_before"), stamp),
    "dates_are_gmt": boolean,
    "orderby": one_of("date", "id", "include", "title", "slug", "modified"),
}


@dataclass(frozen=True)
class Page:
    """A page of a list and what its headers say."""

    items: list[Any]
    headers: dict[str, str]


def in_dates(items: Iterable[AnyDated], asked: Mapping[str, Any], zone: ZoneInfo) -> list[AnyDated]:
    """Those created, and modified, strictly within the asked bounds."""
    are_gmt = bool(asked.get("dates_are_gmt"))
    found = list(items)
    for name, attribute, later in (
        ("after", "created", True),
        ("before", "created", False),
        ("modified_after", "modified", True),
        ("modified_before", "modified", False),
    ):
        if name in asked:
            bound = filter_instant(asked[name], zone, are_gmt=are_gmt)
            found = [item for item in found if _beyond(_when(item, attribute), bound, later=later)]
    return found


def by_ids(items: Iterable[AnyDated], asked: Mapping[str, Any]) -> list[AnyDated]:
    """Those in ``include`` and not in ``exclude``."""
    include, exclude = set(asked.get("include") or []), set(asked.get("exclude") or [])
    return [item for item in items if (not include or item.id in include) and item.id not in exclude]


def sort_dated(
    items: list[AnyDated],
    asked: Mapping[str, Any],
    *,
    default: str = "date",
    more: Mapping[str, Callable[[AnyDated], Any]] | None = None,
) -> list[AnyDated]:
    """Sorted as asked, by date and newest first by default; the id breaks ties in the same direction."""
    by = asked.get("orderby", default)
    if by == "include":
        place = {item_id: index for index, item_id in enumerate(asked.get("include") or [])}
        return sorted(items, key=lambda item: place.get(item.id, len(place)))
    keys: dict[str, Callable[[AnyDated], Any]] = {
        "date": lambda item: item.created,
        "modified": lambda item: _when(item, "modified"),
        **(more or {}),
    }
    key: Callable[[AnyDated], Any] = keys.get(by) or _no_key
    return sorted(items, key=lambda item: (key(item), item.id), reverse=asked.get("order", "desc") == "desc")


def page_of(
    items: list[Item],
    asked: Mapping[str, Any],
    base: str,
    *,
    defaults: Mapping[str, Any] | None = None,
    shown_defaults: Mapping[str, Any] | None = None,
    forgets_totals: bool = False,
) -> Page:
    """One page with X-WP-Total, X-WP-TotalPages and Link.

    Args:
        items: All that fit, sorted.
        asked: The sanitised query, in its order: links repeat it.
        base: The list's URL.
        defaults: Parameters that links show though nobody sent them.
        shown_defaults: The same, only when the page shows anything.
        forgets_totals: Whether a page past the end claims that there is nothing at all (orders, refunds).
    """
    size, number = asked.get("per_page", 10), asked.get("page", 1)
    start = asked["offset"] if "offset" in asked else (number - 1) * size
    shown = items[start : start + size]
    total = 0 if forgets_totals and not shown else len(items)
    pages = -(-total // size)
    query = [pair for name, value in asked.items() for pair in flat(name, value)]
    extra = {**(defaults or {}), **((shown_defaults or {}) if shown else {})}
    query += [pair for name, value in extra.items() if name not in asked for pair in flat(name, value)]
    links = []
    if number > 1:
        links.append(f'<{page_url(base, query, min(number - 1, pages))}>; rel="prev"')
    if pages > number:
        links.append(f'<{page_url(base, query, number + 1)}>; rel="next"')
    headers = {"X-WP-Total": str(total), "X-WP-TotalPages": str(pages)}
    return Page(list(shown), {**headers, "Link": ", ".join(links)} if links else headers)


def _no_key(_: Any) -> int:
    return 0


def _when(item: Any, attribute: str) -> datetime:
    found = getattr(item, attribute, None)
    return found if isinstance(found, datetime) else item.created


def _beyond(when: datetime, bound: datetime, *, later: bool) -> bool:
    return when > bound if later else when < bound
