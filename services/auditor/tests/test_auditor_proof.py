"""R20 on real servers: whatever is done to the index, `verify` names the first bad place.

One tenant for all; after each test its index is what it was.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from mlc_common.audit import row_of
from mlc_common.audit.signing import SigningKey
from mlc_common.audit.verification import Scope
from mlc_common.audit.walk import What
from mlc_common.errors import ConfigurationError
from mlc_localstack import create_database, drop_database

from .conftest import Tenant, opened, rechained, webhook
from .tampering import COUNT, place, put, rows, sell, the_finding

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("auditor-proof"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tenant_that_sold(
    kafka_bootstrap: str, postgres_dsn: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Tenant]:
    """A tenant that sold something."""
    name = f"audit{secrets.token_hex(4)}"
    dsn = await create_database(postgres_dsn, name)
    async with opened(kafka_bootstrap, dsn, name, tmp_path_factory.mktemp(name)) as tenant:
        await sell(tenant)
        yield tenant
    await drop_database(postgres_dsn, name)


@pytest_asyncio.fixture(loop_scope="session")
async def sold(tenant_that_sold: Tenant) -> AsyncIterator[Tenant]:
    """The tenant; its index is put back afterwards."""
    before = await tenant_that_sold.everything()
    yield tenant_that_sold
    await tenant_that_sold.restore(before)


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


async def test_r20_a_checkpoint_is_proved_by_the_key_that_the_auditor_kept_and_by_no_other(sold: Tenant) -> None:
    """R20: whoever has all of our servers, vault included, signs with another key than the one kept elsewhere."""
    assert (await sold.verify()).checkpoints == 1
    stranger = SigningKey.generate().public
    found = await sold.verify(keys=[stranger])
    assert [each.what for each in found.findings] == [What.CHECKPOINT_KEY]
    assert stranger.id in found.findings[0].detail


async def test_a_period_and_a_topic_narrow_what_is_walked_and_rest_on_the_logs_own_times(sold: Tenant) -> None:
    now = sold.runtime.clock.now()
    late, early = Scope(since=now + timedelta(hours=1)), Scope(until=now - timedelta(hours=1))
    assert [(await sold.verify(scope)).rows for scope in (late, early)] == [0, 0]
    assert (await sold.verify(Scope(since=now - timedelta(hours=1), until=now + timedelta(hours=1)))).rows == COUNT + 1
    assert (await sold.verify(Scope(topic="raw.orders"))).rows == COUNT
    assert (await sold.verify(Scope(topic=sold.topics.audit))).rows == 1
    with pytest.raises(ConfigurationError, match=r"no topic 'raw.order'; known are .*raw\.orders"):
        await sold.verify(Scope(topic="raw.order"))


async def test_a_row_of_a_record_needs_no_database(sold: Tenant) -> None:
    topic = sold.topics.raw_orders
    stored = await rows(sold)
    records = [record for record in await sold.log(topic) if record.partition == stored[0].part]
    made = [row_of(record, row.previous) for record, row in zip(records, stored, strict=True)]
    assert made == stored
