"""Verifying while everybody works: what is signed meanwhile is no finding."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from mlc_common.audit import verification
from mlc_localstack import create_database, drop_database

from .conftest import opened, webhook
from .tampering import COUNT, sell

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


async def test_r20_a_checkpoint_that_is_signed_while_the_log_is_read_raises_no_alarm(
    kafka_bootstrap: str, postgres_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R20: no false alarm; found by the chaos runs."""
    name = f"audit{secrets.token_hex(4)}"
    dsn = await create_database(postgres_dsn, name)
    async with opened(kafka_bootstrap, dsn, name, tmp_path) as tenant:
        await sell(tenant)
        ends_of = verification._ends

        async def and_then_somebody_works(log: Any, spans: Sequence[Any]) -> Mapping[Any, int]:
            ends = await ends_of(log, spans)
            await tenant.append(tenant.topics.raw_orders, webhook("late"))
            await tenant.index()
            assert await tenant.checkpoints.tell() >= 1
            return ends

        monkeypatch.setattr(verification, "_ends", and_then_somebody_works)
        found = await tenant.verify()
    await drop_database(postgres_dsn, name)

    assert (found.findings, found.rows, found.checkpoints) == ((), COUNT + 1, 1)
