"""The one list of topics. Named nowhere else; prefixed by the tenant from the first day (architecture §2)."""

from __future__ import annotations

from dataclasses import dataclass

PARTITIONS = 4
"""Fixed for a topic's life: parallel work comes from the posting queue, not from partitions."""

MESSAGE_LIMIT = 8 * 1024 * 1024
"""Bytes of one message's value; what is larger is chunked by the codec."""


@dataclass(frozen=True)
class Topics:
    """The topics of one tenant."""

    tenant: str

    @property
    def raw_orders(self) -> str:
        """Orders with their refunds and payments, as webhooks and snapshots say them."""
        return f"{self.tenant}.raw.orders"

    @property
    def raw_reference(self) -> str:
        """Catalogue, customers, ERP master data."""
        return f"{self.tenant}.raw.reference"

    def commands(self, erp: str) -> str:
        """What documents of one ERP connection kind should be."""
        return f"{self.tenant}.commands.{erp}"

    @property
    def outcomes(self) -> str:
        """What became of each document."""
        return f"{self.tenant}.outcomes"

    @property
    def control(self) -> str:
        """Mapping versions, fetch requests, poll windows, releases, replays."""
        return f"{self.tenant}.control"

    @property
    def audit(self) -> str:
        """Refused webhooks, credential reads, checkpoints."""
        return f"{self.tenant}.audit"

    @property
    def dead_letter(self) -> str:
        """What no reader understands, with the reason."""
        return f"{self.tenant}.dead-letter"

    def all(self, *erps: str) -> list[str]:
        """Every topic of the flows to these ERPs."""
        return [
            self.raw_orders,
            self.raw_reference,
            *(self.commands(erp) for erp in erps),
            self.outcomes,
            self.control,
            self.audit,
            self.dead_letter,
        ]


def order_subject(connection: str, order_id: str | int) -> str:
    """The subject (and Kafka key) of an order and all that belongs to it."""
    return f"{connection}:order:{order_id}"
