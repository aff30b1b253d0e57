"""The query syntax of list calls (facts sheet §5): read a query string, narrow and page rows.

Unknown parameters are ignored, so a filter that is spelled wrong gives every row; rows without `order` come in a
different order at each call. It must never answer better rows than the real server would.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from random import Random
from typing import Any
from urllib.parse import parse_qsl

from mlc_sandbox.deltek import dates, refusals
from mlc_sandbox.deltek.config import Config
from mlc_sandbox.deltek.tables import Table, fold
from mlc_sandbox.deltek.wire import Row

_FILTER_KEY = re.compile(r"filterhash\[(\d+)\]\[(\w+)\]", re.IGNORECASE)
_OPERATORS = {
    "": "eq", "=": "eq", "==": "eq", "eq": "eq", "!=": "ne", "<>": "ne", "ne": "ne", ">": "gt", "gt": "gt",
    "<": "lt", "lt": "lt", ">=": "ge", "ge": "ge", "<=": "le", "le": "le", "like": "like", "in": "in",
}  # fmt: skip
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "gt": lambda a, b: bool(a > b),
    "lt": lambda a, b: bool(a < b),
    "ge": lambda a, b: bool(a >= b),
    "le": lambda a, b: bool(a <= b),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One filterHash entry; `joiner` binds it to the entry after it."""

    name: str
    value: str
    kind: str
    operator: str
    joiner: str


@dataclass(slots=True)
class Query:
    """A list call's parameters, names lower-cased, filters in their sequence."""

    params: dict[str, str] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)

    def number(self, name: str) -> int | None:
        """A parameter as a whole number above or equal to zero, None when it is missing or no such number."""
        text = self.params.get(name, "").strip()
        return int(text) if text.isascii() and text.isdigit() else None

    def columns(self) -> list[str]:
        """The columns that `fieldFilter` names; empty = all."""
        return [c.strip() for c in self.params.get("fieldfilter", "").split(",") if c.strip()]


