"""One call to the tenant: address from the contract, session, the 401 rule, and refusals turned into typed errors.

A read may be sent again with a new session; a write never is, not even after 401: its outcome counts as open until the
tenant was asked (§4, §11). Bodies are exact JSON in both directions.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from mlc_common import exactjson
from mlc_common.errors import Retryable, Unconfirmed, Undecodable
from mlc_common.http import HttpAnswer
from mlc_vendors.deltek.auth import DeltekAuth
from mlc_vendors.deltek.contract import TenantContract
from mlc_vendors.deltek.errors import SignInRefused, UnknownShape, error_of, is_absence
from mlc_vendors.deltek.models import Row
from mlc_vendors.deltek.query import Lookup, RawRow, Walk, mismatch, page_params, record_of, rows_of
from mlc_vendors.deltek.sender import Sender

Verb = Literal["GET", "POST", "PUT", "DELETE"]
RowT = TypeVar("RowT", bound=Row)
AnyT = TypeVar("AnyT")
Whole = Callable[[Sequence[AnyT]], bool]
"""Whether rows prove by what they hold (a control total, a balance) that none is missing."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request, in the contract's words.

    Attributes:
        endpoint: Name in the contract, such as "trans.control.create"; also the name in metrics.
        verb: HTTP method, unless the contract says another.
        values: Fill the ``{Name}`` places of path and query.
        params: More query parameters.
        body: JSON body.
        reference: What to look for where the outcome of a write stays open; None = a read.
        repeatable: A write that may be sent twice (it sets a state, it adds nothing).
        timeout_s: Longest time, instead of the default for reads.
        long: A read whose filters may not fit into an address (2 kB at many servers): asked in the body (§5).
    """

    endpoint: str
    verb: Verb = "GET"
    values: Mapping[str, str] = field(default_factory=dict)
    params: Sequence[tuple[str, str]] = ()
    body: Any = None
    reference: str | None = None
    repeatable: bool = False
    timeout_s: float | None = None
    long: bool = False

    @property
    def safe(self) -> bool:
        """Whether sending it twice does no harm."""
        return self.reference is None or self.repeatable

    @property
    def what(self) -> str:
        """How messages name it."""
        return f"{self.endpoint} {self.reference}" if self.reference else self.endpoint


class Calls:
    """Sends calls for one connection."""

    def __init__(self, contract: TenantContract, auth: DeltekAuth, sender: Sender) -> None:
        self.contract = contract
        self._auth = auth
        self._sender = sender
        self._write_met_401 = False  # then the next write gets a session of its own: each such end costs minutes

    async def find_one(self, call: Call, model: type[RowT], *, key: str, value: str, **names: str) -> RowT | None:
        """The record of a single-key address, or None where there is none.

        Args:
            call: The read.
            model: Its row.
            key: The key's column; every row must have ``value`` there.
            value: The key that was asked for.
            names: Our field name → the tenant's column, for columns that tenants name.

        Raises:
            LookupMismatch: another record came back.
            UnknownShape: several records, or a form that is not known.
        """
        rows = await self.find_rows(call, key=key, value=value)
        if len(rows) > 1:
            raise UnknownShape(f"Deltek answered {len(rows)} records for one key at {call.what}")
        return self.typed(model, rows[0], call.what, **names) if rows else None

    async def find_rows(self, call: Call, *, key: str, value: str) -> list[RawRow]:
        """All rows of a single-key address, each checked against the key; empty where it says that there is none."""
        answer = await self._answer(call)
        if is_absence(answer, self.contract.errors):
            return []
        rows = self._rows(call, answer)
        if any(str(row.get(key, "")).casefold() != value.casefold() for row in rows):
            raise mismatch(call.what, key)
        return rows

    async def walk(self, call: Call, lookup: Lookup, *, whole: Whole[RawRow] | None = None) -> list[RawRow]:
        """All rows of a list, page by page, each row checked. 404 means no rows only where it says so.

        ``whole`` may spare the look at an empty second page: it says whether the rows of a first page that was not
        filled prove by what they hold that nothing is missing.
        """
        endpoint = self.contract.endpoints[call.endpoint]
        walk, more = Walk(lookup, call.what), True
        while more:
            paging = page_params(lookup, walk.pages, endpoint.path, self.contract.query)
            answer = await self._answer(call, [*call.params, *paging])
            if is_absence(answer, self.contract.errors):
                break
            page = self._rows(call, answer)
            more = walk.add(page)
            unfilled = walk.pages == 1 and len(page) < self.contract.query.default_page_size
            if whole is not None and unfilled and whole(list(walk.rows.values())):
                break
        return list(walk.rows.values())

    async def pages(self, call: Call, lookup: Lookup, model: type[RowT]) -> AsyncIterator[list[RowT]]:
        """The pages of a long list, each row checked, none kept. For lists that only grow while they are read.

        A row that comes into such a list moves others to later pages, so that some come twice and none is left out.
        """
        endpoint, walk, full, last = self.contract.endpoints[call.endpoint], Walk(lookup, call.what), 0, list[RawRow]()
        for number in itertools.count():
            paging = page_params(lookup, number, endpoint.path, self.contract.query)
            answer = await self._answer(call, [*call.params, *paging])
            page = [] if is_absence(answer, self.contract.errors) else self._rows(call, answer)
            if not page or page == last:  # the same page again: the tenant knows no pages and gave everything
                return
            for row in page:
                walk.check(row)
            yield [self.typed(model, row, call.what) for row in page]
            if len(page) < full:
                return
            full, last = full or len(page), page

    async def list_of(
        self, call: Call, lookup: Lookup, model: type[RowT], whole: Whole[RowT] | None = None, /, **names: str
    ) -> list[RowT]:
        """``walk``, typed."""

        def typed(rows: Sequence[RawRow]) -> list[RowT]:
            return [self.typed(model, row, call.what, **names) for row in rows]

        proof: Whole[RawRow] | None = None if whole is None else lambda rows: whole(typed(rows))
        return typed(await self.walk(call, lookup, whole=proof))

    async def read(self, call: Call) -> HttpAnswer:
        """The 2xx answer of a read as it is."""
        return self._accepted(call, await self._answer(call))

    async def one_record(self, call: Call, key: str) -> RawRow:
        """The one record that a read or a repeatable write answers with; it must be there.

        Raises:
            UnknownShape: no record, several, or one without ``key``.
        """
        answer = await self.read(call)
        try:
            return record_of(answer, call.what, key=key)
        except Undecodable:
            raise _a_page(call.what) from None

    async def write(self, call: Call) -> HttpAnswer:
        """Send a write and return its 2xx answer.

        Raises:
            Rejected: refused, with its class.
            Unconfirmed: it may have taken effect; look for ``call.reference``.
            Retryable: it was not sent, or not taken up.
        """
        return self._accepted(call, await self._answer(call))

    async def written_record(self, call: Call, model: type[RowT], *, key: str, **names: str) -> RowT:
        """``write``, and its record.

        Raises:
            Unconfirmed: also where it was accepted but the record in the answer cannot be read.
        """
        answer = await self.write(call)
        try:
            return self.typed(model, record_of(answer, call.what, key=key), call.what, **names)
        except (Undecodable, UnknownShape) as error:
            raise Unconfirmed(
                call.reference or call.endpoint, f"{call.what} was accepted but its answer cannot be read: {error}"
            ) from None

    def typed(self, model: type[RowT], row: RawRow, what: str, **names: str) -> RowT:
        """A row as its model; ``names`` maps our field names to the tenant's columns.

        Raises:
            UnknownShape: a column that we need is missing or cannot be read; values are not quoted.
        """
        own = {ours: row[theirs] for ours, theirs in names.items() if theirs in row}
        try:
            return model.model_validate({**row, **own})
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise UnknownShape(f"Deltek answered a row at {what} that cannot be read ({wrong})") from None

    def _rows(self, call: Call, answer: HttpAnswer) -> list[RawRow]:
        try:
            return rows_of(self._accepted(call, answer), call.what)
        except Undecodable:
            raise _a_page(call.what) from None

    def _accepted(self, call: Call, answer: HttpAnswer) -> HttpAnswer:
        if 200 <= answer.status < 300:
            return answer
        reference = None if call.safe else call.reference
        raise error_of(answer, self.contract.errors, what=call.what, reference=reference)

    async def _answer(self, call: Call, params: Sequence[tuple[str, str]] | None = None) -> HttpAnswer:
        """The tenant's answer under a session it accepts."""
        token = await self._auth.token()
        if self._write_met_401 and not call.safe:
            token = await self._auth.renewed(token)
        answer = await self._send(call, params, token)
        if not call.safe:
            self._write_met_401 = answer.status == 401
        if answer.status != 401:
            return answer
        if not call.safe:
            self._auth.distrust(token)
            reference = call.reference or call.endpoint
            raise Unconfirmed(reference, f"the session ended at {call.what}; look for {reference} before sending again")
        for renew in (self._auth.renewed, self._auth.signed_in):
            token = await renew(token)
            answer = await self._send(call, params, token)
            if answer.status != 401:
                return answer
        raise SignInRefused(
            f"Deltek answers 401 to {call.what} although it gave a session; check rights and companies of the API user"
        )

    async def _send(self, call: Call, params: Sequence[tuple[str, str]] | None, token: str) -> HttpAnswer:
        endpoint = self.contract.endpoints[call.endpoint]
        query = [*endpoint.filled_query(call.values), *(call.params if params is None else params)]
        url = self.contract.base.url(endpoint.root, endpoint.filled_path(call.values))
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if call.long:
            return await self._sender.request(
                "POST",
                url,
                headers=headers | {self.contract.query.post_as_get_header: "true"},
                form=dict(query),
                safe=True,
                timeout_s=call.timeout_s,
                template=call.endpoint,
            )
        try:
            return await self._sender.request(
                endpoint.method or call.verb,
                url,
                headers=headers | {"Content-Type": "application/json"},
                params=query,
                content=None if call.body is None else exactjson.dumps(call.body),
                safe=call.safe,
                timeout_s=call.timeout_s,
                template=call.endpoint,
            )
        except Unconfirmed as error:
            raise Unconfirmed(call.reference or error.reference, str(error)) from None


def _a_page(what: str) -> Retryable:
    return Retryable(f"something in front of Deltek answered {what} with a page instead of data; try again later")
