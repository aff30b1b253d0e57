"""A tenant to measure: rehearsal with the ERP sandbox at zero delay and both call budgets lifted, visibly."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.orders import SECRET
from mlc_cli.demo.connecting import connect
from mlc_cli.rehearsal import STORE, Process, Rehearsal, rehearsal
from mlc_localstack import LocalStack

LIFTED: dict[str, Any] = {"http": {"max_rps": None, "max_concurrent": 16, "absence_gap_s": 1.0, "post_timeout_s": 10.0}}
LIFTED_IN_WORDS = "sandbox rate limit off, contract http.max_rps null, http.max_concurrent 16"


@asynccontextmanager
async def tenant(stack: LocalStack, folder: Path) -> AsyncIterator[Rehearsal]:
    """A connected tenant without any part running; the store's webhook secret is known."""
    name = f"bench-{secrets.token_hex(3)}"
    async with rehearsal(
        folder / name,
        kafka=stack.bootstrap_servers,
        server_dsn=stack.dsn,
        tenant=name,
        erp={"rate_limit": None},
        MLC_LOG_LEVEL="warning",
        MLC_POLLER_INTERVAL_SECONDS="3600",
        MLC_PUBLIC_URL="http://127.0.0.1:9",
    ) as rig:
        await connect(rig, contract=LIFTED)
        secret = rig.folder / "webhook.json"
        secret.write_text(f'{{"webhook_secret": "{SECRET}"}}', encoding="utf-8")
        await rig.mlc("connection", "rotate", STORE, "--secret", "webhook_secret", "--secrets", str(secret))
        yield rig


async def started(rig: Rehearsal, *names: str) -> list[Process]:
    """Start these parts, each a process of its own."""
    parts = [rig.part(name) for name in names]
    for part in parts:
        await part.start()
    return parts
