"""What the mapper is told: the events of one order, as values. Pure; the service shell makes them from envelopes.

One order's events arrive in the order of the log, perhaps several times, perhaps older than what is already known;
nothing here may assume otherwise (architecture §2).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mlc_common.events import Command, FetchRequested, OrderSnapshot

Position = tuple[int, int]
"""Where in the raw topic an event lies: partition and offset."""


@dataclass(frozen=True, kw_only=True)
class WebhookSeen:
    """A signed webhook, its body exactly as received.

    Attributes:
        position: Where it lies in the log.
        event_id: The id of the raw event; commands name it as their cause.
        topic: ``X-WC-Webhook-Topic`` (``order.updated``).
        body: The bytes.
        received_at: When the gateway took it in (UTC).
    """

    position: Position
    event_id: str
    topic: str
    body: bytes
    received_at: datetime


@dataclass(frozen=True, kw_only=True)
class SnapshotSeen:
    """A complete picture of the order, read by the poller."""

    position: Position
    event_id: str
    snapshot: OrderSnapshot


@dataclass(frozen=True)
class CommandIssued:
    """A command that the log holds for this order (folded on rebuild, so that sequences go on where they were)."""

    command: Command


@dataclass(frozen=True)
class FetchAsked:
    """A fetch that the log holds for this order (folded on rebuild, so that it is not asked for twice)."""

    request: FetchRequested


Input = WebhookSeen | SnapshotSeen | CommandIssued | FetchAsked
"""Everything that ``evolve`` folds."""

RawInput = WebhookSeen | SnapshotSeen
"""What ``decide`` decides about."""
