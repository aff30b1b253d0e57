"""Envelopes are CloudEvents 1.0 in Kafka binary mode: the CloudEvents SDK reads ours, and we read its."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from mlc_common import exactjson
from mlc_common.errors import Undecodable
from mlc_common.events import Envelope, from_record

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
ENVELOPES = st.builds(
    Envelope,
    id=TEXT,
    type=TEXT,
    source=TEXT,
    subject=TEXT,
    time=TIMES,
    data=st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3).map(exactjson.dumps),
    extensions=st.dictionaries(st.from_regex(r"x[a-z0-9]{1,12}", fullmatch=True), TEXT, max_size=3),
)


@given(ENVELOPES)
def test_an_envelope_comes_back_from_its_record(envelope: Envelope) -> None:
    assert from_record(envelope.headers(), envelope.data) == envelope


@given(ENVELOPES)
def test_the_cloudevents_sdk_reads_the_same_event(envelope: Envelope) -> None:
    message = KafkaMessage(headers=dict(envelope.headers()), key=envelope.key, value=envelope.data)
    event = from_binary(message, JSONFormat(), CloudEvent)
    assert (event.get_id(), event.get_type(), event.get_source(), event.get_subject(), event.get_time()) == (
        envelope.id, envelope.type, envelope.source, envelope.subject, envelope.time,
    )  # fmt: skip
    assert event.get_specversion() == "1.0"
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data() == exactjson.loads(envelope.data)
    assert {name: event.get_extension(name) for name in envelope.extensions} == envelope.extensions


def test_an_event_of_the_cloudevents_sdk_is_read() -> None:
    attributes = {
        "id": "1", "type": "mlc.test.v1", "source": "/t/x", "subject": "shop:order:17", "specversion": "1.0",
        "time": datetime(2026, 11, 20, 12, tzinfo=UTC), "datacontenttype": "application/json", "flow": "web",
    }  # fmt: skip
    message = to_binary(CloudEvent(attributes=attributes, data={"a": 1}), JSONFormat())
    envelope = from_record(message.headers.items(), message.value)
    assert (envelope.subject, envelope.extensions) == ("shop:order:17", {"flow": "web"})
    assert exactjson.loads(envelope.data) == {"a": 1}


def test_times_are_written_in_utc() -> None:
    local = datetime(2026, 11, 20, 19, tzinfo=timezone(timedelta(hours=-5)))
    headers = dict(_envelope(local).headers())
    assert headers["ce_time"] == b"2026-11-21T00:00:00Z"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ce_id": None}, "no id"),
        ({"ce_subject": None}, "no subject"),
        ({"ce_time": None}, "no time"),
        ({"ce_specversion": b"0.3"}, "not CloudEvents 1.0"),
        ({"ce_time": b"yesterday"}, "no RFC 3339 time"),
        ({"ce_time": b"2026-11-20T12:00:00"}, "no zone"),
        ({"ce_id": b"\xff"}, "not UTF-8"),
    ],
)
def test_a_record_that_is_no_event_is_refused_with_the_reason(change: dict[str, bytes | None], reason: str) -> None:
    headers = {**dict(_envelope(datetime(2026, 11, 20, tzinfo=UTC)).headers()), **change}
    with pytest.raises(Undecodable, match=reason):
        from_record([(name, value) for name, value in headers.items() if value is not None], b"{}")


def test_a_record_without_value_is_refused() -> None:
    with pytest.raises(Undecodable, match="without data"):
        from_record(_envelope(datetime(2026, 11, 20, tzinfo=UTC)).headers(), None)


def _envelope(time: datetime) -> Envelope:
    return Envelope(id="1", type="t", source="s", subject="shop:order:17", time=time, data=b"{}")
