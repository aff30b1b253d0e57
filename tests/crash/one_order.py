"""One order with a refund, as commands of the mapper: what the poster's crash tests let it post."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from mlc_common.accounting import (
    CreditNote,
    Invoice,
    Line,
    LineKind,
    Party,
    Placement,
    Source,
    Tax,
    command_id,
    content_digest,
    document_key,
    party_key,
    source_digest,
)
from mlc_common.events import Command, DocumentWish, Envelope, encode

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)


class OneOrder:
    """An order of 100.00 and 8.00 tax by a buyer without a firm, of which 25.00 and 2.00 were returned.

    Args:
        flow: Its flow.
        number: Its id in the store, and its buyer's.
    """

    def __init__(self, flow: str, number: int) -> None:
        self.flow = flow
        self.number = number
        self.invoice = self._invoice()
        self.credit = self._credit()
        self.key = f"shop:order:{number}"

    @property
    def books(self) -> dict[str, list[tuple[str, str]]]:
        """What must stand in the ledger in the end: account and amount per batch, credits negative."""
        return {
            self.invoice.reference: [("221.00", "-8.00"), ("401.00", "-100.00")],
            self.credit.reference: [("221.00", "2.00"), ("401.00", "25.00")],
        }

    def commands(self) -> list[Envelope]:
        """What the mapper would append to the log."""
        return [self._command(1, self.invoice), self._command(2, self.credit)]

    def _invoice(self) -> Invoice:
        party = Party(
            key=party_key(self.flow, str(self.number)),
            external_key=f"WC01:{self.number}",
            name=f"Buyer {self.number}",
            last_name="Buyer",
            customer_id=str(self.number),
            match=("external_key",),
            create=True,
        )
        return Invoice.model_validate(
            self._common("100.00", "8.00")
            | {
                "key": document_key(self.flow, "invoice", str(self.number)),
                "number": f"WA{self.number:05}",
                "reference": f"IN-WC01-{self.number}",
                "sources": (Source(connection="shop", kind="order", id=str(self.number)),),
                "party": party,
            }
        )

    def _credit(self) -> CreditNote:
        source = Source(connection="shop", kind="refund", id=f"9{self.number}", parent=str(self.number))
        return CreditNote.model_validate(
            self._common("25.00", "2.00")
            | {
                "key": document_key(self.flow, "credit_note", source.id),
                "number": f"WAR{source.id}",
                "reference": f"CM-WC01-{self.number}-R{source.id}",
                "sources": (source,),
                "party": self.invoice.party,
                "invoice": self.invoice.key,
                "invoice_number": self.invoice.number,
            }
        )

    def _common(self, net: str, tax: str) -> dict[str, Any]:
        amount, taxed = Decimal(net), Decimal(tax)
        taxes = (Tax(code="IL_STATE", amount=taxed, basis=amount, account="221.00"),)
        line = Line(kind=LineKind.ITEM, source_line="line:1", net=amount, taxes=taxes, account="401.00")
        return {
            "flow": self.flow,
            "date": date(2026, 11, 20),
            "currency": "USD",
            "placement": Placement(rule="fixed", project="STORE.WEB01"),
            "lines": (line,),
            "net": amount,
            "tax": taxed,
            "total": amount + taxed,
        }

    def _command(self, seq: int, document: Invoice | CreditNote) -> Envelope:
        wish = DocumentWish(document=document)
        command = Command(
            command_id=command_id(document.key, seq),
            document_key=document.key,
            flow=self.flow,
            order_key=self.key,
            seq=seq,
            kind=document.type,
            wish=wish,
            cause="test",
            content_digest=content_digest(wish),
            source_digest=source_digest(document),
        )
        headers = {"documentkey": str(document.key), "seq": str(seq), "flow": self.flow, "kind": document.type}
        return encode(
            command,
            event_id=command.command_id,
            subject=self.key,
            source="/test/mapper",
            time=AT,
            extensions=headers,
        )
