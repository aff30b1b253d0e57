"""What customers and merchants do to one order, from the first click to the last refund; told before anything happens.

A story is a list of acts with what they need. Amounts are shares of what is there then, so that any order can live
through any story.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from mlc_cli.demo.shopping import KINDS

Act = tuple[str, dict[str, Any]]

REASONS = ("Chipped", "Goodwill", "Carrier was late & rude", "")
FOREIGN = "BRL"
"""A currency that the mapping does not list."""


@dataclass(frozen=True)
class Story:
    """How often it is told, and how."""

    weight: float
    tell: Callable[[Random], list[Act]]


def _bought(chance: Random, **more: Any) -> Act:
    sold = [kind for kind in KINDS if kind.get("set_paid", True)]
    return "buy", {"wish": {**chance.choice(sold), **more}}


def _unpaid(chance: Random) -> Act:
    return _bought(chance, status=chance.choice(("pending", "on-hold")), set_paid=False)


def _by_line(chance: Random) -> Act:
    return "refund", {"line": 0, "quantity": 1, "reason": chance.choice(REASONS)}


def _by_amount(chance: Random) -> Act:
    return "refund", {"share": round(chance.uniform(0.05, 0.6), 2), "reason": chance.choice(REASONS)}


def _rest() -> Act:
    return "refund", {"everything": True, "reason": "All of it"}


def _edit(chance: Random) -> Act:
    return "edit", {"line": 0, "quantity": chance.randint(1, 6)}


def _status(status: str) -> Act:
    return "status", {"status": status}


def _partly_refunded(chance: Random) -> list[Act]:
    refunds = [chance.choice((_by_line, _by_amount))(chance) for _ in range(chance.randint(1, 3))]
    return [_bought(chance), *refunds]


def _wholly_refunded(chance: Random) -> list[Act]:
    return [_bought(chance), *([_by_amount(chance)] if chance.random() < 0.4 else []), _rest()]


def _paid_late(chance: Random) -> list[Act]:
    edits = [_edit(chance) for _ in range(chance.randint(0, 2))]
    return [_unpaid(chance), *edits, _status(chance.choice(("processing", "completed")))]


def _cancelled(chance: Random) -> list[Act]:
    refunds = [_by_amount(chance)] if chance.random() < 0.3 else []
    return [_bought(chance), *refunds, _status("cancelled")]


def _cancelled_and_back(chance: Random) -> list[Act]:
    return [_bought(chance), _status("cancelled"), _status("processing")]


def _edited(chance: Random) -> list[Act]:
    return [_bought(chance), *(_edit(chance) for _ in range(chance.choice((1, 1, 2, 5))))]


def _edited_and_refunded(chance: Random) -> list[Act]:
    acts = [_edit(chance), chance.choice((_by_line, _by_amount))(chance), _edit(chance)]
    return [_bought(chance), *chance.sample(acts, chance.randint(2, 3))]


def _to_and_fro(chance: Random) -> list[Act]:
    """Cancelled, taken back, cancelled again; edited on the way."""
    there, back = _status("cancelled"), _status(chance.choice(("processing", "completed")))
    edits = [_edit(chance)] if chance.random() < 0.5 else []
    return [_bought(chance), there, back, *edits, *([there] if chance.random() < 0.5 else [])]


def _trashed(chance: Random) -> list[Act]:
    return [_bought(chance), ("trash", {}), *([("restore", {})] if chance.random() < 0.5 else [])]


def _refund_deleted(chance: Random) -> list[Act]:
    return [_bought(chance), _by_amount(chance), ("delete refund", {})]


def _foreign(chance: Random) -> list[Act]:
    return [_bought(chance, currency=FOREIGN), *([_by_line(chance)] if chance.random() < 0.5 else [])]


STORIES = (
    Story(30, lambda chance: [_bought(chance)]),
    Story(8, lambda chance: [_bought(chance), _status("completed")]),
    Story(16, _partly_refunded),
    Story(8, _wholly_refunded),
    Story(8, _paid_late),
    Story(3, lambda chance: [_unpaid(chance)]),
    Story(2, lambda chance: [_unpaid(chance), _status("cancelled")]),
    Story(7, _cancelled),
    Story(2, _cancelled_and_back),
    Story(6, _edited),
    Story(5, _edited_and_refunded),
    Story(3, _to_and_fro),
    Story(2, _trashed),
    Story(2, _refund_deleted),
    Story(3, _foreign),
)
