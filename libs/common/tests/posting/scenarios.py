"""What mappers say, in the orders in which it hurts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mlc_common.events import Command

from .wishes import Order, buyer


@dataclass(frozen=True)
class Scenario:
    """Commands in their order, and the reasons for which one of them may wait for a person in the end."""

    name: str
    commands: Sequence[Command]
    may_hold: frozenset[str] = field(default_factory=frozenset)


def _made(name: str, make: Callable[[Order], list[Command]], *may_hold: str) -> Scenario:
    return Scenario(name, make(Order()), frozenset(may_hold))


_CHANGED = "changed_after_posting"

SCENARIOS = (
    _made("one invoice", lambda o: [o.invoice("100.00")]),
    _made("changed", lambda o: [o.invoice("100.00"), o.invoice("120.00")], _CHANGED),
    _made("changed back", lambda o: [o.invoice("100.00"), o.invoice("120.00"), o.invoice("100.00")], _CHANGED),
    _made("cancelled", lambda o: [o.invoice("100.00"), o.withdraw()]),
    _made("un-cancelled", lambda o: [o.invoice("100.00"), o.withdraw(), o.invoice("100.00")], _CHANGED),
    _made("refunded", lambda o: [o.invoice("100.00"), o.credit("30.00")]),
    _made("refunded, then cancelled", lambda o: [o.invoice("100.00"), o.credit("30.00"), o.withdraw()]),
    _made(
        "refunded, cancelled, back",
        lambda o: [o.invoice("100.00"), o.credit("30.00"), o.withdraw(), o.invoice("100.00")],
        _CHANGED,
    ),
    _made("held, then mapped", lambda o: [o.cannot(), o.credit("30.00"), o.invoice("100.00")], "account_unknown"),
    _made("cannot be mapped any more", lambda o: [o.invoice("100.00"), o.cannot()], "account_unknown"),
    _made("refund changed", lambda o: [o.invoice("100.00"), o.credit("30.00"), o.credit("40.00")], _CHANGED),
    Scenario(
        "two first orders of a buyer",
        [
            Order("1001", party=buyer(create=True)).invoice("100.00"),
            Order("1002", party=buyer(create=True)).invoice("50.00"),
        ],
    ),
)
