"""Every event type of ours: its name, its data, and who writes it. JSON Schemas of these are in ``docs/schemas``.

Changes are compatible both ways over all versions: fields are added with a default, never removed or renamed; readers
ignore unknown fields (architecture §2). A test compares with the published schemas.
"""

from __future__ import annotations

import re
from datetime import date as Date  # noqa: N812 - the field is called date
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from mlc_common.accounting.documents import Amount, CreditNote, Invoice, Value


class Event(Value):
    """Base of all event data; ``event_type`` is the CloudEvents type."""

    event_type: ClassVar[str]


_UNTYPABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")

Said = Annotated[str, AfterValidator(lambda text: _UNTYPABLE.sub("\ufffd", text))]
"""What a person typed. A terminal of another encoding makes half pairs of surrogates of it, which PostgreSQL and JSON
refuse, as they refuse NUL: whoever reads a request must be able to keep it, or it comes again for ever. What steers a
terminal would steer that of the auditor."""


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


class ResolvedWish(Value):
    """A person settled by hand what the engine could not: it is recorded with who and why, and not decided again.

    ``found`` says how the ERP stands: ``posted`` (the document, or the difference that is asked for, is in the books as
    the store says it), ``absent`` (what was sent never arrived: go on and post it), ``closed`` (nothing of it is in the
    books, and nothing is to be posted).
    """

    wish: Literal["resolved"] = "resolved"
    found: Literal["posted", "absent", "closed"]
    by: Said
    why: Said


Wish = Annotated[DocumentWish | Withdrawn | HeldWish | ResolvedWish, Field(discriminator="wish")]


class Command(Event):
    """What one document should be now; the poster's engine converges to it (architecture §5).

    ``adjusting`` says what is to become of a document that is posted otherwise: ``hold`` it for a person, post the
    ``difference`` of the money, or ``rebook`` it: also where only accounts or tax codes differ (a person asked).
    ``on`` is the store's local date of the change behind the command; it dates what adjusts a posted document.
    """

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
    adjusting: Literal["hold", "difference", "rebook"] = "hold"
    on: Date | None = None


class Outcome(Event):
    """One transition of one document in the posting engine; ``version`` grows by one per row change.

    Together these tell the whole ledger, so that a rebuild decides nothing (architecture §2): ``document`` and ``plan``
    are what is brought into the ERP from this transition on (in ``looking``; in ``resolved``, ``document`` is what
    stands in the books by a person's word), ``adjusts`` is the key of the document that this one corrects,
    ``settled_seq`` and ``pursued_seq`` are the seqs of the last command that is settled and of the one that is pursued,
    ``sent`` whether a draft of ours may be in the ERP.
    """

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
    document: Annotated[Invoice | CreditNote, Field(discriminator="type")] | None = None
    plan: dict[str, str] = Field(default_factory=dict)
    adjusts: UUID | None = None
    settled_seq: int = 0
    pursued_seq: int = 0
    sent: bool = False


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
    """The mapper cannot decide without a fresh snapshot; ``fetch_id`` comes back in it.

    ``asks`` is what a replay wants of documents once it is there: ``anew`` = booked by the rules of then, ``rebook`` =
    corrected even where they are posted, by document key.
    """

    event_type: ClassVar[str] = "mlc.control.fetch-requested.v1"
    fetch_id: UUID
    connection: str
    order_id: str
    because: str
    asks: dict[UUID, Literal["anew", "rebook"]] = Field(default_factory=dict)


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
    by: Said
    at: datetime


class ReleaseRequested(Event):
    """A person asks that held documents of one order be tried again, by the mapping in force.

    ``rebook``: what is posted is to be corrected, too, where the mapping now books it otherwise.
    """

    event_type: ClassVar[str] = "mlc.control.release-requested.v1"
    request_id: UUID
    flow: Said
    order_key: Said
    documents: list[UUID]
    rebook: bool = False
    by: Said
    why: Said
    at: datetime


class HoldResolved(Event):
    """A person settled a held document by hand; ``found`` as in ``ResolvedWish``."""

    event_type: ClassVar[str] = "mlc.control.hold-resolved.v1"
    request_id: UUID
    flow: Said
    order_key: Said
    document_key: UUID
    found: Literal["posted", "absent", "closed"]
    by: Said
    why: Said
    at: datetime


class ReplayRequested(Event):
    """A person asks to decide anew, from the log, about the orders that match all of what is given here.

    ``orders`` are order keys, ``since`` and ``until`` bound the time of raw events (until excluded), ``offsets`` give
    the first and the last offset per partition of the raw topic (both included), ``reason`` takes the orders that are
    held for it. Nothing given: all. ``mapping_version`` is the version in force when it was asked for.
    """

    event_type: ClassVar[str] = "mlc.control.replay-requested.v1"
    request_id: UUID
    flow: Said = ""
    orders: list[Said] = Field(default_factory=list)
    since: datetime | None = None
    until: datetime | None = None
    offsets: dict[int, tuple[int, int]] = Field(default_factory=dict)
    reason: Said = ""
    rebook: bool = False
    mapping_version: str = ""
    by: Said
    why: Said
    at: datetime


