"""Waiting for what another process does: its own tables are looked at until they say it, and no longer than a limit.

The only place of these tests that sleeps. What is waited for must be the truth of the other side (a sandbox's dump, the
log), never a guess how long something takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

FoundT = TypeVar("FoundT")

EVERY_S = 0.05
WITHIN_S = 60.0


async def until(look: Callable[[], Awaitable[FoundT]], what: str, *, within: float = WITHIN_S) -> FoundT:
    """Look until something is there; what was found.

    Args:
        look: Answers something true once it is there.
        what: What is waited for, for the failure.
        within: Seconds.

    Raises:
        AssertionError: it did not come; the message holds the last look.
    """
    found: FoundT | None = None
    try:
        async with asyncio.timeout(within):
            while not (found := await look()):
                await asyncio.sleep(EVERY_S)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {within:.0f} s; the last look: {found!r}") from None
    return found


async def settled(
    look: Callable[[], Awaitable[FoundT]], wanted: FoundT, what: str, *, within: float = WITHIN_S
) -> None:
    """Look until what is seen is what is wanted.

    Raises:
        AssertionError: it never was; the message shows both.
    """
    seen: FoundT | None = None
    try:
        async with asyncio.timeout(within):
            while (seen := await look()) != wanted:
                await asyncio.sleep(EVERY_S)
    except TimeoutError:
        raise AssertionError(f"{what}: after {within:.0f} s it is {seen!r}, not {wanted!r}") from None
