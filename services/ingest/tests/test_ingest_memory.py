"""R12: hundreds of requests that no store would send, and the gateway's memory stays as it was."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncIterator

import httpx
import psutil

from .conftest import Start
from .stand_ins import OnMemory, signed

ROUNDS, AT_ONCE = 16, 32
GROWTH = 10 * 1024 * 1024
"""Bytes; what is sent is three times as much."""

BODY = b'{"id":7,"x":"' + b"y" * 60_000 + b'"}'


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 7_000):
        yield body[start : start + 7_000]


def _hostile(client: httpx.AsyncClient, chance: random.Random) -> list[asyncio.Task[httpx.Response]]:
    """Eight requests at once, each odd in a way of its own; the last is genuine."""
    stranger = f"/hooks/{chance.randbytes(8).hex()}"
    wrong = {
        **signed(BODY),
        f"X-{chance.randbytes(6).hex()}": "x" * 500,
        "X-WC-Webhook-Topic": chance.randbytes(9).hex(),
    }
    ways = [
        client.post("/hooks/shop", content=BODY, headers=signed(BODY, chance.randbytes(4).hex())),
        client.post("/hooks/shop", content=_pieces(BODY * 2), headers=signed(BODY)),
        client.post("/hooks/shop", content=chance.randbytes(60_000), headers=wrong),
        client.post(stranger, content=BODY, headers=signed(BODY)),
        client.get(stranger),
        client.post("/hooks/shop", content=BODY, headers={**signed(BODY), "Content-Encoding": "gzip"}),
        client.post("/hooks/shop", content=BODY),
        client.post("/hooks/shop", content=BODY, headers=signed(BODY)),
    ]
    return [asyncio.create_task(way) for way in ways]


async def _rounds(gateway: OnMemory, count: int, chance: random.Random) -> set[int]:
    answers = set()
    for _ in range(count):
        tasks = [task for _ in range(AT_ONCE // 8) for task in _hostile(gateway.client, chance)]
        answers |= {answer.status_code for answer in await asyncio.gather(*tasks)}
        gateway.log.appended.clear()  # the stand-in keeps what a broker would take away
        await gateway.refusals.flush()
        gateway.log.appended.clear()
    return answers


async def test_hostile_requests_by_the_hundred_leave_nothing_in_memory(on_memory: Start) -> None:
    """R12: no 5xx, memory flat."""
    chance, process = random.Random(20261121), psutil.Process()
    async with on_memory(limit=64 * 1024, memory=64 * 1024 * 1024) as gateway:
        await _rounds(gateway, 5, chance)
        gc.collect()
        before = process.memory_info().rss
        assert await _rounds(gateway, ROUNDS, chance) == {200, 401, 404, 405, 413, 415}
        gc.collect()
        assert process.memory_info().rss - before < GROWTH
