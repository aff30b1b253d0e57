"""R20 on real servers: whatever is done to index or log, `verify` names the first bad place."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import timedelta

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from mlc_common.accounting import event_id
from mlc_common.audit import AuditRow, row_of
from mlc_common.audit.signing import SigningKey
from mlc_common.audit.verification import Scope
from mlc_common.audit.walk import Finding, What
from mlc_common.errors import ConfigurationError
from mlc_common.events import ChainCheckpoint, decode, encode
from mlc_common.log import Record

from .conftest import AT, Tenant, rechained, webhook

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

COUNT = 12


@pytest.fixture
async def sold(acme: Tenant) -> Tenant:
    """Twelve webhooks of one order, indexed and signed; the signatures are indexed, too."""
    await acme.append(acme.topics.raw_orders, *(webhook(f"w{i}") for i in range(COUNT)))
    await acme.index()
    assert await acme.checkpoints.tell() == 1
    await acme.index()
    return acme


async def the_finding(tenant: Tenant) -> Finding:
    found = await tenant.verify()
    assert len(found.findings) == 1, found.findings
    return found.findings[0]


async def rows(tenant: Tenant) -> list[AuditRow]:
    topic = tenant.topics.raw_orders
    return await tenant.rows(topic, await tenant.busy(topic))


async def put(tenant: Tenant, forged: Sequence[AuditRow]) -> None:
    await tenant.replace(forged[0].topic, forged[0].part, forged)


def place(finding: Finding) -> tuple[What, int]:
    return finding.what, finding.offset


async def test_r20_what_nobody_touched_is_proved_with_counts(sold: Tenant) -> None:
    """R20: no false alarm; the checkpoint itself lies on a topic whose newest record nobody has signed yet."""
    found = await sold.verify()
    assert (found.findings, found.rows, found.partitions, found.checkpoints) == ((), COUNT + 1, 2, 1)
    assert (found.unsigned, found.behind) == (1, 0)
    assert found.last_checkpoint is not None


async def test_r20_a_flipped_row_is_named(sold: Tenant) -> None:
    """R20: flip."""
    await sold.tamper("update audit_index set facts = replace(facts, 'verified', 'none') where record_offset = 5")
    finding = await the_finding(sold)
    assert place(finding) == (What.CHANGED_ROW, 5)
    assert (finding.topic, finding.event_id) == (sold.topics.raw_orders, webhook("w5").id)
    assert "facts" in finding.detail


async def test_r20_a_flipped_row_with_every_later_chain_computed_anew_is_named(sold: Tenant) -> None:
    """R20: flip, by somebody who knows the rule; the row is found before the checkpoint that no longer holds."""
    forged = await rows(sold)
    forged[5] = dataclasses.replace(forged[5], subject="shop:order:999")
    await put(sold, rechained(sold.topics.tenant, forged))
    assert place(await the_finding(sold)) == (What.CHANGED_ROW, 5)


@pytest.mark.parametrize("at", [0, 5, COUNT - 1])
async def test_r20_a_dropped_row_is_named(sold: Tenant, at: int) -> None:
    """R20: drop."""
    topic = sold.topics.raw_orders
    await sold.tamper("delete from audit_index where topic = $1 and record_offset = $2", topic, at)
    assert place(await the_finding(sold)) == (What.MISSING_ROW, at)


async def test_r20_an_inserted_row_is_named_also_on_a_partition_that_does_not_exist(sold: Tenant) -> None:
    """R20: insert."""
    before = await rows(sold)
    forged = dataclasses.replace(before[-1], offset=COUNT + 3, previous=before[-1].chain)
    await put(sold, [*before, forged])
    assert place(await the_finding(sold)) == (What.INSERTED_ROW, COUNT + 3)
    await put(sold, before)
    await put(sold, [dataclasses.replace(before[0], topic=f"{sold.topics.tenant}.raw.secret", part=9)])
    finding = await the_finding(sold)
    assert (finding.topic, finding.part, finding.what) == (f"{sold.topics.tenant}.raw.secret", 9, What.INSERTED_ROW)


async def test_r20_swapped_rows_are_named_both(sold: Tenant) -> None:
    """R20: swap."""
    forged = await rows(sold)
    three, eight = forged[3], forged[8]
    forged[3], forged[8] = dataclasses.replace(eight, offset=3), dataclasses.replace(three, offset=8)
    await put(sold, forged)
    finding = await the_finding(sold)
    assert place(finding) == (What.SWAPPED_ROWS, 3)
    assert "3 and 8" in finding.detail


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


async def test_r20_a_checkpoint_is_proved_by_the_key_that_the_auditor_kept_and_by_no_other(sold: Tenant) -> None:
    """R20: whoever has all of our servers, vault included, signs with another key than the one kept elsewhere."""
    assert (await sold.verify()).checkpoints == 1
    stranger = SigningKey.generate().public
    found = await sold.verify(keys=[stranger])
    assert [each.what for each in found.findings] == [What.CHECKPOINT_KEY]
    assert stranger.id in found.findings[0].detail


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


async def test_a_period_and_a_topic_narrow_what_is_walked_and_rest_on_the_logs_own_times(sold: Tenant) -> None:
    now = sold.runtime.clock.now()
    late, early = Scope(since=now + timedelta(hours=1)), Scope(until=now - timedelta(hours=1))
    assert [(await sold.verify(scope)).rows for scope in (late, early)] == [0, 0]
    assert (await sold.verify(Scope(since=now - timedelta(hours=1), until=now + timedelta(hours=1)))).rows == COUNT + 1
    assert (await sold.verify(Scope(topic="raw.orders"))).rows == COUNT
    assert (await sold.verify(Scope(topic=sold.topics.audit))).rows == 1
    with pytest.raises(ConfigurationError, match=r"no topic 'raw.order'; known are .*raw\.orders"):
        await sold.verify(Scope(topic="raw.order"))


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


async def test_a_row_of_a_record_needs_no_database(sold: Tenant) -> None:
    topic = sold.topics.raw_orders
    stored = await rows(sold)
    records = [record for record in await sold.log(topic) if record.partition == stored[0].part]
    made = [row_of(record, row.previous) for record, row in zip(records, stored, strict=True)]
    assert made == stored
