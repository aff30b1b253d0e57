"""What the mapper answers: commands, fetches, exclusions and the state after them, as values. Pure.

Nothing is ever dropped silently: an event leads to commands, to a fetch, to an exclusion by a named rule, or to nothing
because it says nothing new.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlc_common.events import Command, FetchRequested

if TYPE_CHECKING:
    from mlc_mapper.state import OrderState


@dataclass(frozen=True, kw_only=True)
class Excluded:
    """By the mapping's rules this order or refund makes no document.

    Attributes:
        rule: The rule's name: ``not_paid``, ``zero_total``, ``before_cut_over``, ``cancelled`` …
        detail: What of the order made the rule apply.
        subject: ``order:17`` or ``refund:25``.
    """

    rule: str
    detail: str
    subject: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The outcome of one event.

    Attributes:
        state: The order's state after the event and after the commands and fetches below; to be stored with them.
        commands: In the order in which they must reach the log (the invoice before its credits).
        fetches: Snapshots that the poller must make before more can be decided.
        excluded: What makes no document, and why.
    """

    state: OrderState
    commands: tuple[Command, ...] = ()
    fetches: tuple[FetchRequested, ...] = ()
    excluded: tuple[Excluded, ...] = ()


@dataclass(frozen=True)
class NotAnOrder:
    """A webhook that is signed but says nothing of an order: for the dead letters, with this reason."""

    reason: str
