"""One call as a handler sees it: who calls, with what key, query and body, on which tenant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mlc_sandbox.deltek import query as queries
from mlc_sandbox.deltek import refusals
from mlc_sandbox.deltek.query import Query
from mlc_sandbox.deltek.tables import Table, fold
from mlc_sandbox.deltek.tenant import Tenant, User
from mlc_sandbox.deltek.wire import Answer, Row, decode_object


@dataclass(slots=True)
class Call:
    """A routed call; `keys` are the decoded parameters of its path in order."""

    tenant: Tenant
    user: User
    query: Query
    body: bytes = b""
    media_type: str = ""
    keys: list[str] = field(default_factory=list)

    def sent(self) -> Row:
        """The JSON object in the body.

        Raises:
            Refusal: 415 when the body is not declared as JSON, 400 when it is none.
        """
        if self.media_type != "application/json":
            raise refusals.wrong_media_type(self.media_type)
        return decode_object(self.body)

    def listed(self, table: Table, *, refuse_limit: bool = False) -> Answer:
        """Answer a list call from a table."""
        tenant = self.tenant
        return Answer(queries.select(table, self.query, tenant.config, tenant.rng, refuse_limit=refuse_limit))

    def listed_rows(self, rows: Iterable[Row], names: Iterable[str], *, refuse_limit: bool = False) -> Answer:
        """Answer a list call from rows that are put together for it."""
        tenant = self.tenant
        spelling = {fold(name): name for name in names}
        found = queries.select_rows(rows, spelling, self.query, tenant.config, tenant.rng, refuse_limit=refuse_limit)
        return Answer(found)

    def single(self, row: Row | None, what: str, key: str) -> Answer:
        """Answer a call for a single key: an array all the same; absent as the tenant is set.

        Raises:
            Refusal: 404, nothing has this key.
        """
        if row is None:
            if self.tenant.config.absent_single == "empty":
                return Answer([])
            raise refusals.absent(what, key)
        return Answer([queries.trim(row, self.query)])

    def shown(self, row: Row) -> Row | list[Row]:
        """A record that was just written, in the form the tenant answers writes."""
        trimmed = queries.trim(row, self.query)
        return trimmed if self.tenant.config.created_answer == "object" else [trimmed]

    def location(self, path: str) -> str:
        """The address of a new record."""
        return f"{self.tenant.config.prefix}/{path}"
