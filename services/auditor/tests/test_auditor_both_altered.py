"""R20: somebody who has log *and* database, and takes care: what neither of them can show alone.

Kafka deletes from a partition's beginning only; what is cut off or changed elsewhere is played by an auditor that saw
another log than there is now.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from typer.testing import CliRunner, Result

from mlc_auditor.index import rows_of
from mlc_cli.app import app
from mlc_common.audit import CONSUMER, genesis, row_of
from mlc_common.audit.kept import Kept
from mlc_common.audit.verification import Scope
from mlc_common.audit.walk import What
from mlc_common.errors import ConfigurationError
from mlc_common.log import Record

from .conftest import Tenant, webhook
from .tampering import COUNT, place, put, rows, sell, the_finding

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


@pytest.fixture
async def sold(acme: Tenant) -> Tenant:
    """A tenant that sold something."""
    await sell(acme)
    return acme


async def delete_records(tenant: Tenant, topic: str, before: int) -> None:
    """Delete the beginning of the busy partition of a topic, as retention does, or an administrator."""
    admin = AIOKafkaAdminClient(bootstrap_servers=tenant.brokers)
    await admin.start()
    try:
        at = TopicPartition(topic, await tenant.busy(topic))
        await admin.delete_records({at: RecordsToDelete(before_offset=before)})
    finally:
        await admin.close()


async def mlc(*arguments: str) -> Result:
    """The command, in a thread: it has an event loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["audit", *arguments])


async def test_r20_a_partition_that_is_gone_from_log_and_index_is_named_though_nobody_signed_it(acme: Tenant) -> None:
    """R20: drop, all records and all rows of a partition, and the auditor's place set to its beginning."""
    topic = acme.topics.raw_orders
    await acme.append(topic, *(webhook(f"w{i}") for i in range(COUNT)))
    await acme.index()
    part = await acme.busy(topic)
    await delete_records(acme, topic, COUNT)
    await acme.forget()
    finding = await the_finding(acme)
    assert (finding.topic, finding.part, *place(finding)) == (topic, part, What.GONE, 0)
    shown = await mlc("verify")
    assert shown.exit_code == 1
    assert f"{topic}/{part}/0  what lay here is neither in the log nor in the index" in shown.stdout


async def test_r20_an_end_that_was_read_and_is_gone_from_log_and_index_is_named(sold: Tenant) -> None:
    """R20: drop, the newest rows and the newest checkpoint together; who read them remembers how far they were."""
    topic = sold.topics.raw_orders
    part = await sold.busy(topic)
    await sold.tamper(
        "update consumer_positions set next_offset = $3 where consumer = $4 and topic = $1 and part = $2",
        *(topic, part, COUNT + 3, CONSUMER),
    )
    finding = await the_finding(sold)
    assert (finding.topic, finding.part, *place(finding)) == (topic, part, What.GONE, COUNT)
    assert f"read to {COUNT + 3}" in finding.detail


async def test_r20_a_beginning_that_is_gone_is_named_also_for_a_period_of_which_it_took_a_part(acme: Tenant) -> None:
    """R20: drop, in the log; what is left of the period must not pass for the whole of it."""
    topic = acme.topics.raw_orders
    await acme.append(topic, *(webhook(f"old{i}") for i in range(3)))
    middle = max(record.timestamp_ms for record in await acme.log(topic))
    while int(acme.runtime.clock.now().timestamp() * 1000) <= middle:
        await acme.runtime.clock.sleep(0.001)
    since = acme.runtime.clock.now()
    await acme.append(topic, *(webhook(f"new{i}") for i in range(3)))
    await acme.index()
    await delete_records(acme, topic, 2)  # before the period: none of its business
    assert (await acme.verify(Scope(since=since))).findings == ()
    await delete_records(acme, topic, 5)
    (finding,) = (await acme.verify(Scope(since=since))).findings
    assert finding.what is What.MISSING_RECORD


async def test_r20_a_row_behind_the_end_of_the_log_is_named_also_for_a_period_that_ends_later(sold: Tenant) -> None:
    """R20: insert, or a log that was cut; a period up to tomorrow reaches to the end of both."""
    before = await rows(sold)
    last = (await sold.log(before[-1].topic))[-1]
    await put(sold, [*before, row_of(dataclasses.replace(last, offset=COUNT), before[-1].chain)])
    tomorrow = sold.runtime.clock.now() + timedelta(days=1)
    (finding,) = (await sold.verify(Scope(until=tomorrow))).findings
    assert finding.offset == COUNT


