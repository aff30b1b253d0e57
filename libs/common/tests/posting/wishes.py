"""Commands as a mapper would issue them, one order at a time."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

from mlc_common.accounting import (
    CreditNote,
    Invoice,
    Line,
    LineKind,
    Party,
    Placement,
    Source,
    command_id,
    content_digest,
    document_key,
    party_key,
    source_digest,
)
from mlc_common.events import Command, DocumentWish, HeldWish, ResolvedWish, Wish, Withdrawn

Adjusting = Literal["hold", "difference", "rebook"]

FLOW = "shop-to-books"
DAY = date(2026, 3, 14)


def buyer(customer: str = "7", *, create: bool = False) -> Party:
    """A buyer; with ``create`` the engine must find or make the firm."""
    return Party(
        key=party_key(FLOW, customer),
        external_key=f"WC01:{customer}",
        name=f"Buyer {customer}",
        match=("external_key",) if create else (),
        create=create,
    )


def line(net: str, account: str = "401.00") -> Line:
    """One line without tax."""
    return Line(kind=LineKind.ITEM, source_line="line:1", net=Decimal(net), account=account)


class Order:
    """Issues the commands of one order; ``seq`` counts as in the mapper's state."""

    def __init__(
        self, number: str = "1001", *, party: Party | None = None, adjusting: Adjusting = "hold", on: date | None = None
    ) -> None:
        self.number = number
        self.adjusting = adjusting
        self.on = on
        self.party = party or buyer()
        self.code = "WC01"
        self.key = document_key(FLOW, "invoice", number)
        self.seq = 0

    def renumbered(self) -> Order:
        """From now on its documents get other numbers and references: somebody changed the mapping's numbering."""
        self.code = "WC02"
        return self

    def credit_key(self, refund: str = "77") -> object:
        """The key of the credit of one refund."""
        return document_key(FLOW, "credit_note", refund)

    def bill(self, net: str, *, account: str = "401.00", currency: str = "USD") -> Invoice:
        """The invoice, as it would be with this amount."""
        return Invoice(
            key=self.key,
            number=self._number,
            reference=f"IN-{self.code}-{self.number}",
            lines=(line(net, account),),
            **self._shared(net, currency),
        )

    def refund(self, net: str, refund: str = "77") -> CreditNote:
        """The credit of one refund."""
        return CreditNote(
            key=document_key(FLOW, "credit_note", refund),
            number=f"{self._number[:2]}R{refund:0>5}",
            reference=f"CM-{self.code}-{self.number}-R{refund}",
            lines=(line(net),),
            invoice=self.key,
            invoice_number=self._number,
            **self._shared(net),
        )

    def invoice(self, net: str, *, released: bool = False, account: str = "401.00", currency: str = "USD") -> Command:
        """The invoice should be this."""
        return self._command(self.bill(net, account=account, currency=currency), released=released)

    def credit(self, net: str, refund: str = "77", *, released: bool = False) -> Command:
        """The credit of this refund should be this."""
        return self._command(self.refund(net, refund), released=released)

    def withdraw(self, *, released: bool = False) -> Command:
        """The invoice should not be."""
        wish = Withdrawn(rule="cancelled", date=date(2026, 3, 20))
        return self._wish(self.bill("0.00"), wish, released=released)

    def withdraw_credit(self, refund: str = "77") -> Command:
        """The credit should not be."""
        return self._wish(self.refund("0.00", refund), Withdrawn(rule="refund_deleted"))

    def resolve(self, found: Literal["posted", "absent", "closed"], *, credit: str = "") -> Command:
        """A person settled the invoice, or the credit of a refund."""
        wish = ResolvedWish(found=found, by="ada", why="looked it up")
        return self._wish(self.refund("0.00", credit) if credit else self.bill("0.00"), wish)

    def cannot(self, reason: str = "account_unknown", *, released: bool = False) -> Command:
        """The invoice should be, but cannot be mapped."""
        return self._wish(self.bill("0.00"), HeldWish(reason=reason, detail="for the test"), released=released)

    @property
    def _number(self) -> str:
        return f"{'WA' if self.code == 'WC01' else 'WB'}{self.number:0>5}"

    def _command(self, document: Invoice | CreditNote, *, released: bool) -> Command:
        return self._wish(document, DocumentWish(document=document), released=released)

    def _wish(self, document: Invoice | CreditNote, wish: Wish, *, released: bool = False) -> Command:
        self.seq += 1
        return Command(
            command_id=command_id(document.key, self.seq),
            document_key=document.key,
            flow=FLOW,
            order_key=f"wc01:order:{self.number}",
            seq=self.seq,
            kind=document.type,
            wish=wish,
            cause=f"event {self.seq}",
            content_digest=content_digest(wish),
            source_digest=source_digest(document) if isinstance(wish, DocumentWish) else "",
            released=released,
            adjusting=self.adjusting,
            on=self.on,
        )

    def _shared(self, net: str, currency: str = "USD") -> dict[str, object]:
        return {
            "flow": FLOW,
            "date": DAY,
            "currency": currency,
            "sources": (Source(connection="wc01", kind="order", id=self.number),),
            "party": self.party,
            "placement": Placement(rule="fixed", project="P1"),
            "net": Decimal(net),
            "tax": Decimal(0),
            "total": Decimal(net),
        }
