"""What mappers say, in the orders in which it hurts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mlc_common.events import Command

from .wishes import Order, buyer


@dataclass(frozen=True)
class Scenario:
    """Commands in their order, and the reasons for which one of them may wait for a person in the end.

    ``apart``: after how many points each next command comes; an undisturbed document takes about thirty.
    ``refuses``, ``by_hand``: see ``World``.
    """

    name: str
    commands: Sequence[Command]
    may_hold: frozenset[str] = field(default_factory=frozenset)
    apart: int = 9
    refuses: frozenset[str] = frozenset()
    by_hand: str = ""


def _made(name: str, make: Callable[[Order], list[Command]], *may_hold: str) -> Scenario:
    return Scenario(name, make(Order()), frozenset(may_hold))


def _adjusted(name: str, make: Callable[[Order], list[Command]]) -> Scenario:
    """Nothing may wait for a person: what changes after posting is adjusted."""
    return Scenario(name, make(Order(adjusting="difference")), apart=45)


def _renumbered(name: str, make: Callable[[Order], list[Command]], refused: str, *, by_hand: bool = False) -> Scenario:
    """What the ERP refuses to post is a held draft when the reference changes; perhaps a person posts it before."""
    commands = make(Order(adjusting="difference"))
    return Scenario(name, commands, apart=120, refuses=frozenset({refused}), by_hand=refused if by_hand else "")


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
    _adjusted("adjusted", lambda o: [o.invoice("100.00"), o.invoice("120.00")]),
    _adjusted("adjusted back", lambda o: [o.invoice("100.00"), o.invoice("80.00"), o.invoice("100.00")]),
    _adjusted("adjusted, cancelled", lambda o: [o.invoice("100.00"), o.invoice("120.00"), o.withdraw()]),
    _adjusted(
        "cancelled, back, adjusted",
        lambda o: [o.invoice("100.00"), o.withdraw(), o.invoice("100.00"), o.invoice("130.00")],
    ),
    _adjusted(
        "refund deleted",
        lambda o: [o.invoice("100.00"), o.credit("30.00"), o.withdraw_credit()],
    ),
    _adjusted(
        "cancelled, refunded, back",
        lambda o: [o.invoice("100.00"), o.withdraw(), o.credit("30.00"), o.invoice("100.00")],
    ),
    _adjusted(
        "refunded, cancelled, refund deleted, back",
        lambda o: [o.invoice("100.00"), o.credit("30.00"), o.withdraw(), o.withdraw_credit(), o.invoice("90.00")],
    ),
    Scenario(
        "two first orders of a buyer",
        [
            Order("1001", party=buyer(create=True)).invoice("100.00"),
            Order("1002", party=buyer(create=True)).invoice("50.00"),
        ],
    ),
    _made("renumbered on its way", lambda o: [o.invoice("100.00"), o.renumbered().invoice("100.00")]),
    _renumbered(
        "renumbered with a held draft",
        lambda o: [o.invoice("100.00"), o.renumbered().invoice("100.00")],
        "IN-WC01-1001",
    ),
    _renumbered(
        "renumbered and changed after a posting by hand",
        lambda o: [o.invoice("100.00"), o.renumbered().invoice("120.00")],
        "IN-WC01-1001",
        by_hand=True,
    ),
    _renumbered(
        "renumbered with a held draft of a refund",
        lambda o: [o.invoice("100.00"), o.credit("30.00"), o.renumbered().credit("40.00")],
        "CM-WC01-1001-R77",
    ),
    _renumbered(
        "renumbered refund after a posting by hand",
        lambda o: [o.invoice("100.00"), o.credit("30.00"), o.renumbered().credit("40.00")],
        "CM-WC01-1001-R77",
        by_hand=True,
    ),
    _renumbered(
        "cancelled with a held draft of a difference",
        lambda o: [o.invoice("100.00"), o.invoice("120.00"), o.withdraw()],
        "IN-WC01-1001-A1",
    ),
    _renumbered(
        "cancelled after a difference was posted by hand",
        lambda o: [o.invoice("100.00"), o.invoice("120.00"), o.withdraw()],
        "IN-WC01-1001-A1",
        by_hand=True,
    ),
    _renumbered(
        "back after a cancellation was posted by hand",
        lambda o: [o.invoice("100.00"), o.withdraw(), o.renumbered().invoice("80.00")],
        "IN-WC01-1001-X1",
        by_hand=True,
    ),
)
