"""R20 on real servers: logs that were altered, forged checkpoints, indexes that are behind or made anew."""

from __future__ import annotations

import dataclasses

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from mlc_common.accounting import event_id
from mlc_common.audit.verification import Scope
from mlc_common.audit.walk import What
from mlc_common.events import ChainCheckpoint, decode, encode
from mlc_common.log import Record

from .conftest import AT, Tenant, webhook
from .tampering import COUNT, place, rows, sell, the_finding

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


@pytest.fixture
async def sold(acme: Tenant) -> Tenant:
    """A tenant that sold something."""
    await sell(acme)
    return acme


def original(record: Record) -> Record:
    """What the auditor saw before somebody changed the log."""
    changed = dataclasses.replace(record, value=b'{"id":1,"total":"100.00"}')
    return changed if record.offset == 4 and record.value and b"w4" in record.value else record


async def test_r20_a_changed_record_is_named_and_not_the_row(acme: Tenant) -> None:
    """R20: flip, in the log."""
    await acme.append(acme.topics.raw_orders, *(webhook(f"w{i}") for i in range(COUNT)))
    await acme.index(seen_as=original)
    assert place(await the_finding(acme)) == (What.CHANGED_RECORD, 4)


async def test_r20_a_log_that_was_changed_together_with_the_whole_index_is_named_by_the_signed_checkpoint(
    acme: Tenant,
) -> None:
    """R20: somebody who has log and database, and not the key."""
    await acme.append(acme.topics.raw_orders, *(webhook(f"w{i}") for i in range(COUNT)))
    await acme.index(seen_as=original)
    await acme.checkpoints.tell()
    await acme.forget()
    await acme.index()
    finding = await the_finding(acme)
    assert place(finding) == (What.CHECKPOINT_CHAIN, COUNT - 1)
    assert finding.topic == acme.topics.raw_orders


async def test_r20_a_log_whose_beginning_is_gone_is_named(sold: Tenant) -> None:
    """R20: drop, in the log, by retention."""
    topic = sold.topics.raw_orders
    admin = AIOKafkaAdminClient(bootstrap_servers=sold.brokers)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, await sold.busy(topic)): RecordsToDelete(before_offset=3)})
    finally:
        await admin.close()
    assert place(await the_finding(sold)) == (What.MISSING_RECORD, 0)


async def test_r20_a_forged_checkpoint_is_named(sold: Tenant) -> None:
    """R20: by a signature that is not one, and by a key that nobody knows."""
    audit = sold.topics.audit
    (genuine,) = [decode(record.envelope(), ChainCheckpoint) for record in await sold.log(audit)]
    forged = genuine.model_copy(update={"heads": dict.fromkeys(genuine.heads, "00" * 32)})
    envelope = (await sold.log(audit))[0].envelope()
    data = encode(forged, event_id=event_id("forged"), subject=envelope.subject, source=envelope.source, time=AT)
    await sold.append(audit, data)
    await sold.index()
    finding = await the_finding(sold)
    assert (finding.topic, *place(finding)) == (audit, What.CHECKPOINT_SIGNATURE, 1)


async def test_r20_an_index_that_is_behind_is_told_and_no_finding(sold: Tenant) -> None:
    """R20: also one that is being made anew, which the checkpoints are ahead of."""
    await sold.append(sold.topics.raw_orders, webhook("late"))
    found = await sold.verify()
    assert (found.findings, found.behind) == ((), 1)
    await sold.forget()
    found = await sold.verify()
    assert (found.findings, found.rows, found.behind) == ((), 0, COUNT + 2)


async def test_r20_an_index_made_anew_is_equal_to_the_byte_and_still_signed(sold: Tenant) -> None:
    """R20: a rebuild depends on nothing but the log."""
    before = await rows(sold)
    await sold.forget()
    await sold.index(batch=5)
    assert await rows(sold) == before
    assert (await sold.verify()).checkpoints == 1


async def test_a_period_that_begins_in_the_middle_is_proved_from_the_row_before(acme: Tenant) -> None:
    topic = acme.topics.raw_orders
    await acme.append(topic, *(webhook(f"old{i}") for i in range(3)))
    middle = max(record.timestamp_ms for record in await acme.log(topic))
    while int(acme.runtime.clock.now().timestamp() * 1000) <= middle:
        await acme.runtime.clock.sleep(0.001)
    since = acme.runtime.clock.now()
    await acme.append(topic, *(webhook(f"new{i}") for i in range(3)))
    await acme.index()
    assert (await acme.verify(Scope(since=since))).rows == 3
    forged = await acme.rows(topic, await acme.busy(topic))
    await acme.replace(topic, forged[0].part, [each for each in forged if each.offset != 2])
    assert [each.offset for each in (await acme.verify(Scope(since=since))).findings] == [3]
