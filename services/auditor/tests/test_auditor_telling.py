"""What people get out of the index: the story of an order, a period as a file, the commands of `mlc audit`."""

from __future__ import annotations

import asyncio
import csv
import dataclasses
import getpass
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from mlc_cli.app import app
from mlc_common.accounting import event_id
from mlc_common.audit.export import export
from mlc_common.audit.signing import SigningKey
from mlc_common.audit.story import story_of
from mlc_common.audit.telling import PRODUCER
from mlc_common.clock import FixedClock
from mlc_common.errors import ConfigurationError
from mlc_common.events import (
    Command,
    ConnectionChanged,
    Envelope,
    Event,
    HeldWish,
    Outcome,
    ReleaseRequested,
    ReplayRequested,
    ResolvedWish,
    VaultKeysRotated,
    decode,
    encode,
)
from mlc_common.log import ensure_topics
from mlc_common.store import connections, mappings, outbox
from mlc_common.vault.changes import Changes

from .conftest import AT, Tenant, a_mapping, webhook

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

ORDER = "shop:order:28"
COMMON: dict[str, Any] = {"document_key": UUID(int=7), "command_id": UUID(int=1), "flow": "web", "order_key": ORDER}
HELD = HeldWish(reason="account_unknown", detail="No account for SKU MUG.")


def event(data: Event, second: int) -> Envelope:
    """An event of the order, so many seconds after the first."""
    at = AT + timedelta(seconds=second)
    return encode(data, event_id=event_id("e", second), subject=ORDER, source="/acme/test", time=at)


def outcome(state: str, second: int, **more: Any) -> Envelope:
    said = {"kind": "invoice", "seq": 1, "place": 1, "version": second, "fencing": 1, "number": "WA00028", "at": AT}
    return event(Outcome.model_validate(COMMON | said | {"state": state} | more), second)


@pytest.fixture
async def told(acme: Tenant) -> Tenant:
    """An order with a whole life: held, released, posted."""
    pool, topics = acme.runtime.pool, acme.topics
    await connections.add(pool, "shop", "woocommerce", {"url": "https://shop.example"})
    async with pool.acquire() as connection:
        await mappings.apply(connection, a_mapping("deltek"))
    await ensure_topics(acme.brokers, [topics.commands("deltek")])
    command = Command(
        kind="invoice", seq=1, wish=HELD, cause="w", content_digest="c", mapping_version="v1", **COMMON
    )  # fmt: skip
    release = ReleaseRequested(
        request_id=UUID(int=9), flow="web", order_key=ORDER, documents=[UUID(int=7)], by="kim", why="mapped", at=AT
    )
    await acme.append(topics.raw_orders, webhook("a", 28), webhook("b", 29))
    again = dataclasses.replace(event(command, 3), extensions={"replayof": "w"})
    await acme.append(topics.commands("deltek"), event(command, 1), again)
    await acme.append(
        topics.outcomes,
        outcome("held", 2, reason="account_unknown", detail="No account for SKU MUG."),
        outcome("creating", 5, request_digest="ee" * 32),
        outcome("posted", 6, erp_ids={"batch": "IN-WC01-28"}, total="33.75", currency="USD"),
        outcome("verified", 7, response_class="equal", total="33.75", currency="USD"),
    )
    await acme.append(topics.control, event(release, 4))
    await acme.index()
    return acme


async def test_the_story_tells_the_whole_life_in_order_and_in_words(told: Tenant) -> None:
    story = await story_of(told.runtime.pool, told.brokers, told.topics, "28")
    assert (story.subject, story.behind) == (ORDER, 0)
    lines = [(line.what, line.story) for line in story.lines if line.what != "mapped"]
    assert lines == [
        ("received", "webhook order.updated, 20 bytes, signature verified, sha256 abababababab"),
        ("held", "invoice WA00028 is held; account_unknown: No account for SKU MUG."),
        ("released", "by kim: mapped"),
        ("posting", "invoice WA00028 is sent to the ERP; request sha256 eeeeeeeeeeee"),
        ("posted", "invoice WA00028 is posted; 33.75 USD; batch IN-WC01-28"),
        ("verified", "invoice WA00028 is verified: the ERP's books say the same; 33.75 USD"),
    ]
    said = "by mapping v1, wish 1: invoice held, account_unknown: No account for SKU MUG."
    mapped = [line.story for line in story.lines if line.what == "mapped"]
    assert mapped == [said, f"{said} (decided again, from the log)"]


