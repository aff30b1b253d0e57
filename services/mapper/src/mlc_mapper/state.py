"""What the mapper remembers of one order: the newest picture, the facts that stay fixed, what was commanded. Values.

A state is the fold of the order's events by ``evolve`` and carries its ``version``: when the meaning of a field
changes, states of lower versions are folded again from the log (architecture §2). JSON round trips are exact.
"""

from __future__ import annotations

from datetime import date as Date  # noqa: N812 - the field is called date
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import Field

from mlc_common.accounting import Amount, Line, Placement, Value
from mlc_mapper.woocommerce.facts import Facts
from mlc_mapper.woocommerce.order import Picture, StoreRefund

EVOLVE_VERSION = 4
"""Raised by one whenever ``evolve`` gives another state for the same events."""


Pending = Literal["anew", "released", "rebook"]
"""What is to become of a document once its order is read: book it by the rules of then, command it in any case, correct
it even where it is posted. Each includes those before it."""


class LastWish(Value):
    """The newest command of one document.

    How a document was booked stays as it was first commanded, while its money stays the same: its date, its place in
    the ERP's projects, its lines with their accounts and tax codes; so does the date of a withdrawal. A hold forgets
    nothing of that.

    Attributes:
        mapping_version: Of the rules that it was booked by.
    """

    kind: Literal["invoice", "credit_note"]
    seq: int
    wish: Literal["document", "withdrawn", "held"]
    digest: str
    mapping_version: str = ""
    currency: str = ""
    total: Amount = Decimal(0)
    lines: tuple[Line, ...] = ()
    date: Date | None = None
    placement: Placement | None = None
    rule: str = ""

    @property
    def live(self) -> bool:
        """Whether the document is wanted, be it held or not."""
        return self.wish != "withdrawn"

    @property
    def commanded(self) -> bool:
        """Whether it may be in the books: it was commanded as a document, and was not withdrawn since."""
        return self.live and bool(self.lines)


class OrderState(Value):
    """The state of one order within one flow.

    Attributes:
        version: Of ``evolve``.
        flow: The flow.
        connection: The store.
        order_id: The store's own id of the order.
        picture: The newest picture of the order.
        heard_at: When we heard of that picture.
        overruled: The time, by the store's clock, of what the answer to a fetch overruled with an earlier one: its
            clock was set back, and what bears a time up to then may be of before or after. None where it was not, and
            once the newest picture is later.
        contested: The fetch that settles whether that picture or another, which contradicts it, is what the store has;
            None where nothing contradicts it. Until then nothing is decided: the facts are of both.
        facts: What stays fixed over all pictures.
        refunds: Every refund that was ever read with its lines, by id.
        alive_at: When a snapshot last showed the order.
        gone_at: When a snapshot last showed that the store no longer has it.
        seq: Number of the newest command.
        wishes: The newest command of each document key.
        pending: What was asked of documents while more had to be read of the order; the next decision does it. The log
            tells it of releases by their commands, of replays by the fetch that they wait for.
        asked: Fetches that were asked for, the newest last.
        answered: Fetches whose snapshot was folded, the newest last.
    """

    version: int = EVOLVE_VERSION
    flow: str
    connection: str
    order_id: int
    picture: Picture | None = None
    heard_at: datetime | None = None
    overruled: datetime | None = None
    contested: UUID | None = None
    facts: Facts = Field(default_factory=Facts)
    refunds: tuple[StoreRefund, ...] = ()
    alive_at: datetime | None = None
    gone_at: datetime | None = None
    seq: int = 0
    wishes: dict[UUID, LastWish] = Field(default_factory=dict)
    pending: dict[UUID, Pending] = Field(default_factory=dict)
    asked: tuple[UUID, ...] = ()
    answered: tuple[UUID, ...] = ()

    @property
    def gone(self) -> bool:
        """Whether the store no longer has the order, as far as is known."""
        return self.gone_at is not None and (self.alive_at is None or self.gone_at > self.alive_at)

    def refund(self, refund_id: int) -> StoreRefund | None:
        """A refund with its lines, if it was ever read."""
        return next((refund for refund in self.refunds if refund.id == refund_id), None)

    def booked(self, key: UUID, mapping_version: str, *, anew: bool) -> LastWish | None:
        """The document's last command, if how it was booked is to stay.

        Args:
            key: The document.
            mapping_version: Of the rules in force.
            anew: A person released the document: other rules then count.
        """
        last = self.wishes.get(key)
        if last is None or not last.commanded or (anew and last.mapping_version != mapping_version):
            return None
        return last

    def live(self, key: UUID) -> bool:
        """Whether a document was commanded and not withdrawn."""
        last = self.wishes.get(key)
        return last is not None and last.live
