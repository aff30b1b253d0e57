"""Look-ups: how they are asked (``filterHash``), walked page by page, and checked row by row (§5).

The tenant ignores what it does not understand and then answers unfiltered rows, so every row is compared with what was
asked: a look-up whose rows do not match is an error, never a hit and never a miss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from mlc_common.http import HttpAnswer
from mlc_vendors.deltek.contract import Operator, Query
from mlc_vendors.deltek.errors import LookupMismatch, TooManyRows, UnknownShape
from mlc_vendors.deltek.values import day_of, wire_date

RawRow = dict[str, Any]
MOST_ROWS = 5000  # a look-up of ours finds a handful; this many means that something is wrong
_WRAPPERS = ("rows", "data", "body")


@dataclass(frozen=True)
class Condition:
    """``field`` compared with ``value``.

    Attributes:
        field: Column name, in the tenant's letter case.
        value: Text, a whole number, or a day (compared as a day, however the tenant spells its dates).
        op: eq, ge, lt or like (``like`` finds the value anywhere in the column).
    """

    field: str
    value: str | int | date
    op: Operator = "eq"

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether the row is one that was asked for. A row without the column is not."""
        if self.field not in row:
            return False
        found = row[self.field]
        if isinstance(self.value, date):
            return self._on_a_day(found, self.value)
        if self.op == "like":
            return str(self.value).strip("%").casefold() in str(found).casefold()
        if self.op == "eq":  # as the tenant's database compares: without letter case and trailing blanks
            return found is not None and _folded(found) == _folded(self.value)
        return self._ordered(found)

    def _on_a_day(self, found: Any, asked: date) -> bool:
        try:
            day = day_of(found)
        except ValueError:
            return False
        if day is None or self.op == "like":
            return False
        return {"eq": day == asked, "ge": day >= asked, "lt": day < asked}[self.op]

    def _ordered(self, found: Any) -> bool:
        if isinstance(self.value, int) and isinstance(found, int | Decimal):
            return found >= self.value if self.op == "ge" else found < self.value
        left, right = str(found), str(self.value)  # ISO dates order as text
        return left >= right if self.op == "ge" else left < right


def _folded(value: Any) -> str:
    return str(value).rstrip().casefold()


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """A list to read whole.

    Attributes:
        where: Conditions, all of which must hold; sent, and checked on every row.
        either: Conditions, one of which must hold; sent and checked likewise, and not together with ``where``.
        expect: Conditions that the address itself implies; not sent, but checked on every row.
        key: Columns that tell rows apart; the same key on two pages is one row.
        order: A column that is unique within the look-up: without an order pages overlap.
        extra: More query parameters.
        most: More rows than this mean that something is wrong.
        alone: Rows of one order must not meet at the end of a page: which of them stands on which page is chance, and
            one of them may be on none. Then the look-up is refused, to be divided otherwise.
    """

    key: tuple[str, ...]
    order: str
    where: Sequence[Condition] = ()
    either: Sequence[Condition] = ()
    expect: Sequence[Condition] = ()
    extra: Sequence[tuple[str, str]] = ()
    most: int = MOST_ROWS
    alone: bool = False


def filter_params(where: Sequence[Condition], spelling: Query, *, joined: str = "AND") -> list[tuple[str, str]]:
    """``filterHash[n][…]`` parameters; the condition sits on the entry before the one that it joins."""
    name, value, kind, operator, condition, sequence = spelling.filter.parts
    params: list[tuple[str, str]] = []
    for number, one in enumerate(where):
        parts = {
            name: one.field,
            value: wire_date(one.value) if isinstance(one.value, date) else str(one.value),
            kind: _kind(one.value),
            operator: spelling.filter.ops[one.op],
            sequence: str(number),
        }
        if number + 1 < len(where):
            parts[condition] = joined
        params += [(f"{spelling.filter.prefix}[{number}][{part}]", text) for part, text in parts.items()]
    return params


def _kind(value: str | int | date) -> str:
    """The filter's ``type`` (§5)."""
    if isinstance(value, date):
        return "datetime"
    return "int" if isinstance(value, int) else "string"


