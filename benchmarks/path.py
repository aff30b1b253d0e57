"""The whole path: orders per second from webhook to posted and verified, and the calls that each document took."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx

from benchmarks.orders import bodies, headers
from benchmarks.tenant import LIFTED_IN_WORDS
from mlc_cli.rehearsal import STORE, Rehearsal

_WARM = 20
_PATIENCE_S = 180.0


async def measure(rig: Rehearsal, gateway: str, orders: int, *, first: int) -> dict[str, Any]:
    """Send ``orders`` webhooks of different orders and wait until the ERP's own tables hold all of them.

    Args:
        rig: A tenant whose parts are running.
        gateway: The address of the webhook gateway.
        orders: How many.
        first: The first order's id.
    """
    await _send(gateway, bodies(first, _WARM))
    await _posted(rig, _WARM)
    before = await _calls(rig)
    started = time.perf_counter()
    await _send(gateway, bodies(first + _WARM, orders))
    sent = time.perf_counter()
    await _posted(rig, _WARM + orders)
    ended = time.perf_counter()
    calls = await _calls(rig) - before
    return {
        "orders": orders,
        "orders_per_s": round(orders / (ended - started), 1),
        "webhooks_sent_in_s": round(sent - started, 2),
        "seconds": round(ended - started, 2),
        "calls_per_document": round(calls / orders, 2),
        "lifted": LIFTED_IN_WORDS,
    }


async def _send(gateway: str, payloads: list[bytes]) -> None:
    async with httpx.AsyncClient(timeout=60) as http:

        async def one(body: bytes) -> None:
            answer = await http.post(f"{gateway}/hooks/{STORE}", content=body, headers=headers(body))
            answer.raise_for_status()

        for start in range(0, len(payloads), 16):
            await asyncio.gather(*(one(body) for body in payloads[start : start + 16]))


async def _posted(rig: Rehearsal, wanted: int) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while await _count(rig) < wanted:  # noqa: ASYNC110 - another process is watched
            await asyncio.sleep(0.1)


async def _count(rig: Rehearsal) -> int:
    calls = (await rig.http.get(f"{rig.erp_url}/_sandbox/calls")).json()["calls"]
    return sum(call["count"] for call in calls if call["path"].endswith("PostTransFile"))


async def _calls(rig: Rehearsal) -> int:
    return int((await rig.http.get(f"{rig.erp_url}/_sandbox/calls")).json()["total"])
