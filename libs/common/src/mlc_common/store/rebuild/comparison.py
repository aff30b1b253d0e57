"""Compares two generations row by row, as far as their columns are recorded in the log.

The database finds the rows that differ, so that equal ones cost nothing and memory stays bounded; what only looks
different (JSON of an older version of ours) is judged here.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from mlc_common.store.pool import Connection, Pool

Meaning = Callable[[Any], Any]


def as_json(text: str | None) -> Any:
    """What a text of JSON says, whatever its layout."""
    return json.loads(text) if text else None


@dataclass(frozen=True)
class Compared:
    """A table, and what of it is recorded.

    Attributes:
        table: Its name.
        keys: The columns that name a row.
        columns: Columns that must be equal: name to the expression that gives its recorded part (``r`` is the row).
        meanings: What a column's value means, where equal things may be written differently.
        rows: Which rows are recorded at all: a condition on ``r``.
        named_by: Columns that tell a person which row it is.
        beside: Further columns for ``where`` alone.
        where: Which pairs of rows can be compared: a condition on ``old`` and ``fresh`` (both may be absent).
    """

    table: str
    keys: Sequence[str]
    columns: Mapping[str, str]
    meanings: Mapping[str, Meaning] = field(default_factory=dict)
    rows: str = "true"
    named_by: Sequence[str] = ()
    beside: Mapping[str, str] = field(default_factory=dict)
    where: str = "true"


@dataclass(frozen=True)
class Difference:
    """One row that the log tells otherwise: ``old`` or ``fresh`` is None where the row is missing there."""

    table: str
    key: tuple[str, ...]
    old: Mapping[str, Any] | None
    fresh: Mapping[str, Any] | None
    named_by: Sequence[str] = ()

    @property
    def columns(self) -> list[str]:
        """The columns that differ."""
        if self.old is None or self.fresh is None:
            return []
        return [name for name in self.old if self.old[name] != self.fresh[name]]

    def sentence(self) -> str:
        """The difference in words, without what may be personal."""
        known = self.fresh or self.old or {}
        named = " ".join(str(known[name]) for name in self.named_by)
        row = f"{self.table} {' '.join(self.key)}{f' ({named})' if named else ''}"
        if self.old is None:
            return f"{row}: the log tells of this row, the database lacks it"
        if self.fresh is None:
            return f"{row}: the log tells nothing of this row"
        pairs = [(name, self.old[name], self.fresh[name]) for name in self.columns]
        telling = [pair for pair in pairs if None not in pair] or pairs  # what follows from the others goes unsaid
        return f"{row}: {'; '.join(_said(*pair) for pair in telling)}"


async def count(pool: Pool, schema: str, compared: Compared) -> int:
    """How many rows of a table are recorded."""
    query = f'select count(*) from "{schema}"."{compared.table}" r where {compared.rows}'  # noqa: S608 - ours
    return int(await pool.fetchval(query))


async def differences(connection: Connection, old: str, fresh: str, compared: Compared) -> AsyncIterator[Difference]:
    """The rows of a table that differ between two generations, by key.

    Args:
        connection: In a transaction, which the cursor needs.
        old: The schema in force.
        fresh: The fresh one.
        compared: The table.
    """
    async for row in connection.cursor(_query(old, fresh, compared), prefetch=500):
        found = Difference(
            compared.table,
            tuple(str(row[f"key_{name}"]) for name in compared.keys),
            _side(row, "old", compared),
            _side(row, "fresh", compared),
            compared.named_by,
        )
        if found.old is None or found.fresh is None or found.columns:
            yield found


def _query(old: str, fresh: str, compared: Compared) -> str:
    keys, columns = compared.keys, compared.columns
    inner = ", ".join(
        [f"r.{key} as k_{key}" for key in keys]
        + [f"({said}) as c_{n}" for n, said in [*columns.items(), *compared.beside.items()]]
    )
    pairs = ", ".join(f"coalesce(old.k_{key}, fresh.k_{key}) as key_{key}" for key in keys)
    both = ", ".join(f"old.c_{name} as old_{name}, fresh.c_{name} as fresh_{name}" for name in columns)
    differ = " or ".join(f"old.c_{name} is distinct from fresh.c_{name}" for name in columns) or "false"
    sides = {
        side: f'(select {inner}, 1 as there from "{schema}"."{compared.table}" r where {compared.rows}) {side}'  # noqa: S608
        for side, schema in (("old", old), ("fresh", fresh))
    }
    on = " and ".join(f"old.k_{key} = fresh.k_{key}" for key in keys)
    order = ", ".join(f"key_{key}" for key in keys)
    return (
        f"select {pairs}, {both}, old.there as old_there, fresh.there as fresh_there "  # noqa: S608 - names of ours
        f"from {sides['old']} full join {sides['fresh']} on {on} "
        f"where ({compared.where}) and (old.there is null or fresh.there is null or {differ}) order by {order}"
    )


def _side(row: Any, side: str, compared: Compared) -> dict[str, Any] | None:
    if row[f"{side}_there"] is None:
        return None
    return {name: _meaning(row[f"{side}_{name}"], compared.meanings.get(name)) for name in compared.columns}


def _meaning(value: Any, meaning: Meaning | None) -> Any:
    try:
        return meaning(value) if meaning is not None else value
    except ValueError:  # altered by hand into something that means nothing
        return value


def _said(name: str, old: Any, fresh: Any) -> str:
    if not all(isinstance(value, _TELLING) for value in (old, fresh)):
        return f"{name} differs"
    return f"{name} is {_short(old)}, by the log {_short(fresh)}"


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"


_TELLING = (str, int, UUID, datetime, type(None))


_SHORT = 60