async def test_the_story_tells_who_asked_for_a_replay_and_why_and_of_a_resolution_nothing_twice(told: Tenant) -> None:
    topics, request = told.topics, UUID(int=11)
    asked = ReplayRequested(request_id=request, flow="web", orders=[ORDER], by="kim", why="new accounts", at=AT)
    envelope = encode(asked, event_id=event_id("request", str(request)), subject="flow:web", source="/x", time=AT)
    await told.append(topics.control, envelope)
    said: dict[str, Any] = {"kind": "invoice", "content_digest": "c", "mapping_version": "v2", "released": True}
    resolved = ResolvedWish(found="closed", by="kim", why="by hand")
    for second, cause, wish in ((11, request, HELD), (12, UUID(int=12), HELD), (13, UUID(int=13), resolved)):
        command = Command(seq=second, wish=wish, cause=str(cause), **said, **COMMON)
        extensions = {"replayof": "w", "cause": str(cause)}
        again = dataclasses.replace(event(command, second), extensions=extensions)
        await told.append(topics.commands("deltek"), again)
    await told.index()
    story = await story_of(told.runtime.pool, told.brokers, topics, "28")
    of_second = {seq: line.story for line in story.lines for seq in (11, 12, 13) if f"wish {seq}:" in line.story}
    held = "invoice held, account_unknown: No account for SKU MUG."
    assert of_second == {
        11: f"by mapping v2, wish 11: {held} (decided again, from the log, by kim: new accounts)",
        12: f"by mapping v2, wish 12: {held} (a person released it)",
        13: "by mapping v2, wish 13: invoice resolved as closed by kim: by hand",
    }


async def test_the_story_of_the_vault_tells_which_keys_were_dropped(acme: Tenant) -> None:
    plain: dict[str, Any] = {"current": "k3", "added": False, "rewrapped": 0, "by": "kim", "at": AT}
    for second, more in ((1, {"added": True, "rewrapped": 7}), (2, {"retired": ["k1", "k2"]}), (3, {"rewrapped": 2})):
        said = VaultKeysRotated.model_validate(plain | more)
        at = AT + timedelta(seconds=second)
        envelope = encode(said, event_id=UUID(int=second), subject="vault:keys", source="/x", time=at)
        await acme.append(acme.topics.audit, envelope)
    await acme.index()
    story = await story_of(acme.runtime.pool, acme.brokers, acme.topics, "vault:keys")
    assert [line.story for line in story.lines] == [
        "by kim: secrets sealed anew: 7, under the new key k3",
        "by kim: keys dropped: k1, k2; everything is under key k3",
        "by kim: secrets sealed anew: 2, under key k3",
    ]


async def test_a_story_says_where_the_index_is_behind_and_what_is_not_known(told: Tenant) -> None:
    await told.append(told.topics.outcomes, outcome("verified", 9))
    assert (await story_of(told.runtime.pool, told.brokers, told.topics, ORDER)).behind == 1
    with pytest.raises(ConfigurationError, match=r"nothing of 30;.* 1 records of the log are not in it yet"):
        await story_of(told.runtime.pool, told.brokers, told.topics, "30")


async def test_an_order_of_two_stores_must_be_named_with_its_store(told: Tenant) -> None:
    await connections.add(told.runtime.pool, "other", "woocommerce", {"url": "https://other.example"})
    envelope = dataclasses.replace(webhook("x"), subject="other:order:28")
    await told.append(told.topics.raw_orders, envelope)
    await told.index()
    with pytest.raises(ConfigurationError, match="other:order:28 or shop:order:28"):
        await story_of(told.runtime.pool, told.brokers, told.topics, "28")
    found = await story_of(told.runtime.pool, told.brokers, told.topics, "other:order:28")
    assert [line.event for line in found.lines] == [envelope.id]


