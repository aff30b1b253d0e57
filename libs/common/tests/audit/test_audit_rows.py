"""Rows of the audit index: what they say, what they never say, and that nothing goes in but the record (R20)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_common.audit import AuditRow, chained, genesis, record_digest, row_of
from mlc_common.audit.facts import LONGEST, Stage
from mlc_common.events import EVENTS, ChainCheckpoint, Envelope, HoldResolved, MappingApplied, ReleaseRequested
from mlc_common.events.codec import chunks, manifest
from mlc_common.log import Record

from .records import AT, DOCUMENT, ORDER, TAKEN_MS, TENANT, TOPIC, event, held_command, outcome, record, webhook

START = genesis(TENANT, TOPIC, 0)


def facts(row: AuditRow) -> dict[str, str]:
    said: dict[str, str] = json.loads(row.facts)
    return said


def test_a_webhook_is_received_with_its_topic_its_digest_and_what_became_of_its_signature() -> None:
    row = row_of(record(webhook(), 17), START)
    assert (row.topic, row.part, row.offset, row.subject, row.stage, row.at) == (TOPIC, 0, 17, ORDER, "received", AT)
    assert facts(row) == {
        "webhook": "order.updated",
        "delivery": "delivery-a",
        "signature": "verified",
        "sha256": "ab" * 32,
        "size": "9",
    }


def test_a_command_says_mapping_and_reason_and_none_of_the_words_about_the_customer() -> None:
    row = row_of(record(event(held_command(), extensions={"cause": "the-webhook", "replayof": "r1"})), START)
    assert row.stage == "mapped"
    assert facts(row) == {
        "flow": "web",
        "kind": "invoice",
        "document": str(DOCUMENT),
        "seq": "1",
        "mapping": "53933aa348f6",
        "wish": "held",
        "reason": "account_unknown",
        "adjusting": "hold",
        "content_digest": "cd" * 32,
        "cause": "the-webhook",
        "replay_of": "r1",
    }
    assert "jane" not in row.facts.lower()


def test_a_command_happened_when_the_log_took_it_because_its_own_time_is_that_of_its_cause() -> None:
    assert row_of(record(event(held_command())), START).at == datetime.fromtimestamp(TAKEN_MS / 1000, UTC)


@pytest.mark.parametrize(
    ("state", "stage"),
    [
        ("intended", "attempt"),
        ("creating", "attempt"),
        ("unknown", "attempt"),
        ("posted", "posted"),
        ("verified", "verified"),
        ("held", "held"),
        ("superseded", "settled"),
        ("resolved", "resolved"),
    ],
)
def test_an_outcome_stands_where_its_state_says(state: str, stage: str) -> None:
    row = row_of(record(event(outcome(state))), START)
    assert (row.stage, facts(row)["state"]) == (stage, state)


def test_an_outcome_names_request_answer_amount_and_what_the_erp_calls_it() -> None:
    said = outcome(
        "posted", request_digest="ee" * 32, response_class="ok", erp_ids={"batch": "IN-1", "period": "202611"}
    )
    found = facts(row_of(record(event(said)), START))
    wanted = {
        "request_digest": "ee" * 32,
        "response": "ok",
        "total": "33.75",
        "currency": "USD",
        "number": "WA00028",
        "erp.batch": "IN-1",
        "erp.period": "202611",
        "fencing": "5",
    }
    assert wanted.items() <= found.items()


def test_a_release_and_a_resolution_are_the_orders_whatever_their_key_and_say_by_whom_and_why() -> None:
    common: dict[str, Any] = {
        "request_id": DOCUMENT,
        "flow": "web",
        "order_key": ORDER,
        "by": "kim",
        "why": "project is active",
        "at": AT,
    }
    release = ReleaseRequested.model_validate(common | {"documents": [DOCUMENT]})
    resolved = HoldResolved.model_validate(common | {"document_key": DOCUMENT, "found": "posted"})
    rows = [row_of(record(event(said, subject="flow:web")), START) for said in (release, resolved)]
    assert [(row.stage, row.subject) for row in rows] == [("released", ORDER), ("resolved", ORDER)]
    assert all(facts(row)["by"] == "kim" and facts(row)["why"] == "project is active" for row in rows)


def test_a_mapping_is_named_by_its_version_and_its_text_is_left_out() -> None:
    said = MappingApplied(
        flow="web", store="shop", erp="deltek", version="v1", text="accounts: SECRET-TEXT", by="kim", at=AT
    )
    row = row_of(record(event(said, subject="flow:web")), START)
    assert facts(row)["mapping"] == "v1"
    assert "SECRET" not in row.facts


def test_every_event_of_the_catalogue_has_a_stage_of_its_own() -> None:
    other = [
        kind.event_type
        for kind in EVENTS
        if row_of(record(dataclasses.replace(webhook(), type=kind.event_type, data=b"{}")), START).stage == Stage.OTHER
    ]
    assert other == []


def test_a_checkpoint_is_told_with_its_offsets() -> None:
    said = ChainCheckpoint(topic=TOPIC, offsets={0: 12, 3: 5}, heads={}, key_id="k", signature="", at=AT)
    assert facts(row_of(record(event(said)), START)) == {
        "of_topic": TOPIC,
        "key": "k",
        "offset.0": "12",
        "offset.3": "5",
    }


def test_a_value_that_lies_in_chunks_is_told_from_the_headers_of_its_own_record_alone() -> None:
    headers = {"documentkey": str(DOCUMENT), "seq": "4", "flow": "web", "kind": "invoice"}
    whole = event(held_command(), extensions=headers)
    parts = chunks(whole, 100)
    row = row_of(record(manifest(whole, range(len(parts)))), START)
    assert (row.stage, facts(row)["seq"], facts(row)["chunks"]) == ("mapped", "4", str(len(parts)))
    assert row_of(record(parts[0]), START).stage == "chunk"


def test_what_no_reader_understands_has_a_row_that_says_so() -> None:
    bare = Record(TOPIC, 1, 3, (("x", b"\xff"),), b"shop:order:9\x00", None, TAKEN_MS)
    row = row_of(bare, START)
    assert (row.stage, row.event_id, row.subject) == ("unreadable", "", "shop:order:9\ufffd")
    broken = dataclasses.replace(event(outcome("posted")), data=b"{nonsense")
    assert row_of(record(broken), START).stage == "unreadable"


def test_no_text_of_a_stranger_is_longer_than_an_index_can_hold() -> None:
    odd = dataclasses.replace(webhook(subject="shop:order:" + "9" * 5000), id="i" * 5000)
    odd = dataclasses.replace(odd, extensions={"whtopic": "x" * 5000})
    row = row_of(record(odd), START)
    assert [len(text) for text in (row.subject, row.event_id, facts(row)["webhook"])] == [LONGEST] * 3


_TEXTS = st.text(max_size=20)
_RECORDS = st.builds(
    Record,
    topic=st.just(TOPIC),
    partition=st.just(0),
    offset=st.integers(0, 2**60),
    headers=st.lists(st.tuples(_TEXTS, st.none() | st.binary(max_size=20)), max_size=4).map(tuple),
    key=st.none() | st.binary(max_size=20),
    value=st.none() | st.binary(max_size=50),
    timestamp_ms=st.integers(-(2**63), 2**63 - 1),
)
_TIMES = st.datetimes().map(lambda naive: naive.replace(tzinfo=UTC)) | st.sampled_from(
    [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
)


@given(_RECORDS)
def test_r20_whatever_a_record_holds_it_has_a_row_that_postgresql_can_keep(made: Record) -> None:
    """R20: nothing that reaches the log is left out of the index."""
    row = row_of(made, START)
    assert row == row_of(made, START)
    assert row.chain == chained(START, row)
    texts = (row.event_id, row.event_type, row.subject, row.stage, row.facts)
    assert all("\0" not in text and text.encode() is not None for text in texts)


@given(st.sampled_from([kind.event_type for kind in EVENTS]), st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["wish", "document", "number", "order_key", "erp_ids", "state"]) | _TEXTS, inner, max_size=4
    ),
    max_leaves=10,
))  # fmt: skip
def test_an_event_of_ours_with_any_fields_has_a_row(event_type: str, data: object) -> None:
    made = dataclasses.replace(webhook(), type=event_type, data=json.dumps(data).encode())
    row = row_of(record(made), START)
    assert row.stage
    assert "\0" not in row.facts + row.subject


@given(_TIMES, st.integers(-23, 23))
def test_a_time_in_any_zone_is_kept_to_the_microsecond_or_replaced_by_the_logs(at: datetime, hours: int) -> None:
    zoned = at.replace(tzinfo=None).isoformat() + f"{hours:+03}:00"
    headers = [(name, zoned.encode() if name == "ce_time" else value) for name, value in webhook().headers()]
    row = row_of(dataclasses.replace(record(webhook()), headers=tuple(headers)), START)
    try:
        wanted = (at - timedelta(hours=hours)).astimezone(UTC)
    except OverflowError:
        wanted = datetime.fromtimestamp(TAKEN_MS / 1000, UTC)
    assert row.at == wanted


@given(st.lists(_RECORDS, min_size=2, max_size=2, unique_by=repr))
def test_r20_two_records_that_differ_in_anything_have_different_digests(made: list[Record]) -> None:
    """R20: key, headers, their order and the value; and nothing is taken for something empty."""
    one, other = (dataclasses.replace(each, offset=0, timestamp_ms=0) for each in made)
    assert (record_digest(one) == record_digest(other)) == (one == other)


@pytest.mark.parametrize(
    "name", [each.name for each in dataclasses.fields(AuditRow) if each.name not in ("previous", "chain")]
)
def test_r20_every_column_is_part_of_the_chain(name: str) -> None:
    """R20: a change of any column changes the chain."""
    row = row_of(record(webhook(), 5), START)
    value = getattr(row, name)
    other: Any = {str: "x", int: 99, bytes: b"x", datetime: AT + timedelta(microseconds=1)}[type(value)]
    change: dict[str, Any] = {name: other}
    assert chained(START, dataclasses.replace(row, **change)) != row.chain
    assert chained(genesis(TENANT, TOPIC, 1), row) != row.chain


def test_r20_text_cannot_be_moved_from_one_column_to_the_next() -> None:
    """R20: the columns are framed."""
    row = row_of(record(webhook()), START)
    moved = dataclasses.replace(row, event_id=row.event_id + row.event_type[:3], event_type=row.event_type[3:])
    assert moved.canonical() != row.canonical()


def test_the_chain_is_what_the_page_for_auditors_says() -> None:
    """Computed here as docs/audit.md tells it, without our code."""
    made = record(webhook(), 17)
    row = row_of(made, START)

    def framed(*parts: bytes) -> bytes:
        return b"".join(len(part).to_bytes(8, "big") + part for part in parts)

    headers = [part for name, value in made.headers for part in (name.encode(), value)]
    digest = hashlib.sha256(
        framed(made.key or b"", str(len(made.headers)).encode(), *headers, made.value or b"")
    ).digest()
    start = hashlib.sha256(framed(b"mlc.audit.genesis", b"acme", b"acme.raw.orders", b"0")).digest()
    columns = [
        "mlc.audit.row", "1", "acme.raw.orders", "0", "17", row.event_id, "mlc.raw.webhook.v1", "shop:order:28",
        "2026-11-21T14:17:18.123456+00:00", "received", row.facts,
    ]  # fmt: skip
    chain = hashlib.sha256(start + framed(*(column.encode() for column in columns), digest)).digest()
    assert (row.record_digest, row.previous, row.chain) == (digest, start, chain)


def test_an_envelope_without_extensions_is_no_problem() -> None:
    bare = Envelope(id="1", type="mlc.new.v1", source="/a", subject="s", time=AT, data=b"")
    assert (row_of(record(bare), START).stage, facts(row_of(record(bare), START))) == ("other", {})
