"""A hostile ERP in memory, over a clock that tests move: late, silent, forgetful, and in four dialects.

``files``: one draft per name, addressed by name, a second of that name refused (Deltek's transaction files).
``unposted files``: the same, but the name is free again once the draft is posted.
``handles``: every create makes another draft; nothing is refused; drafts are addressed one by one.
``direct``: no drafts, a create is in the books at once; a second of that reference is refused.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from mlc_common.accounting import HoldReason
from mlc_common.clock import Clock
from mlc_common.errors import ConnectorError, Held, Rejected, Retryable
from mlc_common.posting.gateway import BillingDocument

Dialect = Literal["files", "unposted files", "handles", "direct"]

NAMED = ("files", "unposted files")
"""Dialects whose drafts are addressed by name."""


@dataclass(frozen=True)
class Thing:
    """One document in the ERP."""

    handle: str
    reference: str
    document: BillingDocument
    posted: bool = False
    ours: bool = True


@dataclass(frozen=True)
class Firm:
    """One firm in the ERP."""

    id: str
    external_key: str


@dataclass(frozen=True)
class Stand:
    """Everything in the ERP at one time."""

    things: tuple[Thing, ...] = ()
    firms: tuple[Firm, ...] = ()

    def under(self, reference: str) -> list[Thing]:
        """Everything of this reference."""
        return [thing for thing in self.things if thing.reference == reference]


@dataclass
class FakeErp:
    """The ERP's own tables: what tests ask when they want to know what really happened."""

    clock: Clock
    dialect: Dialect = "files"
    unique_firms: bool = False
    _times: list[float] = field(default_factory=lambda: [float("-inf")])
    _stands: list[Stand] = field(default_factory=lambda: [Stand()])
    _coming: list[tuple[float, int, Callable[[], object]]] = field(default_factory=list)
    _made: int = 0
    _at: float | None = None

    # -- reading

    def stand(self, lag: float = 0.0) -> Stand:
        """Everything as a read sees it that lags behind by so many seconds."""
        self._tick()
        return self._stands[bisect_right(self._times, self.clock.monotonic() - lag) - 1]

    def posted(self, reference: str) -> list[BillingDocument]:
        """What the books hold under a reference, now."""
        return [thing.document for thing in self.stand().under(reference) if thing.posted]

    def drafts(self) -> list[Thing]:
        """Every draft, now."""
        return [thing for thing in self.stand().things if not thing.posted]

    # -- writing

    def create(self, reference: str, document: BillingDocument) -> None:
        """A draft, or in ``direct`` a posted document."""
        now = self._now_stand()
        guarded = [thing for thing in now.under(reference) if not thing.posted or self.dialect != "unposted files"]
        if self.dialect != "handles" and guarded:
            raise Rejected("duplicate", f"{reference} already exists and cannot be added")
        self._put(*now.things, Thing(self._handle(reference), reference, document, posted=self.dialect == "direct"))

    def amend(self, handle: str, document: BillingDocument) -> None:
        """Give a draft another content."""
        self._replace(self._draft(handle), dataclasses.replace(self._draft(handle), document=document))

    def discard(self, handle: str) -> None:
        """Delete a draft; one that is gone is no error."""
        self._put(*(t for t in self._now_stand().things if t.handle != handle or t.posted))

    def finalise(self, handle: str) -> None:
        """Post a draft."""
        try:
            draft = self._draft(handle)
        except Retryable as error:
            if self.dialect in NAMED:  # Vantagepoint answers with a sentence, as to a wrong account
                raise Held(HoldReason.REFUSED_BY_ERP, str(error)) from None
            raise
        self._replace(draft, dataclasses.replace(draft, posted=True))

    def make_firm(self, external_key: str) -> str:
        """A firm with our key."""
        now = self._now_stand()
        if self.unique_firms and any(firm.external_key == external_key for firm in now.firms):
            raise Rejected("duplicate", f"a firm with {external_key} exists")
        self._made += 1
        firm = Firm(f"F{self._made}", external_key)
        self._add(dataclasses.replace(now, firms=(*now.firms, firm)))
        return firm.id

    def foreign(self, reference: str, document: BillingDocument, *, posted: bool, ours: bool = False) -> None:
        """Somebody enters a document by hand."""
        self._made += 1
        self._put(*self._now_stand().things, Thing(f"X{self._made}", reference, document, posted, ours))

    def remove(self, reference: str) -> None:
        """Somebody removes everything of a reference, posted or not."""
        self._put(*(thing for thing in self._now_stand().things if thing.reference != reference))

    def later(self, seconds: float, effect: Callable[[], object]) -> None:
        """Let a write take effect after its sender has given up."""
        self._coming.append((self.clock.monotonic() + seconds, len(self._coming), effect))
        self._coming.sort()

    # -- inside

    def _tick(self) -> None:
        """Everything that was to take effect until now, each at its own time."""
        while self._coming and self._coming[0][0] <= self.clock.monotonic():
            self._at, _, effect = self._coming.pop(0)
            try:
                effect()
            except ConnectorError:
                continue
            finally:
                self._at = None

    def _now_stand(self) -> Stand:
        if self._at is None:
            self._tick()
        return self._stands[-1]

    def _draft(self, handle: str) -> Thing:
        for thing in self._now_stand().things:
            if thing.handle == handle and not thing.posted:
                return thing
        raise Retryable(f"there is no draft {handle}")

    def _handle(self, reference: str) -> str:
        if self.dialect in NAMED:
            return reference
        self._made += 1
        return f"D{self._made}"

    def _replace(self, old: Thing, new: Thing) -> None:
        self._put(*(new if thing is old else thing for thing in self._now_stand().things))

    def _put(self, *things: Thing) -> None:
        self._add(dataclasses.replace(self._stands[-1], things=things))

    def _add(self, stand: Stand) -> None:
        self._times.append(self.clock.monotonic() if self._at is None else self._at)
        self._stands.append(stand)