async def changed_by_kim(tenant: Tenant) -> None:
    """A connection is added and changed while the log is away: its events wait in the outbox."""
    runtime = tenant.runtime
    changes = Changes(runtime.pool, runtime.vault, tenant.topics, FixedClock(AT), by="kim")
    await changes.add("erp", "deltek", {"url": "https://erp.example"}, {"password": SecretStr("planted")})
    await changes.settings("erp", lambda known: {**known.settings, "visibility_delay_s": "60"})
    await changes.secret("erp", "password", SecretStr("planted anew"))
    await changes.retire("erp", "password")


async def test_what_was_done_to_a_connection_while_the_log_was_away_is_told_by_the_auditor(acme: Tenant) -> None:
    await changed_by_kim(acme)
    async with acme.auditor():
        await acme.until(lambda: outbox.is_empty(acme.runtime.pool, PRODUCER, 0))
        await acme.until(lambda: acme.is_indexed(acme.topics.audit))
    story = await story_of(acme.runtime.pool, acme.brokers, acme.topics, "connection:erp")
    assert [(line.what, line.story) for line in story.lines] == [
        ("connection", "by kim: added, with url https://erp.example; secrets: password"),
        ("connection", "by kim: visibility_delay_s from (not set) to 60"),
        ("connection", "by kim: a new value of password, valid now: 2"),
        ("connection", "by kim: the old values of password dropped, valid now: 1"),
    ]
    rows = await exported(acme, AT, AT + timedelta(seconds=1))
    assert [(row["stage"], row["by"]) for row in rows] == [("connection", "kim")] * 4
    assert json.loads(rows[1]["facts"])["after.visibility_delay_s"] == "60"
    assert not any("planted" in record.value.decode() for record in await acme.log(acme.topics.audit) if record.value)
    assert (await acme.verify()).findings == ()


async def test_what_was_done_to_a_connection_waits_in_no_outbox_once_the_command_has_ended(acme: Tenant) -> None:
    await changed_by_kim(acme)
    done = await asyncio.to_thread(
        CliRunner().invoke, app, ["connection", "set", "erp", "--set", "database=D", "--set", "username=U"]
    )
    assert done.exit_code == 0, done.output
    assert await outbox.is_empty(acme.runtime.pool, PRODUCER, 0)
    said = [decode(record.envelope(), ConnectionChanged) for record in await acme.log(acme.topics.audit)]
    assert [(event.change, event.by) for event in said[:4]] == [
        (change, "kim") for change in ("added", "settings", "secret", "retired")
    ]
    assert (said[4].before, said[4].after) == ({}, {"database": "D", "username": "U"})
    assert said[4].by == getpass.getuser()


async def exported(tenant: Tenant, since: datetime, until: datetime) -> list[dict[str, str]]:
    text = io.StringIO()
    count = await export(tenant.runtime.pool, text.write, "csv", since=since, until=until)
    rows = list(csv.DictReader(io.StringIO(text.getvalue(), newline="")))
    assert len(rows) == count
    return rows


async def test_a_period_holds_its_first_instant_and_not_its_last_and_its_rows_oldest_first(told: Tenant) -> None:
    since, until = AT + timedelta(seconds=2), AT + timedelta(seconds=7)
    rows = await exported(told, since, until)
    assert [row["stage"] for row in rows] == ["held", "released", "attempt", "posted"]
    assert [row["by"] for row in rows] == ["", "kim", "", ""]


async def test_an_export_of_many_batches_tells_how_far_it_is_and_has_every_row_once(acme: Tenant) -> None:
    await acme.append(acme.topics.raw_orders, *(webhook(f"w{i}", i) for i in range(1300)))
    await acme.index()
    heard: list[tuple[int, int]] = []
    lines: list[str] = []
    ever = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    await export(
        acme.runtime.pool, lines.append, "jsonl", since=ever[0], until=ever[1], progress=lambda *at: heard.append(at)
    )
    assert heard == [(0, 1300), (500, 1300), (1000, 1300), (1300, 1300)]
    assert len({json.loads(line)["event_id"] for line in lines}) == 1300


