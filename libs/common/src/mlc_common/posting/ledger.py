"""What the engine knows: rows of documents and parties, leases, and the interface of whoever keeps them.

Two keep them: PostgreSQL (``posting.store``) and a plain in-memory one in the tests' simulation. Times are the keeper's
own clock; the engine only ever sees ages in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol
from uuid import UUID

from mlc_common.accounting import Party
from mlc_common.errors import ConnectorError
from mlc_common.events import Command, ResolvedWish, Wish
from mlc_common.posting.gateway import BillingDocument, Plan


class State(StrEnum):
    """The states of one document (architecture §5)."""

    INTENDED = "intended"
    LOOKING = "looking"
    CREATING = "creating"
    CREATED = "created"
    RECOUNTED = "recounted"
    FINALISING = "finalising"
    UNKNOWN = "unknown"
    POSTED = "posted"
    VERIFIED = "verified"
    HELD = "held"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    UNCHANGED = "unchanged"
    ADJUSTED = "adjusted"
    RESOLVED = "resolved"


IN_FLIGHT = frozenset({State.CREATING, State.CREATED, State.RECOUNTED, State.FINALISING, State.UNKNOWN, State.POSTED})
"""A write may have been sent and is not settled; see ``DocumentRow.is_outstanding``."""

FINAL = frozenset({State.VERIFIED, State.WITHDRAWN, State.SUPERSEDED, State.UNCHANGED, State.ADJUSTED, State.RESOLVED})


class LeaseLost(ConnectorError):  # noqa: N818
    """Another worker holds this order now; drop everything, touch nothing."""

    code = "lease_lost"


@dataclass(frozen=True)
class OrderLease:
    """The right to work on one order, until it expires or another takes over."""

    flow: str
    order_key: str
    owner: str
    fencing: int
    contiguous_seq: int


@dataclass(frozen=True)
class DocumentRow:
    """One document as the ledger knows it.

    Attributes:
        newest: The newest command without a gap before it. An adjusting row has the one that caused it.
        settled_seq: Seq of the last command that reached a final state.
        pursued: What is being brought into the ERP, with ``plan``; kept until settled.
        pursued_seq: Seq of the command that ``pursued`` comes from.
        sent: A create may have reached the ERP at some time; a draft of ours may be there.
        intent_age_s: Seconds since the last write was announced; None when nothing is outstanding.
        absent_looks: Looks since the intent that found nothing; ``looked_age_s`` since the last.
        posted: What stands in the ERP's books for this key.
        trace: The W3C trace parent of the newest command; empty when nobody traces.
        adjusts: For what adjusts a posted document (a cancellation's credit among them): the key of that document.
        before: Where the newest command is a person's resolution: the wish that it settles.
        doubted: After a rebuild: earlier commands, of which each may have been sent. What they wished for is looked for
            before anything is made.
    """

    key: UUID
    flow: str
    order_key: str
    kind: str
    place: int
    newest: Command
    settled_seq: int = 0
    version: int = 0
    state: State = State.INTENDED
    pursued: BillingDocument | None = None
    pursued_seq: int = 0
    plan: Plan | None = None
    sent: bool = False
    intent_age_s: float | None = None
    absent_looks: int = 0
    looked_age_s: float | None = None
    attempts: int = 0
    posted: BillingDocument | None = None
    erp_ids: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    detail: str = ""
    fix: str = ""
    adjusts: UUID | None = None
    before: Wish | None = None
    doubted: tuple[Command, ...] = ()
    trace: str = ""

    @property
    def wish(self) -> Wish:
        """What is wanted: the newest wish, or the one before where a person found that it never arrived."""
        newest = self.newest.wish
        absent = isinstance(newest, ResolvedWish) and newest.found == "absent"
        return self.before if absent and self.before is not None else newest

    @property
    def is_final(self) -> bool:
        """Whether the newest command has reached a final state."""
        return self.settled_seq >= self.newest.seq

    @property
    def is_outstanding(self) -> bool:
        """Whether a write may still be on its way: it is followed to its end before a newer wish, also when held."""
        return self.state in IN_FLIGHT or self.intent_age_s is not None

    @property
    def is_doubted(self) -> bool:
        """Whether something is to be looked for that may have been sent before a rebuild."""
        return bool(self.doubted) and self.posted is None


@dataclass(frozen=True)
class Step:
    """One transition, for the outcome event."""

    state: State
    response: str = ""


IntentChange = Literal["keep", "set", "clear"]


@dataclass(frozen=True)
class PartyRow:
    """One party as the ledger knows it."""

    key: UUID
    flow: str
    external_key: str
    version: int = 0
    state: Literal["intended", "creating", "ready"] = "intended"
    erp_id: str = ""
    intent_age_s: float | None = None
    absent_looks: int = 0
    looked_age_s: float | None = None


class Ledger(Protocol):
    """Whoever keeps the rows. Writes raise ``LeaseLost`` when the order's fencing number has moved on."""

    async def lease_orders(self, erp: str, owner: str, most: int, seconds: float) -> Sequence[OrderLease]:
        """Lease orders that can be worked on, the longest waiting first."""
        ...

    async def documents(self, lease: OrderLease) -> Sequence[DocumentRow]:
        """The order's rows by place, each with its newest command that has no gap before it."""
        ...

    async def record(
        self,
        lease: OrderLease,
        row: DocumentRow,
        steps: Sequence[Step],
        *,
        intent: IntentChange = "keep",
        looked: bool = False,
        extend_s: float,
    ) -> DocumentRow:
        """Write the row and one outcome per step, extend the lease; the row as stored (version counted on)."""
        ...

    async def open_adjustment(self, lease: OrderLease, base: DocumentRow, key: UUID) -> None:
        """Make the row of what adjusts a posted document; its place is the seq of the document's newest command."""
        ...

    async def release(self, lease: OrderLease, *, runnable: bool, after_s: float) -> None:
        """Give the order back; ``runnable`` False when nothing can be done until a new command arrives."""
        ...

    async def party(self, flow: str, party: Party) -> PartyRow:
        """The party's row, made if missing."""
        ...

    async def lease_party(self, key: UUID, owner: str, seconds: float) -> int | None:
        """The fencing number of the party's lease; None while another holds it."""
        ...

    async def record_party(
        self, row: PartyRow, owner: str, fencing: int, *, intent: IntentChange = "keep", looked: bool = False
    ) -> PartyRow:
        """Write the party's row and its outcome.

        Raises:
            LeaseLost: another worker holds the party now.
        """
        ...

    async def release_party(self, key: UUID, owner: str, fencing: int) -> None:
        """Give the party's lease back."""
        ...
