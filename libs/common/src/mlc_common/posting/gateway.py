"""What an ERP must offer the engine, and what the engine may assume of it (architecture §5, last paragraph).

A gateway knows its ERP's dialect and nothing of leases, queues or retries. Every method may raise:
``Held`` (this document's own fault: a person acts), ``Retryable`` (nothing was done: try later), ``Unconfirmed`` (a
write was sent and its outcome is unknown: the engine looks), ``Rejected("duplicate")`` (creates only: our key is taken:
the engine looks). Anything else is a defect and holds the order as ``internal_error``.

What the engine's proof rests on: a write leaves at once or not at all (whatever it queues for counts into
``Limits.request_timeout_s``); ``amend``, ``discard`` and ``finalise`` of what is no draft any more do nothing and raise
``Retryable`` (where the ERP's refusal cannot be told from others, ``Held``: that costs a release); a gateway never
repeats a write whose answer was lost.

``plan`` stands beside the verbs of the architecture because what is resolved live (project, period) must be frozen in
the ledger before anything is created; ``ensure_party`` is two verbs here: an intent is recorded between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from mlc_common.accounting import CreditNote, Invoice, Party

BillingDocument = Invoice | CreditNote


@dataclass(frozen=True)
class Limits:
    """How this ERP behaves in time (seconds) and how long its keys may be (characters).

    Attributes:
        request_timeout_s: The longest a write of ours can still be on its way after it was sent.
        visibility_delay_s: How late after that the effect may become visible to a look.
        look_gap_s: Least time between two looks that are to prove absence.
        absent_looks: How many looks prove absence.
    """

    request_timeout_s: float
    visibility_delay_s: float
    look_gap_s: float
    absent_looks: int = 2
    number: int = 12
    reference: int = 32


@dataclass(frozen=True)
class Plan:
    """What the create will say beyond the document: resolved live, then frozen in the ledger."""

    reference: str
    number: str
    resolved: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """One thing in the ERP under our key.

    Attributes:
        status: ``draft`` (can still be amended or discarded) or ``posted``.
        ours: Provably made by us.
        equal: Same project, accounts, amounts, tax, date, sign as the document and plan say.
        difference: What differs, for a person.
        handle: How the gateway addresses it.
        ids: The ERP's own ids.
    """

    status: Literal["draft", "posted"]
    ours: bool
    equal: bool
    difference: str = ""
    handle: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)


class ErpGateway(Protocol):
    """The verbs of one ERP."""

    @property
    def limits(self) -> Limits:
        """Timing and key lengths."""
        ...

    def open_for(self) -> float:
        """Seconds until calls make sense again: 0 = now; above 0 while the circuit breaker is open."""
        ...

    async def find_party(self, party: Party) -> Sequence[str]:
        """ERP ids of the firms that are this party by the rules it carries; never by name alone."""
        ...

    async def can_create_party(self) -> bool:
        """Whether the ERP can carry and find our key on a firm (probed)."""
        ...

    async def create_party(self, party: Party) -> str:
        """Create the firm with our key; its ERP id."""
        ...

    async def plan(self, document: BillingDocument, *, firm: str, base: Plan | None) -> Plan:
        """Resolve what is taken from the ERP live; creates nothing.

        Args:
            document: What is to be posted.
            firm: The party's firm in the ERP; empty when the document needs none.
            base: For a credit, the plan its invoice was posted with: it goes to the same place.
        """
        ...

    async def find(self, document: BillingDocument, plan: Plan) -> Sequence[Found]:
        """Everything in the ERP under the plan's key, drafts and posted, read whole and re-checked."""
        ...

    async def create(self, document: BillingDocument, plan: Plan) -> None:
        """Write the draft. Returning means the ERP said it is there."""
        ...

    async def amend(self, document: BillingDocument, plan: Plan, found: Found) -> None:
        """Make a draft of ours equal to the document."""
        ...

    async def discard(self, plan: Plan, found: Found) -> None:
        """Delete a draft of ours."""
        ...

    async def finalise(self, document: BillingDocument, plan: Plan, found: Found) -> Mapping[str, str]:
        """Post the draft; the ERP's ids of the posting."""
        ...

    async def verify(self, document: BillingDocument, plan: Plan) -> Mapping[str, str]:
        """Read the books and compare to the cent; the ids as stored.

        Raises:
            Held: the books differ from the document.
            Unseen: the posting is not visible yet.
        """
        ...
