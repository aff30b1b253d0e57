"""One record of the raw topic as an event of an order, or the reason why it is none.

The live consumer and every fold of the log read records by this alone, so that both see the same. Decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlc_common.errors import Undecodable
from mlc_common.events import CHUNK, RAW_WEBHOOK, Envelope, OrderSnapshot, decode, order_subject
from mlc_common.log import Record, whole
from mlc_mapper.decision import NotAnOrder
from mlc_mapper.inputs import RawInput, SnapshotSeen, WebhookSeen
from mlc_mapper.state import OrderState
from mlc_mapper.woocommerce.told import Told, read


@dataclass(frozen=True)
class Seen:
    """One raw event of one order, what it tells, and where it lay."""

    record: Record
    envelope: Envelope
    event: RawInput
    told: Told
    connection: str

    @property
    def order_id(self) -> int:
        """The order's id."""
        return self.told.order_id

    @property
    def order_key(self) -> str:
        """The order's key."""
        return order_subject(self.connection, self.order_id)


async def read_record(brokers: str, record: Record) -> Seen | NotAnOrder | None:
    """What a record of the raw topic says; None for a part of a value that another record lists.

    Raises:
        Retryable: the broker cannot be reached.
    """
    try:
        envelope = record.envelope()
        if envelope.type == CHUNK:
            return None
        return _seen(record, await whole(brokers, record.topic, record.partition, envelope))
    except Undecodable as error:
        return NotAnOrder(str(error))


def unseen(flow: str, item: Seen) -> OrderState:
    """The state of the event's order before anything was seen of it."""
    return OrderState(flow=flow, connection=item.connection, order_id=item.order_id)


def _seen(record: Record, envelope: Envelope) -> Seen | NotAnOrder:
    position = (record.partition, record.offset)
    event: RawInput
    if envelope.type == OrderSnapshot.event_type:
        event = SnapshotSeen(position=position, event_id=envelope.id, snapshot=decode(envelope, OrderSnapshot))
    elif envelope.type == RAW_WEBHOOK:
        event = WebhookSeen(
            position=position,
            event_id=envelope.id,
            topic=envelope.extensions.get("whtopic", ""),
            body=envelope.data,
            received_at=envelope.time,
        )
    else:
        return NotAnOrder(f"{envelope.type} is no event of an order")
    told = read(event)
    if isinstance(told, NotAnOrder):
        return told
    seen = Seen(record, envelope, event, told, envelope.extensions.get("connection", ""))
    if envelope.subject != seen.order_key:
        # Offsets order an order's events, and lie on one partition; headers, which chose this one, are not signed.
        return NotAnOrder(f"this is about {seen.order_key} and came under the name of {envelope.subject[:80]}")
    return seen