def page_params(lookup: Lookup, page: int, path: str, spelling: Query) -> list[tuple[str, str]]:
    """Everything that one page of a look-up is asked with; page and order are always said (assumed A3)."""
    params = [*lookup.extra, *filter_params(lookup.where, spelling)]
    params += filter_params(lookup.either, spelling, joined="OR")
    if spelling.wants_max_rows(path):
        params.append((spelling.max_rows, str(lookup.most)))
    params.append((spelling.page, str(spelling.page_base + page)))
    params.append((spelling.page_size, str(spelling.default_page_size)))
    params.append((spelling.order, spelling.order_asc.format(field=lookup.order)))
    return params


@dataclass
class Walk:
    """The pages of one look-up, added one by one until it is complete."""

    lookup: Lookup
    what: str
    rows: dict[tuple[str, ...], RawRow] = field(default_factory=dict)
    pages: int = 0
    _first: int = 0
    _last: str | None = None

    def add(self, page: Sequence[RawRow]) -> bool:
        """Take a page; True where another one must be asked for.

        Complete is: an empty page, or one shorter than the first page of this walk (the tenant may cap the page size,
        so a short first page proves nothing), or one that brings nothing new (the tenant ignores paging).

        Raises:
            LookupMismatch: a row is not what was asked for.
            TooManyRows: there are more rows than the look-up can have, or rows of one order at the end of a page.
            UnknownShape: rows without their key, or different rows with one key.
        """
        self.pages += 1
        if self.pages == 1:
            self._first = len(page)
        self._part(page)
        before, here = len(self.rows), set[tuple[str, ...]]()
        for row in page:
            self.check(row)
            key = self._key(row)
            if key in here and self.rows[key] != row:
                raise UnknownShape(f"Deltek answered different rows of one key for {self.what}; none can be trusted")
            here.add(key)
            self.rows.setdefault(key, row)
        if len(self.rows) >= self.lookup.most:
            raise TooManyRows(f"Deltek found {len(self.rows)} rows for {self.what}; narrow the look-up")
        return len(page) >= self._first and len(self.rows) > before

    def _part(self, page: Sequence[RawRow]) -> None:
        if not self.lookup.alone or not page:
            return
        if self._last is not None and _folded(page[0].get(self.lookup.order)) == self._last:
            raise TooManyRows(f"rows of one {self.lookup.order} meet at the end of a page of {self.what}")
        self._last = _folded(page[-1].get(self.lookup.order))

    def _key(self, row: RawRow) -> tuple[str, ...]:
        missing = [name for name in self.lookup.key if name not in row]
        if missing:
            raise UnknownShape(f"Deltek answered rows for {self.what} without {', '.join(missing)}")
        return tuple(str(row[name]) for name in self.lookup.key)

    def check(self, row: RawRow) -> None:
        """Whether the row was asked for.

        Raises:
            LookupMismatch: it was not.
        """
        for condition in (*self.lookup.where, *self.lookup.expect):
            if not condition.holds(row):
                raise mismatch(self.what, condition.field)
        if self.lookup.either and not any(condition.holds(row) for condition in self.lookup.either):
            raise mismatch(self.what, self.lookup.either[0].field)


def mismatch(what: str, column: str) -> LookupMismatch:
    """The error for rows that nobody asked for."""
    return LookupMismatch(
        f"Deltek answered rows for {what} whose {column} is not the one asked for; it may not know this column or "
        "filter: check fields and query of the tenant contract"
    )


def rows_of(answer: HttpAnswer, what: str) -> list[RawRow]:
    """The rows of a list's answer: a bare array, also for a single key; wrappers were seen as tolerated.

    Raises:
        Undecodable: it is not JSON.
        UnknownShape: anything else; it must never count as "no rows".
    """
    body = answer.json()
    if isinstance(body, dict):
        wrapped = [value for name, value in body.items() if str(name).lower() in _WRAPPERS]
        body = wrapped[0] if len(wrapped) == 1 else body
    if isinstance(body, list) and all(isinstance(row, dict) for row in body):
        return body
    raise UnknownShape(f"Deltek answered {what} in an unknown form; compare the tenant's version with its contract")


def record_of(answer: HttpAnswer, what: str, *, key: str) -> RawRow:
    """The one record of a write's answer: an array of one, or the object itself; it must have its key.

    Raises:
        Undecodable: it is not JSON.
        UnknownShape: no record, several, or one without its key.
    """
    body = answer.json()
    rows = [body] if isinstance(body, dict) and key in body else rows_of(answer, what)
    if len(rows) != 1 or key not in rows[0]:
        raise UnknownShape(f"Deltek answered {what} without the record; compare the tenant's version with its contract")
    return rows[0]