async def mlc(*arguments: str) -> Result:
    """The command, in a thread: it has an event loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["audit", *arguments])


async def test_verify_says_ok_and_by_status_what_was_altered(told: Tenant, tmp_path: Path) -> None:
    await told.checkpoints.tell()
    key = await mlc("key")
    (tmp_path / "auditor.pem").write_text(key.stdout)
    good = await mlc("verify", "--public-key", str(tmp_path / "auditor.pem"))
    assert good.exit_code == 0, good.stdout
    assert "OK: 9 rows of" in good.stdout
    assert "signed checkpoints hold" in good.stdout

    await told.tamper("update audit_index set facts = replace(facts, 'kim', 'jim') where stage = 'released'")
    bad = await mlc("verify")
    assert bad.exit_code == 1
    assert "the row of the index was changed" in bad.stdout
    assert f"event {event_id('e', 4)}" in bad.stdout
    as_json = await mlc("verify", "--json")
    report = json.loads(as_json.stdout)
    assert (report["tenant"], report["from"], report["topic"]) == (told.topics.tenant, None, "")
    (finding,) = report["findings"]
    assert (as_json.exit_code, finding["what"], finding["offset"]) == (1, "changed_row", 0)


async def test_verify_with_another_key_says_whose_signature_it_cannot_prove(told: Tenant, tmp_path: Path) -> None:
    await told.checkpoints.tell()
    (tmp_path / "other.pem").write_text(SigningKey.generate().public.pem())
    found = await mlc("verify", "--public-key", str(tmp_path / "other.pem"))
    assert found.exit_code == 1
    assert "signed with a key that is not known" in found.stdout
    assert "Not proved" in found.stdout
    (tmp_path / "junk.pem").write_bytes(b"\xff\xfe no key")
    junk = await mlc("verify", "--public-key", str(tmp_path / "junk.pem"))
    assert "junk.pem is no public key of an auditor" in junk.stderr


async def test_export_writes_the_file_whole_or_not_at_all(told: Tenant, tmp_path: Path) -> None:
    out = tmp_path / "november.csv"
    done = await mlc("export", "--from", "2026-11-21", "--to", "2026-11-21", "--out", str(out), "--json")
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(io.StringIO(out.read_bytes().decode(), newline="")))
    said = json.loads(done.stdout)
    assert (said["file"], said["rows"]) == (str(out), len(rows))
    assert datetime.fromisoformat(said["newest"]) >= AT + timedelta(seconds=7)
    shown = await mlc("export", "--from", "2026-11-20", "--to", "2026-11-20", "--out", str(out))
    assert shown.stdout.startswith(f"0 rows are in {out}. The newest thing in the index is of ")
    assert {"received", "held", "released", "verified"} <= {row["stage"] for row in rows}
    refused = await mlc("export", "--format", "xml", "--out", str(tmp_path / "x"))
    assert refused.exit_code == 1
    assert "--format is csv or jsonl" in refused.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name != "vault.key"] == ["november.csv"]


async def test_show_prints_the_story_with_the_place_of_each_record(told: Tenant) -> None:
    shown = await mlc("show", "28", "--json")
    assert shown.exit_code == 0, shown.output
    first = json.loads(shown.stdout)[0]
    assert (first["what"], first["place"].rpartition("/")[0].startswith(told.topics.raw_orders)) == ("received", True)
    assert "by kim: mapped" in (await mlc("show", "28")).stdout


@pytest.mark.parametrize("arguments", [("verify", "--from", "yesterday"), ("verify", "--to", "2026-13-01")])
async def test_a_time_that_is_none_is_named_with_its_option(acme: Tenant, arguments: tuple[str, ...]) -> None:
    found = await mlc(*arguments)
    assert found.exit_code == 1
    assert f"{arguments[1]} {arguments[2]} is neither a date nor a time" in found.stderr
