"""What a store and an ERP tell when a period is compared, document by document; and who reads it from them.

Facts are what the two outside systems say now, through their own interfaces, and never what we recorded. Each kind of
store and of ERP offers one reader, found by its entry point (groups ``mlc.sales`` and ``mlc.books``, by kind), so that
the next one adds a module and changes nothing here. Readers only read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from importlib.metadata import entry_points
from typing import Any, Protocol, cast

from mlc_common.clock import Clock
from mlc_common.errors import ConfigurationError
from mlc_common.http import HttpObserver
from mlc_common.vault import Vault
from mlc_common.vault.connections import Connection

SALES, BOOKS = "mlc.sales", "mlc.books"


@dataclass(frozen=True, kw_only=True)
class RefundFact:
    """A refund as the store says it: ``amount`` is what was paid back, positive; ``created`` None = not read yet."""

    id: str
    amount: Decimal
    created: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class SaleFact:
    """An order as the store says it now.

    Attributes:
        id: The store's own id of it.
        number: As the buyer sees it.
        status: The store's own word.
        total: Major units of ``currency``; not reduced by refunds.
        created: When it was placed; ``changed`` when it was changed last, as far as the store tells.
        paid_at: When it was paid; None = the store knows of no payment.
        transaction: The payment's id at whoever took the money; may be empty.
        refunds: Those that the order has now.
        record: The store's own JSON, ``{"order": …, "refunds": […]}``, for the rules of the mapping.
        defect: What of it cannot be read; the amounts then mean nothing.
    """

    id: str
    number: str = ""
    status: str = ""
    currency: str = ""
    total: Decimal = Decimal(0)
    created: datetime
    changed: datetime
    paid_at: datetime | None = None
    transaction: str = ""
    refunds: tuple[RefundFact, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)
    defect: str = ""


@dataclass(frozen=True, kw_only=True)
class BookFact:
    """One document in the ERP.

    Attributes:
        order: Id of the order that its number or reference names; empty where they name none of ours.
        refund: Id of the refund that it credits; empty where it belongs to the sale itself.
        reference: Our key as the ERP carries it (Deltek: the name of the file).
        number: As a person sees it there.
        amount: Raises what the buyer owes when positive; a credit is negative.
        posted: In the books; False = a draft.
        ours: Whether its reference is one that we give.
        derived: It follows from another document of ours: it adjusts or cancels it.
        run: Tells two postings of one reference apart.
    """

    order: str
    refund: str = ""
    reference: str
    number: str = ""
    currency: str = ""
    amount: Decimal
    date: date | None = None
    place: str = ""
    posted: bool = True
    ours: bool = True
    derived: bool = False
    run: str = ""


@dataclass(frozen=True)
class Mention:
    """That a document stands in the ERP: ``order`` by its number; empty where the number is none of ours."""

    order: str
    reference: str


@dataclass(frozen=True)
class Numbering:
    """How a mapping numbers its documents: all that tells ours from those of others."""

    store_code: str
    invoice_prefix: str


class Sales(Protocol):
    """Reads one store. A page at a time, never the whole period; in no order that anything may rest on.

    An order may come twice where it changes while it is read. Whatever fails raises: an incomplete list must never
    look like a complete one.
    """

    def created(self, since: datetime, until: datetime) -> AsyncIterator[SaleFact]:
        """Orders placed in [since, until), deleted ones as far as the store still lists them."""
        ...

    def changed(self, since: datetime, placed_before: datetime) -> AsyncIterator[SaleFact]:
        """Orders placed before an instant and changed at or after another."""
        ...

    async def refunded(self, since: datetime, until: datetime) -> set[str] | None:
        """Ids of the orders with a refund created in [since, until); None where the store has no such list."""
        ...

    async def by_id(self, ids: Sequence[str]) -> dict[str, SaleFact]:
        """The orders of these ids that the store still has, in whatever status."""
        ...

    async def with_refunds(self, sale: SaleFact) -> SaleFact:
        """The sale with its refunds read whole: their dates and, in the record, their lines."""
        ...


class Books(Protocol):
    """Reads one ERP, by lists, never by one call per document. Whatever fails raises, as with ``Sales``."""

    def dated(self, day: date) -> AsyncIterator[Mention]:
        """What is posted with a document date of this day; one document may come several times."""
        ...

    async def documents(self, orders: Sequence[str]) -> list[BookFact]:
        """Everything that is posted under the numbers of these orders, of whatever date and by whomever."""
        ...

    async def under(self, reference: str) -> list[BookFact]:
        """Everything that is posted under one reference, whatever its number says."""
        ...

    async def drafts(self) -> list[BookFact]:
        """Documents of ours that are not posted; none where the ERP cannot list them."""
        ...


class OpenSales(Protocol):
    """Opens the reader of one store connection."""

    def __call__(
        self, connection: Connection, vault: Vault, clock: Clock, observer: HttpObserver
    ) -> AbstractAsyncContextManager[Sales]:
        """Close it by leaving the context."""
        ...


class OpenBooks(Protocol):
    """Opens the reader of one ERP connection, for documents of these numberings; it leaves most calls to posting."""

    def __call__(
        self,
        connection: Connection,
        vault: Vault,
        clock: Clock,
        observer: HttpObserver,
        numberings: Sequence[Numbering],
    ) -> AbstractAsyncContextManager[Books]:
        """Close it by leaving the context."""
        ...


def sales_of(kind: str) -> OpenSales:
    """The reader of a kind of store.

    Raises:
        ConfigurationError: this kind cannot be compared.
    """
    return cast(OpenSales, _offered(SALES, kind))


def books_of(kind: str) -> OpenBooks:
    """The reader of a kind of ERP.

    Raises:
        ConfigurationError: this kind cannot be compared.
    """
    return cast(OpenBooks, _offered(BOOKS, kind))


def _offered(group: str, kind: str) -> Any:
    found = {point.name: point for point in entry_points(group=group)}
    if kind not in found:
        raise ConfigurationError(f"nothing here can list what {kind} holds; known are {', '.join(sorted(found))}")
    return found[kind].load()
