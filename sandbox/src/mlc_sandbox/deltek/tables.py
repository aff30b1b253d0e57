"""A table in memory: rows by key, with indexes, compared the way the tenant's database compares text.

SQL Server's usual collation ignores letter case and trailing spaces, so `wc01:42` finds `WC01:42` and `""` finds
`" "`. A client that trusts a hit without comparing it again must be caught here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mlc_sandbox.deltek.wire import Row

Key = tuple[str, ...]


def fold(value: Any) -> str:
    """The form in which two texts are the same to the database."""
    return str(value).rstrip().casefold()


class Table:
    """Rows by primary key in order of arrival, with indexes on some columns.

    A row handed out is the stored one: change it through `change` only, or the indexes lie.
    """

    def __init__(self, columns: Iterable[str], *, key: Sequence[str], indexed: Sequence[str] = ()) -> None:
        self.columns = tuple(columns)
        self.spelling = {fold(c): c for c in self.columns}
        self._key = tuple(key)
        self._rows: dict[Key, Row] = {}
        self._indexes: dict[str, dict[str, dict[Key, Row]]] = {c: {} for c in indexed}

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def key_of(self, row: Row) -> Key:
        """The folded primary key of a row."""
        return tuple(fold(row[c]) for c in self._key)

    def get(self, *key: Any) -> Row | None:
        """The row of a primary key, or None."""
        return self._rows.get(tuple(fold(k) for k in key))

    def put(self, row: Row) -> Row:
        """Store a row, in place of one with the same key."""
        key = self.key_of(row)
        old = self._rows.get(key)
        if old is not None:
            self._forget(key, old)
        self._rows[key] = row
        for column, index in self._indexes.items():
            index.setdefault(fold(row.get(column, "")), {})[key] = row
        return row

    def change(self, row: Row, changes: Row) -> Row:
        """Change a stored row in place and keep the indexes true; the primary key must stay."""
        self._forget(self.key_of(row), row)
        row.update(changes)
        return self.put(row)

    def remove(self, *key: Any) -> Row | None:
        """Take a row out and return it."""
        folded = tuple(fold(k) for k in key)
        row = self._rows.pop(folded, None)
        if row is not None:
            self._forget(folded, row)
        return row

    def is_indexed(self, column: str) -> bool:
        """Whether `where` on this column needs no scan."""
        return column in self._indexes

    def where(self, column: str, value: Any) -> list[Row]:
        """Rows whose column equals the value, in order of arrival."""
        folded = fold(value)
        if column in self._indexes:
            return list(self._indexes[column].get(folded, {}).values())
        return [row for row in self if fold(row.get(column, "")) == folded]

    def _forget(self, key: Key, row: Row) -> None:
        for column, index in self._indexes.items():
            value = fold(row.get(column, ""))
            bucket = index.get(value)
            if bucket is not None:
                bucket.pop(key, None)
                if not bucket:
                    del index[value]
