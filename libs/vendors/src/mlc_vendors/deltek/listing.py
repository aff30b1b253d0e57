"""Lists of what is posted, page by page, for whoever compares whole periods: never one call per document (§5, §8.2).

The ledger only grows, so a list of it may be read by pages of numbers; what a look-up of documents finds is read whole,
as every look-up is. Reads only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date, timedelta

from mlc_vendors.deltek.calls import Call
from mlc_vendors.deltek.errors import TooManyRows
from mlc_vendors.deltek.models import LedgerRow, Posting
from mlc_vendors.deltek.query import Condition, Lookup
from mlc_vendors.deltek.transactions import Transactions

_EVERYTHING = 1_000_000
"""Sent as the row cap: without one the tenant may cap a ledger list by itself."""

_COLUMNS = ("batch", "invoice", "pkey", "period", "post_seq", "trans_date")


class Listing(Transactions):
    """What is posted, by date and by invoice numbers."""

    async def invoices_dated(self, day: date) -> AsyncIterator[Posting]:
        """Files and invoice numbers of everything posted by invoice files whose documents are of this day.

        A file comes once for each page that it stands on. The ledger's filter on ``TransDate`` is assumed; a tenant
        that ignores it is refused, because its rows are not of the day that was asked for.

        Raises:
            LookupMismatch: rows of another day came.
        """
        column, pkey = LedgerRow.column("trans_date"), LedgerRow.column("pkey")
        columns = ",".join(LedgerRow.column(name) for name in _COLUMNS)
        lookup = Lookup(
            where=[Condition(column, day, "ge"), Condition(column, day + timedelta(days=1), "lt")],
            key=(pkey,),
            order=pkey,
            extra=[(self._calls.contract.query.fields, columns)],
            most=_EVERYTHING,
        )
        async for page in self._calls.pages(self._ledger(), lookup, Posting):
            for batch, invoice in sorted({(row.batch, row.invoice) for row in page}):
                yield Posting(batch=batch, invoice=invoice)

    async def ledger_rows_of_invoices(self, numbers: Sequence[str], *, derived: str = "") -> list[LedgerRow]:
        """Everything that was posted under these invoice numbers, by whatever file and project; debits positive.

        A file that was posted twice has rows of one key twice: none of these may get lost between two pages.

        Args:
            numbers: The numbers.
            derived: Also numbers that begin with one of them and go on with this.
        """
        if not numbers:
            return []
        column = LedgerRow.column("invoice")
        key = tuple(LedgerRow.column(name) for name in ("period", "post_seq", "pkey"))
        either = [Condition(column, number) for number in numbers]
        either += [Condition(column, f"{number}{derived}%", "like") for number in numbers if derived]
        lookup = Lookup(either=either, key=key, order=key[-1], alone=len(numbers) > 1)
        call = Call(endpoint="ledger", values=self._ledger().values, long=len(either) > _IN_AN_ADDRESS)
        try:
            rows = await self._calls.list_of(call, lookup, LedgerRow, None, **self._credit_column)
        except TooManyRows:
            if len(numbers) == 1:
                raise
            half = len(numbers) // 2
            return [
                *await self.ledger_rows_of_invoices(numbers[:half], derived=derived),
                *await self.ledger_rows_of_invoices(numbers[half:], derived=derived),
            ]
        return self._debits(rows)

    def _ledger(self) -> Call:
        transtype = self._calls.contract.transactions.types["invoice"].transtype
        return Call(endpoint="ledger", values={LedgerRow.column("trans_type"): transtype})


_IN_AN_ADDRESS = 6
"""Conditions that fit into an address of 2 kB; more are asked in the body."""
