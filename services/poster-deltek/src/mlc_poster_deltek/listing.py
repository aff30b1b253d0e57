"""What Vantagepoint's books hold, as facts for the reconciliation: by lists, never by one call per document.

Amounts are those of the ledger (facts §8.2), without what posting made by itself; they say what the buyer owes. Flags
and totals of transaction entry prove nothing about the books: they are read for drafts alone. Reads only, and leaves
the greater part of the tenant's calls to posting.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from decimal import Decimal

from mlc_common.accounting import NumberLimits, document_number
from mlc_common.clock import Clock
from mlc_common.http import HttpObserver
from mlc_common.reconciling import BookFact, Mention, Numbering
from mlc_common.vault import Vault
from mlc_common.vault.connections import Connection
from mlc_poster_deltek.connection import open_client
from mlc_vendors.deltek import DeltekClient
from mlc_vendors.deltek.models import LedgerRow

LIMITS = NumberLimits(number=12, number_min=7, reference=32)
CREDIT_LIMITS = NumberLimits(number=12, number_min=8, reference=32)
"""Facts §13; the numbers of the mapper's documents, which a test compares."""

_ADJUSTED = "A"
"""What an adjustment's number has after that of the document that it adjusts."""

SHARE = 0.4
"""Of the calls per second that the tenant grants: posting goes first."""

_AT_ONCE = 40
"""Invoices of one look-up: some hundred rows."""


class Names:
    """Reads orders and refunds out of references and numbers of ours.

    ``IN-WC01-17`` and ``WA00017`` for an order, ``CM-WC01-17-R25`` for a credit (under its invoice's number); what
    adjusts or cancels has a suffix: ``IN-WC01-17-A1`` under ``WA00017A1``, ``CM-WC01-17-R25-A1`` under ``WAR00025A1``.

    Args:
        numberings: Every one that the flow ever had: a credit of today's reference is under the number that its invoice
            was posted with.
    """

    def __init__(self, *numberings: Numbering) -> None:
        code = f"(?:{'|'.join(dict.fromkeys(re.escape(each.store_code) for each in numberings))})"
        self._prefixes = list(dict.fromkeys(each.invoice_prefix for each in numberings))
        self._reference = re.compile(
            rf"(?:IN-{code}-(?P<order>\d+)|CM-{code}-(?P<credited>\d+)-R(?P<refund>\d+))(?P<derived>-[XA]\d+)?",
            re.IGNORECASE,
        )
        prefix = "|".join(map(re.escape, self._prefixes))
        self._number = re.compile(rf"(?:{prefix})(?P<order>\d+)(?:A\d+)?", re.IGNORECASE)

    def numbers_of(self, order: str) -> list[str]:
        """The numbers that an order's invoice may have."""
        return [document_number(prefix, order, LIMITS) for prefix in self._prefixes]

    def credit_numbers_of(self, refund: str) -> list[str]:
        """The numbers that a refund's credit may have, from which those of its adjustments are made."""
        return [document_number(f"{prefix}R", refund, CREDIT_LIMITS) for prefix in self._prefixes]

    def order_of(self, number: str) -> str:
        """The order of an invoice number; empty where it is none of ours."""
        found = self._number.fullmatch(number)
        return str(int(found["order"])) if found else ""

    def knows(self, reference: str) -> bool:
        """Whether a reference is one that we give."""
        return self._reference.fullmatch(reference) is not None

    def fact(self, reference: str, number: str, amount: Decimal) -> BookFact:
        """A document by its number and reference; it is ours where both name the same order.

        What adjusts or cancels may have a number in which neither can be read: its reference alone says whose it is.

        Args:
            reference: The file's name.
            number: Its invoice number; empty where it is not known.
            amount: What it says.
        """
        found, filed = self._reference.fullmatch(reference), self.order_of(number)
        named = str(int(found["order"] or found["credited"])) if found else ""
        derived = bool(found and found["derived"])
        if found is None or (number.strip() and filed != named and not derived):
            return BookFact(order=filed, reference=reference, number=number, amount=amount, ours=False)
        return BookFact(
            order=named,
            refund=str(int(found["refund"])) if found["refund"] else "",
            reference=reference,
            number=number,
            amount=amount,
            derived=derived,
        )


class DeltekBooks:
    """One tenant's books, as ``mlc_common.reconciling.Books``."""

    def __init__(self, client: DeltekClient, names: Names) -> None:
        self._client = client
        self._names = names

    async def dated(self, day: date) -> AsyncIterator[Mention]:
        """See ``Books``. Rows that posting made have no number, and belong to a document that has."""
        async for posting in self._client.invoices_dated(day):
            if not posting.invoice.strip():
                continue
            order = self._names.fact(posting.batch, posting.invoice, Decimal(0)).order
            if order or self._names.knows(posting.batch):
                yield Mention(order, posting.batch)

    async def documents(self, orders: Sequence[str]) -> list[BookFact]:
        """See ``Books``. Adjustments of a credit have numbers of their own, made from that of the credit."""
        wanted = list(dict.fromkeys(orders))
        found: list[BookFact] = []
        for start in range(0, len(wanted), _AT_ONCE):
            numbers = [each for order in wanted[start : start + _AT_ONCE] for each in self._names.numbers_of(order)]
            facts = await self._under(numbers)
            refunds = dict.fromkeys(fact.refund for fact in facts if fact.refund)
            found += facts
            found += await self._under([each for refund in refunds for each in self._names.credit_numbers_of(refund)])
        chosen = set(wanted)
        return [fact for fact in found if fact.order in chosen]

    async def _under(self, numbers: Sequence[str]) -> list[BookFact]:
        facts: list[BookFact] = []
        for start in range(0, len(numbers), _AT_ONCE):
            some = numbers[start : start + _AT_ONCE]
            facts += self._facts(await self._client.ledger_rows_of_invoices(some, derived=_ADJUSTED))
        return facts

    async def under(self, reference: str) -> list[BookFact]:
        """See ``Books``."""
        rows = await self._client.ledger_rows(reference)
        return list(self._facts(row for row in rows if row.invoice.strip()))

    async def drafts(self) -> list[BookFact]:
        """See ``Books``. A tenant without files lists none."""
        found = []
        for row in await self._client.unposted_files():
            fact = self._names.fact(row.batch, "", row.total or Decimal(0))
            if fact.ours:
                found.append(replace(fact, posted=False))
        return found

    def _facts(self, rows: Iterable[LedgerRow]) -> Iterable[BookFact]:
        """One fact per posting of a file under one number; the ledger's credits raise what is owed."""
        groups: dict[tuple[str, str, str, int, int], list[LedgerRow]] = {}
        for row in rows:
            if not row.auto:
                key = (row.batch.casefold(), row.invoice.casefold(), row.wbs1.casefold(), row.period, row.post_seq)
                groups.setdefault(key, []).append(row)
        for (_, _, _, period, post_seq), group in groups.items():
            first = group[0]
            amount = sum((-row.billed for row in group), Decimal(0))
            yield replace(
                self._names.fact(first.batch, first.invoice, amount),
                currency=first.currency,
                date=first.trans_date,
                place=first.wbs1,
                run=f"{period}/{post_seq}",
            )


@asynccontextmanager
async def open_books(
    connection: Connection, vault: Vault, clock: Clock, observer: HttpObserver, numberings: Sequence[Numbering]
) -> AsyncIterator[DeltekBooks]:
    """The reader of an ERP connection (see ``mlc_common.reconciling.OpenBooks``)."""
    async with await open_client(connection, vault, clock, observer, share=SHARE) as client:
        yield DeltekBooks(client, Names(*numberings))
