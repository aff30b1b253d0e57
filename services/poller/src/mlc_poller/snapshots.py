"""Takes complete pictures of orders and appends them to the log (architecture §2: decisions rest on snapshots).

A snapshot that says what the last one of the same order said is not appended again, unless somebody asked for it, or
the mapper stands at another picture of the order although it has read that one: then this is the proof that it may not.
It is as old as the question for the order: what happened while the store answered is newer than the answer.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from mlc_common import crash, exactjson
from mlc_common.accounting import digest, event_id
from mlc_common.clock import Clock
from mlc_common.errors import ConfigurationError, Rejected, Retryable, Undecodable
from mlc_common.events import OrderSnapshot, Topics, encode, order_subject
from mlc_common.log import LogProducer
from mlc_common.telemetry import MetricsRegistry
from mlc_vendors.woocommerce.client import WooCommerceClient

_REMEMBERED = 20_000
"""Snapshots that are known without asking; of those before them the mapper's states tell the newest event."""

_TOO_LONG = 18
"""More digits than an id of a store has."""

TROUBLE = (Retryable, Rejected, ConfigurationError, Undecodable)
"""What keeps a store, or one order of it, from being read."""

UNNAMED = "unknown"
"""Stands for the id of an order that the store lists without one; as the gateway calls such a webhook's order."""


@dataclass(frozen=True)
class Said:
    """A snapshot as the mapper may have read it already.

    Attributes:
        order_id: Of the order.
        event_id: Of the snapshot.
        modified: The order's modification time, as the store says it; empty where it says none.
        offset: Where it was appended; None where that is not remembered.
    """

    order_id: str
    event_id: UUID
    modified: str
    offset: int | None


async def _not_known(_: Said) -> bool | None:
    return None


@dataclass
class Snapshots:
    """The snapshots of one store connection.

    Attributes:
        needs: Names ``products`` and ``customer`` where the mapping asks.
        stands: Whether the mapper stands at a snapshot; None where that cannot be told (yet).
    """

    client: WooCommerceClient
    log: LogProducer
    topics: Topics
    connection: str
    clock: Clock
    metrics: MetricsRegistry
    needs: frozenset[str] = frozenset()
    stands: Callable[[Said], Awaitable[bool | None]] = _not_known
    _last: OrderedDict[str, tuple[str, int]] = field(default_factory=OrderedDict)

    async def of_listed(self, order: Mapping[str, Any], asked_at: datetime) -> OrderSnapshot:
        """The snapshot of an order that a list answered.

        One that has no id, for which nothing more can be asked, becomes a dead letter of the mapper's.

        Args:
            order: As the list shows it.
            asked_at: When the list was asked, or earlier.

        Raises:
            ConnectorError: what else belongs to it cannot be read (``TROUBLE``).
        """
        if number := id_of(order.get("id")):
            return await self._whole(str(number), order, asked_at)
        return OrderSnapshot(connection=self.connection, order_id=UNNAMED, order=dict(order), fetched_at=asked_at)

    async def of_id(self, order_id: str, fetch_id: UUID) -> OrderSnapshot:
        """Read the order afresh because somebody asked for it; a deleted order is a snapshot too.

        Raises:
            ConnectorError: it cannot be read (``TROUBLE``).
        """
        asked_at, number = self.clock.now(), id_of(order_id)
        order = await self.client.get_order(number) if number else None
        return await self._whole(order_id, order, asked_at, fetch_id)

    async def _whole(
        self, order_id: str, order: Mapping[str, Any] | None, asked_at: datetime, fetch_id: UUID | None = None
    ) -> OrderSnapshot:
        return OrderSnapshot(
            connection=self.connection,
            order_id=order_id,
            order=dict(order) if order is not None else None,
            refunds=await self.client.refunds_of(id_of(order_id)) if order and order.get("refunds") else [],
            customer=await self._customer(order),
            products=await self._products(order),
            fetch_id=fetch_id,
            fetched_at=asked_at,
        )

    async def append(self, snapshot: OrderSnapshot, *, anew: bool = False) -> bool:
        """Append a snapshot; False when it says nothing new and nobody asked for it.

        Args:
            snapshot: What was read.
            anew: Append it although it is known, for a flow that did not take it then.

        Raises:
            Retryable: the log did not acknowledge.
        """
        order_id, fetch_id = snapshot.order_id, snapshot.fetch_id
        said = digest(exactjson.dumps([snapshot.order, snapshot.refunds, snapshot.customer, snapshot.products]))
        made = event_id(self.connection, "snapshot", order_id, said, str(fetch_id or ""))
        if fetch_id is None and await self._is_known(snapshot, said, made, anew=anew):
            return False
        envelope = encode(
            snapshot,
            event_id=made,
            subject=order_subject(self.connection, order_id),
            source=f"/{self.topics.tenant}/poller",
            time=snapshot.fetched_at,
            extensions={"connection": self.connection, "sha256": said},
        )
        appended = await self.log.publish(self.topics.raw_orders, envelope)
        crash.point("poller.after_publish")
        self.metrics.snapshots.labels(self.connection, "asked for" if fetch_id else "polled").inc()
        self._remember(_name(order_id, said), said, appended.offset)
        return True

    async def _is_known(self, snapshot: OrderSnapshot, said: str, made: UUID, *, anew: bool) -> bool:
        """Whether this was appended, and the mapper has taken it for what the store has, or is still to read it."""
        digest_then, offset = self._last.get(_name(snapshot.order_id, said), ("", None))
        if digest_then and digest_then != said:
            return False
        if anew and offset is None:
            return False
        modified = (snapshot.order or {}).get("date_modified_gmt")
        text = modified if isinstance(modified, str) else ""
        stands = await self.stands(Said(snapshot.order_id, made, text, offset))
        return offset is not None if stands is None else stands

    async def _customer(self, order: Mapping[str, Any] | None) -> dict[str, Any] | None:
        customer_id = id_of(order.get("customer_id")) if "customer" in self.needs and order else 0
        return await self.client.get_customer(customer_id) if customer_id else None

    async def _products(self, order: Mapping[str, Any] | None) -> list[dict[str, Any]]:
        lines = order.get("line_items") if "products" in self.needs and order else None
        known = [line for line in lines if isinstance(line, Mapping)] if isinstance(lines, list) else []
        ids = {id_of(line.get("product_id")) for line in known} - {0}
        return await self.client.get_products(sorted(ids)) if ids else []

    def _remember(self, name: str, said: str, offset: int) -> None:
        self._last[name] = (said, offset)
        self._last.move_to_end(name)
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)


def _name(order_id: str, said: str) -> str:
    """What a snapshot is remembered by."""
    return said if order_id == UNNAMED else order_id


def id_of(value: Any) -> int:
    """A number of the store's; 0 for anything that is none (plugins write what they like); digits in text count."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < _TOO_LONG:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**_TOO_LONG else 0
