"""Every event type of ours: its name, its data, and who writes it. JSON Schemas of these are in ``docs/schemas``.

Changes are compatible both ways over all versions: fields are added with a default, never removed or renamed; readers
ignore unknown fields (architecture §2). A test compares with the published schemas.
"""

from __future__ import annotations

from datetime import date as Date  # noqa: N812 - the field is called date
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from mlc_common.accounting.documents import Amount, CreditNote, Invoice, Value


class Event(Value):
    """Base of all event data; ``event_type`` is the CloudEvents type."""

    event_type: ClassVar[str]


class OrderSnapshot(Event):
    """A complete picture of one order, by the poller (``fetch_id`` set when it answers a ``FetchRequested``).

    ``order``, ``refunds``, ``customer``, ``products`` are the store's JSON as the REST API answers it, numbers exact.
    ``order`` is None when the store no longer has it.
    """

    event_type: ClassVar[str] = "mlc.raw.snapshot.v1"
    connection: str
    order_id: str
    order: dict[str, Any] | None
    refunds: list[dict[str, Any]] = Field(default_factory=list)
    customer: dict[str, Any] | None = None
    products: list[dict[str, Any]] = Field(default_factory=list)
    fetch_id: UUID | None = None
    fetched_at: datetime


class DocumentWish(Value):
    """The document should be this."""

    wish: Literal["document"] = "document"
    document: Annotated[Invoice | CreditNote, Field(discriminator="type")]


class Withdrawn(Value):
    """The document should not be. ``date`` (store-local) dates the credit where it is already posted."""

    wish: Literal["withdrawn"] = "withdrawn"
    rule: str = ""
    date: Date | None = None


class HeldWish(Value):
    """The document should be, but cannot be mapped: a person must act (``reason`` is a ``HoldReason``)."""

    wish: Literal["held"] = "held"
    reason: str
    detail: str
    fix: str = ""


Wish = Annotated[DocumentWish | Withdrawn | HeldWish, Field(discriminator="wish")]


class Command(Event):
    """What one document should be now; the poster's engine converges to it (architecture §5)."""

    event_type: ClassVar[str] = "mlc.command.v1"
    command_id: UUID
    document_key: UUID
    flow: str
    order_key: str
    seq: int = Field(ge=1)
    kind: Literal["invoice", "credit_note"]
    wish: Wish
    cause: str
    content_digest: str
    source_digest: str = ""
    mapping_version: str = ""
    released: bool = False


class Outcome(Event):
    """One transition of one document in the posting engine; ``version`` grows by one per row change."""

    event_type: ClassVar[str] = "mlc.outcome.v1"
    document_key: UUID
    command_id: UUID
    flow: str
    order_key: str
    kind: str
    seq: int
    place: int
    version: int
    state: str
    reference: str = ""
    number: str = ""
    total: Amount | None = None
    currency: str = ""
    reason: str = ""
    detail: str = ""
    fix: str = ""
    erp_ids: dict[str, str] = Field(default_factory=dict)
    request_digest: str = ""
    response_class: str = ""
    fencing: int
    at: datetime


class PartyOutcome(Event):
    """One transition of one party (firm) in the posting engine."""

    event_type: ClassVar[str] = "mlc.party.v1"
    party_key: UUID
    flow: str
    state: str
    erp_id: str = ""
    external_key: str = ""
    fencing: int
    version: int
    at: datetime


class FetchRequested(Event):
    """The mapper cannot decide without a fresh snapshot; ``fetch_id`` comes back in it."""

    event_type: ClassVar[str] = "mlc.control.fetch-requested.v1"
    fetch_id: UUID
    connection: str
    order_id: str
    because: str


class MappingApplied(Event):
    """A mapping version is in force from here on, for one flow. ``text`` is the YAML exactly as applied.

    ``needs`` names what a snapshot must hold beyond order and refunds (``products``, ``customer``); ``since`` is the
    cut-over date: nothing older is read from the store.
    """

    event_type: ClassVar[str] = "mlc.control.mapping-applied.v1"
    flow: str
    store: str
    erp: str
    version: str
    text: str
    needs: list[str] = Field(default_factory=list)
    since: Date | None = None
    by: str
    at: datetime


class PollCompleted(Event):
    """A poll window was read whole; the poller's cursor is the fold of these."""

    event_type: ClassVar[str] = "mlc.control.poll-completed.v1"
    connection: str
    what: str
    since: datetime
    until: datetime
    seen: int
    published: int


class WebhookRefused(Event):
    """A request at the webhook gateway that was not let in. Holds no body and no secret."""

    event_type: ClassVar[str] = "mlc.audit.webhook-refused.v1"
    connection: str
    reason: str
    status: int
    size: int
    sha256: str = ""
    at: datetime
    count: int = 1


class MapperCheckpoint(Event):
    """Every command of raw events below these offsets is acknowledged by the log."""

    event_type: ClassVar[str] = "mlc.audit.mapper-checkpoint.v1"
    topic: str
    offsets: dict[int, int]
    at: datetime


RAW_WEBHOOK = "mlc.raw.webhook.v1"
"""A webhook: the data are the bytes as received; the extensions hold what proves the signature."""

DEAD_LETTER = "mlc.dead-letter.v1"
"""A record that no reader understands: its value as it was; extensions name topic, offset and reason."""

CHUNK = "mlc.chunk.v1"
"""A part of a value above the message limit; the event that lists its offsets carries the meaning."""

EVENTS: tuple[type[Event], ...] = (
    OrderSnapshot,
    Command,
    Outcome,
    PartyOutcome,
    FetchRequested,
    MappingApplied,
    PollCompleted,
    WebhookRefused,
    MapperCheckpoint,
)