def as_it_was(record: Record) -> Record:
    """What lay there when the report was made, before somebody changed the log and the whole index with it."""
    changed = dataclasses.replace(record, value=b'{"id":1,"total":"100.00"}')
    return changed if record.offset == 4 else record


async def report_of(tenant: Tenant, file: Path) -> dict[str, Any]:
    """A report of now, as an auditor keeps it."""
    file.write_text((await mlc("verify", "--json")).stdout)
    said: dict[str, Any] = json.loads(file.read_text())
    assert (said["ok"], said["tenant"]) == (True, tenant.topics.tenant)
    return said


async def test_r20_what_both_hold_otherwise_than_a_kept_report_saw_is_named_whoever_signed_it(
    acme: Tenant, tmp_path: Path
) -> None:
    """R20: flip, by somebody who has log, database and keys; a chain rests on every record before it."""
    topic, report = acme.topics.raw_orders, tmp_path / "november.json"
    await acme.append(topic, *(webhook(f"w{i}") for i in range(COUNT)))
    await acme.index()
    said = await report_of(acme, report)
    (head,) = [head for head in said["heads"] if head["topic"] == topic]
    assert (head["offset"], head["chain"]) == (COUNT - 1, (await rows(acme))[-1].chain.hex())
    await acme.append(topic, webhook("later"))
    await acme.index()
    assert (await mlc("verify", "--kept", str(report))).exit_code == 0
    saw = [as_it_was(record) for record in await acme.log(topic)][:COUNT]
    head["chain"] = rows_of(saw, genesis(acme.topics.tenant, topic, head["partition"]))[-1].chain.hex()
    report.write_text(json.dumps(said))
    shown = await mlc("verify", "--kept", str(report))
    assert shown.exit_code == 1
    assert f"{topic}/{head['partition']}/{COUNT - 1}  log and index are not what a kept report saw" in shown.stdout
    assert "november.json" in shown.stdout


async def test_r20_an_end_that_a_kept_report_saw_and_that_is_gone_everywhere_is_named(
    sold: Tenant, tmp_path: Path
) -> None:
    """R20: drop, the newest rows, records and checkpoints together, and every trace of them."""
    report = tmp_path / "november.json"
    said = await report_of(sold, report)
    for head in said["heads"]:
        head["offset"] += 5
    said["heads"].append({"topic": f"{sold.topics.tenant}.dropped", "partition": 2, "offset": 9, "chain": "00"})
    kept = [Kept.parse(json.dumps(said).encode(), "november.json")]
    findings = (await sold.verify(kept=kept)).findings
    assert {finding.what for finding in findings} == {What.KEPT_REPORT}
    assert [(finding.topic, finding.offset) for finding in findings] == sorted(
        (head["topic"], head["offset"]) for head in said["heads"]
    )
    assert all("now the log ends at" in finding.detail for finding in findings)
    of_one = (await sold.verify(Scope(topic="raw.orders"), kept=kept)).findings
    assert [finding.topic for finding in of_one] == [sold.topics.raw_orders]


async def test_a_kept_report_says_nothing_of_what_the_index_has_not_read_again(acme: Tenant, tmp_path: Path) -> None:
    await acme.append(acme.topics.raw_orders, *(webhook(f"w{i}") for i in range(COUNT)))
    await acme.index()
    report = tmp_path / "november.json"
    await report_of(acme, report)
    await acme.forget()  # as in a rebuild
    found = await acme.verify(kept=[Kept.parse(report.read_bytes(), "november.json")])
    assert (found.findings, found.behind) == ((), COUNT)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"no JSON", "no report of"),
        (b"[]", "no report of"),
        (b'{"ok":true}', "no report of"),
        (b'{"at":"x","tenant":"acme","heads":[]}', "a report that saw nothing"),
        (b'{"at":"x","tenant":"acme","heads":[{"topic":"t","partition":"0","offset":1,"chain":"00"}]}', "saw nothing"),
    ],
)
def test_what_is_no_report_is_refused(text: bytes, said: str) -> None:
    with pytest.raises(ConfigurationError, match=f"kept.json is .*{said}|kept.json is {said}"):
        Kept.parse(text, "kept.json")


async def test_a_report_of_another_tenant_is_refused(acme: Tenant, tmp_path: Path) -> None:
    report = tmp_path / "other.json"
    head = {"topic": "other.outcomes", "partition": 0, "offset": 1, "chain": "00"}
    report.write_text(json.dumps({"at": "2026-11-21", "tenant": "other", "heads": [head]}))
    refused = await mlc("verify", "--kept", str(report))
    assert refused.exit_code == 1
    assert "is of the tenant 'other', not of this one" in refused.stderr