def parse_query(text: str) -> Query:
    """Read a query string, or the form body of a `dvp-postAsGet` call; brackets may be raw or encoded."""
    query = Query()
    entries: dict[int, dict[str, str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        found = _FILTER_KEY.fullmatch(name)
        if found:
            entries.setdefault(int(found[1]), {})[found[2].lower()] = value
        else:
            query.params[name.lower()] = value
    ordered = sorted(entries.items(), key=lambda item: (_sequence(item), item[0]))
    query.conditions = [_condition(entry) for _, entry in ordered if entry.get("name")]
    return query


def _sequence(item: tuple[int, dict[str, str]]) -> int:
    text = item[1].get("seq", "")
    return int(text) if text.isascii() and text.isdigit() else item[0]


def _condition(entry: dict[str, str]) -> Condition:
    operator = _OPERATORS.get(entry.get("opp", "").strip().lower())
    if operator is None:
        raise refusals.server_fault()
    joiner = "OR" if entry.get("condition", "").strip().upper() == "OR" else "AND"
    return Condition(entry["name"].strip(), entry.get("value", ""), entry.get("type", "").lower(), operator, joiner)


def select(table: Table, query: Query, config: Config, rng: Random, *, refuse_limit: bool = False) -> list[Row]:
    """Rows of a table for a list call, through an index where one equality allows it."""
    return select_rows(candidates(table, query), table.spelling, query, config, rng, refuse_limit=refuse_limit)


def select_rows(
    rows: Iterable[Row],
    spelling: dict[str, str],
    query: Query,
    config: Config,
    rng: Random,
    *,
    refuse_limit: bool = False,
) -> list[Row]:
    """Filter, sort, cap, page and trim rows as the tenant does.

    Args:
        rows: where to look.
        spelling: folded name to true name of the columns that may be filtered and sorted.
        query: what was asked.
        config: page sizes and caps.
        rng: source of the order when none is asked for.
        refuse_limit: ledger and entry lists answer 500 to `limit`.

    Raises:
        Refusal: an operator, a value or `limit` cannot be used here.
    """
    if refuse_limit and "limit" in query.params:
        raise refusals.server_fault()
    kept = list(rows)
    test = _predicate(query.conditions, spelling, config)
    if test is not None:
        kept = [row for row in kept if test(row)]
    _sort(kept, query, spelling, rng)
    return [trim(row, query) for row in _page(kept, query, config)]


def trim(row: Row, query: Query) -> Row:
    """Leave only the columns that `fieldFilter` names."""
    wanted = query.columns()
    if not wanted:
        return row
    by_fold = {fold(c): c for c in row}
    return {by_fold[fold(c)]: row[by_fold[fold(c)]] for c in wanted if fold(c) in by_fold}


def candidates(table: Table, query: Query) -> Iterable[Row]:
    """The rows that could match: those of an index where one equality allows it, else all."""
    if all(c.joiner == "AND" for c in query.conditions[:-1]):
        for condition in query.conditions:
            column = table.spelling.get(fold(condition.name), "")
            if condition.operator == "eq" and table.is_indexed(column):
                return table.where(column, condition.value)
    return table


def _predicate(conditions: list[Condition], spelling: dict[str, str], config: Config) -> Callable[[Row], bool] | None:
    groups: list[list[Callable[[Row], bool]]] = [[]]
    for condition in conditions:
        column = spelling.get(fold(condition.name))
        if column is not None:
            groups[-1].append(_test(condition, column))
        elif config.unknown_filter_field == "refuse":
            raise refusals.server_fault()
        if condition.joiner == "OR":
            groups.append([])
    groups = [group for group in groups if group]
    if not groups:
        return None
    return lambda row: any(all(test(row) for test in group) for group in groups)


def _test(condition: Condition, column: str) -> Callable[[Row], bool]:
    if condition.operator == "like":
        pattern = _like(condition.value)
        return lambda row: pattern.fullmatch(str(row.get(column, ""))) is not None
    if condition.operator == "in":
        wanted = {fold(v.strip().strip("'")) for v in condition.value.strip("()").split(",")}
        return lambda row: fold(row.get(column, "")) in wanted
    compare = _COMPARE[condition.operator]
    return lambda row: _compare(row.get(column, ""), condition, compare)


def _compare(stored: Any, condition: Condition, compare: Callable[[Any, Any], bool]) -> bool:
    if condition.kind == "datetime":
        left, right = _instant(str(stored)), _instant(condition.value)
        return left is not None and right is not None and compare(left, right)
    if isinstance(stored, int | Decimal):
        try:
            return compare(Decimal(stored), Decimal(condition.value))
        except InvalidOperation:
            raise refusals.server_fault() from None
    return compare(fold(stored), fold(condition.value))


@lru_cache(maxsize=4096)
def _instant(text: str) -> datetime | None:
    return dates.parse(text)


def _like(value: str) -> re.Pattern[str]:
    text = value if "%" in value or "_" in value else f"%{value}%"
    parts = {"%": ".*", "_": "."}
    return re.compile("".join(parts.get(c, re.escape(c)) for c in text), re.IGNORECASE | re.DOTALL)


def _sort(rows: list[Row], query: Query, spelling: dict[str, str], rng: Random) -> None:
    keys = [k for k in (_order_key(p, spelling) for p in query.params.get("order", "").split(",")) if k]
    if len(rows) > 1:
        rng.shuffle(rows)  # rows that compare equal, or all of them without `order`, come in no stable order
    for column, descending in reversed(keys):
        rows.sort(key=lambda row: _sortable(row.get(column, "")), reverse=descending)


def _order_key(part: str, spelling: dict[str, str]) -> tuple[str, bool] | None:
    found = re.fullmatch(r"\s*(\w+?)(?:(?:_|\s+)(A|D|asc|desc))?\s*", part, re.IGNORECASE)
    column = spelling.get(fold(found[1])) if found else None
    if found is None or column is None:
        return None
    return column, (found[2] or "").lower() in {"d", "desc"}


def _sortable(value: Any) -> tuple[int, Any]:
    return (0, value) if isinstance(value, int | Decimal) else (1, fold(value))


def _page(rows: list[Row], query: Query, config: Config) -> list[Row]:
    cap = query.number("q.maxrows")
    if cap is not None:
        rows = rows[:cap]
    size = query.number("pagesize") or 0
    if "limit" in query.params:
        start = query.number("offset") or 0
        count = min(query.number("limit") or config.default_rows, config.page_size_cap)
        return rows[start : start + count]
    if size == 0 and cap is not None and "page" not in query.params:
        return rows
    count = min(size or config.default_rows, config.page_size_cap)
    start = (max(query.number("page") or 1, 1) - 1) * count
    return rows[start : start + count]
