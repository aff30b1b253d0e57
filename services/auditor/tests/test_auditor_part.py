"""The part at work: restarts, two auditors at once, topics that come later; and its checkpoints."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from mlc_auditor.index import AuditIndex
from mlc_common.accounting import event_id
from mlc_common.audit.keys import signing_key
from mlc_common.audit.walk import What
from mlc_common.errors import Retryable
from mlc_common.events import ChainCheckpoint, WebhookRefused, decode, encode
from mlc_common.log import ensure_topics
from mlc_common.store import audit_index, leases, mappings
from mlc_common.store.positions import Overtaken

from .conftest import AT, Tenant, a_mapping, webhook

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


async def test_what_comes_while_it_works_while_it_is_away_and_on_a_topic_of_later_is_indexed_once(acme: Tenant) -> None:
    raw, commands = acme.topics.raw_orders, acme.topics.commands("deltek")
    await acme.append(raw, *(webhook(f"before{i}", i) for i in range(20)))
    async with acme.auditor():
        await acme.until(lambda: acme.is_indexed(raw))
        await acme.append(raw, *(webhook(f"while{i}", i) for i in range(20)))
        await acme.until(lambda: acme.is_indexed(raw))
        async with acme.runtime.pool.acquire() as connection:
            await mappings.apply(connection, a_mapping("deltek"))
        await ensure_topics(acme.brokers, [commands])
        await acme.append(commands, webhook("command"))
        await acme.until(lambda: acme.is_indexed(commands))
    await acme.append(raw, *(webhook(f"away{i}", i) for i in range(20)))
    async with acme.auditor():
        await acme.until(lambda: acme.is_indexed(raw))
    found = await acme.verify()
    assert (found.findings, found.rows, found.behind) == ((), 61, 0)


async def test_an_auditor_that_dies_between_rows_and_commit_leaves_nothing_and_the_next_loses_nothing(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = acme.topics.raw_orders
    await acme.append(topic, *(webhook(f"w{i}") for i in range(5)))
    part = await acme.busy(topic)

    with monkeypatch.context() as patch:
        patch.setattr(audit_index, "append", dies_once(audit_index.append))
        with pytest.raises(ConnectionResetError):
            await acme.index()
        assert await acme.rows(topic, part) == []
        await acme.index()
    assert [row.offset for row in await acme.rows(topic, part)] == [0, 1, 2, 3, 4]
    assert (await acme.verify()).findings == ()


def dies_once(works: Any) -> Any:
    """The first call dies after its work, later ones do what they should."""
    calls = []

    async def append(connection: Any, rows: Any) -> None:
        await works(connection, rows)
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionResetError("the machine lost power")

    return append


async def test_of_two_auditors_at_one_partition_one_writes_and_the_other_learns_it(acme: Tenant) -> None:
    topic = acme.topics.raw_orders
    await acme.append(topic, *(webhook(f"w{i}") for i in range(5)))
    records = await acme.log(topic)
    both = [AuditIndex(acme.runtime.pool, acme.topics.tenant) for _ in range(2)]
    came = await asyncio.gather(
        *(each.handle(topic, records[0].partition, records) for each in both), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in came) == ["NoneType", "Overtaken"]
    with pytest.raises(Overtaken):  # a frozen one that wakes up much later
        await both[0].handle(topic, records[0].partition, records[2:4])
    assert [row.offset for row in await acme.rows(topic, records[0].partition)] == [0, 1, 2, 3, 4]


async def test_r20_a_row_that_somebody_put_where_the_next_belongs_stops_the_index_and_is_named(acme: Tenant) -> None:
    """R20: insert, ahead of the auditor; it waits, and ends nothing that shares its process."""
    topic = acme.topics.raw_orders
    await acme.append(topic, *(webhook(f"w{i}") for i in range(3)))
    await acme.index()
    part = await acme.busy(topic)
    rows = await acme.rows(topic, part)
    await acme.replace(topic, part, [*rows, dataclasses.replace(rows[-1], offset=3)])
    await acme.append(topic, webhook("w3"))
    with pytest.raises(Retryable, match=f"{topic}/{part}, from offset 3 on"):
        await acme.index()
    (finding,) = (await acme.verify()).findings
    assert (finding.what, finding.offset) == (What.CHANGED_ROW, 3)


@pytest.mark.parametrize("batch", [1, 2, 500])
async def test_the_chain_does_not_depend_on_how_records_came_in_batches(acme: Tenant, batch: int) -> None:
    topic = acme.topics.raw_orders
    await acme.append(topic, *(webhook(f"w{i}") for i in range(5)))
    await acme.index(batch=batch)
    assert (await acme.verify()).rows == 5


async def checkpoints(tenant: Tenant) -> list[ChainCheckpoint]:
    events = [record.envelope() for record in await tenant.log(tenant.topics.audit)]
    return [decode(event, ChainCheckpoint) for event in events if event.type == ChainCheckpoint.event_type]


async def test_a_checkpoint_names_the_heads_of_every_partition_and_is_signed(acme: Tenant) -> None:
    await acme.append(acme.topics.raw_orders, *(webhook(f"w{i}", i) for i in range(30)))
    await acme.index()
    assert await acme.checkpoints.tell() == 1
    (found,) = await checkpoints(acme)
    heads = {head.part: head for head in await audit_index.heads(acme.runtime.pool)}
    assert len(heads) > 1
    assert found.offsets == {part: head.offset for part, head in heads.items()}
    assert found.heads == {part: head.chain.hex() for part, head in heads.items()}
    assert (await signing_key(acme.runtime.pool, acme.runtime.vault)).public.proves(found)


async def test_checkpoints_are_made_when_something_came_and_of_themselves_never(acme: Tenant) -> None:
    assert await acme.checkpoints.tell() == 0
    await acme.append(acme.topics.raw_orders, webhook("a"))
    for told in (1, 0, 0):
        await acme.index()
        assert await acme.checkpoints.tell() == told
    refused = WebhookRefused(connection="shop", reason="bad_signature", status=401, size=1, at=AT)
    await acme.append(
        acme.topics.audit,
        encode(refused, event_id=event_id("refused"), subject="shop:refusals", source="/acme/ingest", time=AT),
    )
    for told in (1, 0):
        await acme.index()
        assert await acme.checkpoints.tell() == told
    topics = [each.topic.partition(".")[2] for each in await checkpoints(acme)]
    assert sorted(topics) == ["audit", "raw.orders"]


async def test_an_auditor_that_starts_again_signs_nothing_twice(acme: Tenant) -> None:
    await acme.append(acme.topics.raw_orders, webhook("a"))
    await acme.index()
    await acme.checkpoints.tell()
    await acme.index()
    again = type(acme.checkpoints)(acme.runtime, 60)
    assert await again.tell() == 0


async def test_one_auditor_of_several_signs(acme: Tenant) -> None:
    await acme.append(acme.topics.raw_orders, webhook("a"))
    await acme.index()
    held = await leases.acquire(acme.runtime.pool, "auditor:checkpoints", "another", 60)
    assert held is not None
    assert await acme.checkpoints.tell() == 0
    await leases.release(acme.runtime.pool, held)
    assert await acme.checkpoints.tell() == 1


async def test_processes_that_need_the_key_at_once_make_one(acme: Tenant) -> None:
    made = await asyncio.gather(*(signing_key(acme.runtime.pool, acme.runtime.vault) for _ in range(3)))
    assert len({key.public.id for key in made}) == 1
    assert (await signing_key(acme.runtime.pool, acme.runtime.vault)).public == made[0].public


async def test_the_key_lies_in_the_database_sealed_alone(acme: Tenant) -> None:
    key = await signing_key(acme.runtime.pool, acme.runtime.vault)
    rows = await acme.runtime.pool.fetch("select v::text from vault_secrets v")
    assert len(rows) == 1
    assert key.text().get_secret_value() not in rows[0][0]