class ReplayCompleted(Event):
    """A replay is through: how many orders were folded again and how many commands came of it."""

    event_type: ClassVar[str] = "mlc.audit.replay-completed.v1"
    request_id: UUID
    orders: int
    commands: int
    at: datetime


class ReconcileCompleted(Event):
    """A period was compared, store and ERP, one by one; ``unexplained`` 0 is the claim.

    ``counts`` is by verdict: posted, held, excluded, waiting, missing, differs, without_sale.
    """

    event_type: ClassVar[str] = "mlc.audit.reconcile-completed.v1"
    flow: str
    since: Date
    until: Date
    counts: dict[str, int]
    unexplained: int
    details: list[str] = Field(default_factory=list)
    by: Said
    at: datetime


class ChainCheckpoint(Event):
    """The audit index's hash chains up to these offsets, signed (Ed25519) so that a forger needs the key, too.

    ``heads`` are the chain's hashes in hex by partition, ``offsets`` the last offset that each covers; ``signature`` is
    base64 over the canonical JSON of topic, offsets, heads and at.
    """

    event_type: ClassVar[str] = "mlc.audit.chain-checkpoint.v1"
    topic: str
    offsets: dict[int, int]
    heads: dict[int, str]
    key_id: str
    signature: str
    at: datetime


class SigningKeyRotated(Event):
    """The key that signs checkpoints gave way to a new one; both prove it, so that whoever knows one knows the other.

    ``previous`` and ``current`` are the keys' ids; the public keys are SubjectPublicKeyInfo (DER) in base64, the middle
    line of their PEM. From ``offsets`` on, per partition of ``topic`` (the audit topic), the previous key signs
    nothing. ``signature`` is the previous key's, ``countersignature`` the current one's, both over the same statement.
    """

    event_type: ClassVar[str] = "mlc.audit.signing-key-rotated.v1"
    topic: str
    offsets: dict[int, int]
    previous: str
    previous_public: str
    current: str
    public: str
    signature: str
    countersignature: str
    by: Said
    at: datetime


class VaultKeysRotated(Event):
    """The vault's key-encryption keys were changed: key ids alone.

    ``current`` is the key in front, ``added`` whether it was made now, ``rewrapped`` how many secrets were put under
    it, ``retired`` which keys left the file.
    """

    event_type: ClassVar[str] = "mlc.audit.vault-keys-rotated.v1"
    current: str
    added: bool
    rewrapped: int
    retired: list[str] = Field(default_factory=list)
    by: Said
    at: datetime


class ConnectionChanged(Event):
    """A connection was added, or its settings or a secret of it were changed. Never holds a secret.

    ``change`` says which: ``added``, ``settings``, ``secret`` (given anew) or ``retired`` (its old values dropped);
    ``restored`` from a backup, or ``dropped`` for one.
    ``before`` and ``after`` are the settings that differ, by their path, as one types them; what might be a credential
    is withheld there. ``secrets`` tells how many values of each secret concerned are valid now.
    """

    event_type: ClassVar[str] = "mlc.audit.connection-changed.v1"
    connection: str
    kind: str
    change: str
    before: dict[str, str] = Field(default_factory=dict)
    after: dict[str, str] = Field(default_factory=dict)
    secrets: dict[str, int] = Field(default_factory=dict)
    by: Said
    at: datetime


class RebuildCompleted(Event):
    """The tables were rebuilt from the log, and took the place of the old ones.

    ``compared`` whether there were old ones, ``differing`` how many of their rows the log tells otherwise (a person
    accepted that) and ``differences`` the first of them, ``unfinished`` how many documents are looked up.
    """

    event_type: ClassVar[str] = "mlc.audit.rebuild-completed.v1"
    compared: bool
    differing: int
    differences: list[str] = Field(default_factory=list)
    unfinished: int
    by: Said
    at: datetime


class PollCompleted(Event):
    """A poll window was read whole; the poller's cursor is the fold of these.

    ``put_off`` names the orders in it that could not be read, each with the ``fetch_id`` of the snapshot that is to
    be fetched.
    """

    event_type: ClassVar[str] = "mlc.control.poll-completed.v1"
    connection: str
    what: str
    since: datetime
    until: datetime
    seen: int
    published: int
    put_off: dict[str, UUID] = Field(default_factory=dict)


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
    ReleaseRequested,
    HoldResolved,
    ReplayRequested,
    ReplayCompleted,
    ReconcileCompleted,
    ChainCheckpoint,
    SigningKeyRotated,
    VaultKeysRotated,
    ConnectionChanged,
    RebuildCompleted,
    PollCompleted,
    WebhookRefused,
    MapperCheckpoint,
)
