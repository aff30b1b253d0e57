"""Documents and wishes for the poster's tests, as the mapper would make them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from mlc_common.accounting import (
    CreditNote,
    HoldReason,
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
from mlc_common.events import Command, DocumentWish, HeldWish, Withdrawn

WEB = Placement(rule="fixed", project="STORE.WEB01")
Document = Invoice | CreditNote


def line(net: str, tax: str = "0", *, account: str = "401.00", **changes: Any) -> Line:
    """One item with at most one tax."""
    amount, taxed = Decimal(net), Decimal(tax)
    taxes = (Tax(code="IL_STATE", amount=taxed, basis=amount, account="221.00"),) if taxed else ()
    values = {"kind": LineKind.ITEM, "source_line": "line:1", "sku": "MUG", "net": amount, "account": account}
    return Line.model_validate({**values, "taxes": taxes, **changes})


class Shop:
    """Makes the documents and wishes of one flow, which no other test uses.

    Args:
        flow: The flow.
    """

    def __init__(self, flow: str) -> None:
        self.flow = flow

    def invoice(self, order: int = 1001, *lines: Line, **changes: Any) -> Invoice:
        """An order on the web project; without lines, one of 100.00 and 8.00 tax."""
        lines = lines or (line("100.00", "8.00"),)
        return Invoice.model_validate(
            {
                "key": document_key(self.flow, "invoice", str(order)),
                "flow": self.flow,
                "number": f"WA{order:05}",
                "reference": f"IN-WC01-{order}",
                "date": date(2026, 11, 20),
                "currency": "USD",
                "sources": (Source(connection="shop", kind="order", id=str(order), number=str(order)),),
                "party": self.buyer(),
                "placement": WEB,
                **_sums(lines),
                **changes,
            }
        )

    def credit(self, refund: int, of: Invoice, *lines: Line, **changes: Any) -> CreditNote:
        """A refund of these lines of an invoice."""
        order = of.sources[0].id
        return CreditNote.model_validate(
            {
                "key": document_key(self.flow, "credit_note", str(refund)),
                "flow": self.flow,
                "number": f"WAR{refund:05}",
                "reference": f"CM-WC01-{order}-R{refund}",
                "date": date(2026, 11, 21),
                "currency": of.currency,
                "sources": (Source(connection="shop", kind="refund", id=str(refund), parent=order),),
                "party": of.party,
                "placement": of.placement,
                "invoice": of.key,
                "invoice_number": of.number,
                **_sums(lines),
                **changes,
            }
        )

    def buyer(self, customer: str = "42", **changes: Any) -> Party:
        """A buyer for whom no firm is looked up, unless the changes say so."""
        values = {
            "key": party_key(self.flow, customer),
            "external_key": f"WC01:{customer}",
            "name": "Ada Lovelace",
            "first_name": "Ada",
            "last_name": "Lovelace",
            "customer_id": customer,
        }
        return Party.model_validate({**values, **changes})

    def wanted(self, seq: int, wish: Document, **changes: Any) -> Command:
        """The order's command number ``seq``: this document."""
        return self._command(seq, DocumentWish(document=wish), wish, **changes)

    def withdrawn(self, seq: int, of: Document, on: date | None = date(2026, 11, 22)) -> Command:
        """The order's command number ``seq``: this document is not wanted any more."""
        return self._command(seq, Withdrawn(date=on), of)

    def held(self, seq: int, of: Document, reason: HoldReason = HoldReason.TAX_CODE_UNKNOWN) -> Command:
        """The order's command number ``seq``: this document cannot be mapped."""
        return self._command(seq, HeldWish(reason=reason, detail="Tax rate 7 has no code."), of)

    def _command(self, seq: int, wish: DocumentWish | HeldWish | Withdrawn, of: Document, **changes: Any) -> Command:
        source = of.sources[0]
        return Command.model_validate(
            {
                "command_id": command_id(of.key, seq),
                "document_key": of.key,
                "flow": self.flow,
                "order_key": f"{source.connection}:order:{source.parent or source.id}",
                "seq": seq,
                "kind": of.type,
                "wish": wish,
                "cause": "test",
                "content_digest": content_digest(wish),
                "source_digest": source_digest(of),
                **changes,
            }
        )


def _sums(lines: tuple[Line, ...]) -> dict[str, Any]:
    net = sum((one.net for one in lines), Decimal(0))
    tax = sum((one.tax for one in lines), Decimal(0))
    return {"lines": lines, "net": net, "tax": tax, "total": net + tax}
