"""What an order is judged by, as values: the facts of both sides, the mapping's ruling, and what we recorded. Pure.

Only the facts may say that something is equal. The ruling says what ought to be in the books, never how much; what we
recorded explains why something is not there (yet), and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from mlc_common.reconciling import BookFact, SaleFact

SALE = ""
"""The piece of an order that is the sale itself; its other pieces are called by the ids of their refunds."""


class Verdict(StrEnum):
    """What became of an order, a refund or a document."""

    POSTED = "posted"
    HELD = "held"
    WAITING = "waiting"
    EXCLUDED = "excluded"
    MISSING = "missing"
    DIFFERS = "differs"
    WITHOUT_SALE = "without_sale"


UNEXPLAINED = frozenset({Verdict.MISSING, Verdict.DIFFERS, Verdict.WITHOUT_SALE})


@dataclass(frozen=True)
class Rule:
    """A rule of the mapping by which something makes no document, and what made it apply."""

    name: str
    detail: str = ""


@dataclass(frozen=True)
class Ruling:
    """What of an order ought to be in the books.

    Attributes:
        sale: The rule that leaves the sale out; None = it ought to be in the books.
        refunds: The rules that leave refunds out, by their ids.
        perhaps: A rule that leaves the sale out if nothing was ever recorded of it: the order's present state alone
            does not tell.
    """

    sale: Rule | None = None
    refunds: Mapping[str, Rule] = field(default_factory=dict)
    perhaps: Rule | None = None


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What the posting ledger says of the sale or of one refund: the row that still wants something, if one does.

    Attributes:
        state: ``held`` waits for a person, ``waiting`` for us, ``resolved`` was settled by a person, ``settled`` by us.
        since: When the ledger last changed it.
        wanted: Whether the last word was that it ought to be in the books.
    """

    state: Literal["held", "waiting", "resolved", "settled"]
    since: datetime
    reason: str = ""
    detail: str = ""
    fix: str = ""
    by: str = ""
    why: str = ""
    wanted: bool = True


@dataclass(frozen=True)
class Recorded:
    """What we recorded of one order.

    Attributes:
        pieces: By ``SALE`` or the refund's id.
        queued: Commands for it are on their way to the poster.
    """

    pieces: Mapping[str, Piece] = field(default_factory=dict)
    queued: bool = False


@dataclass(frozen=True, kw_only=True)
class Case:
    """One order (or a document's order that the store does not have) with everything that it is judged by.

    Attributes:
        sale: None = the store does not have the order.
        books: What is posted under its number.
        drafts: What lies in the ERP unposted.
        now: When the facts were read.
        patience: How long an order may normally be on its way.
    """

    order: str
    sale: SaleFact | None
    ruling: Ruling = Ruling()
    books: tuple[BookFact, ...] = ()
    drafts: tuple[BookFact, ...] = ()
    recorded: Recorded = Recorded()
    now: datetime
    patience: timedelta


@dataclass(frozen=True)
class Payment:
    """That an order was paid, as far as the store knows: on which day (its own), how much, and the transaction."""

    day: date
    amount: Decimal
    transaction: str


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The verdict on one order, one refund, or one document that no sale explains.

    Attributes:
        id: The store's id, or the document's reference.
        order: The order that it belongs to.
        store: What the store says, signed: a refund is negative.
        books: What the ERP's books say.
        sentence: Why, for a bookkeeper; empty for what is simply posted.
        references: The documents.
        paid: The order's payment, where it lies in the period.
        by_hand: Both sides differ, and a person's word alone explains it.
    """

    kind: Literal["order", "refund", "document"]
    id: str
    order: str
    verdict: Verdict
    currency: str
    store: Decimal
    books: Decimal
    sentence: str = ""
    references: tuple[str, ...] = ()
    paid: Payment | None = None
    by_hand: bool = False

    @property
    def unexplained(self) -> bool:
        """Whether a person has to find out."""
        return self.verdict in UNEXPLAINED
