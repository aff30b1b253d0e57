"""What is encoded is decoded to the same value; what is no event of ours is refused with the reason."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_common import exactjson
from mlc_common.errors import Undecodable
from mlc_common.events import (
    CHUNK,
    Command,
    Envelope,
    Event,
    FetchRequested,
    HeldWish,
    HoldResolved,
    OrderSnapshot,
    ReleaseRequested,
    ReplayRequested,
    decode,
    encode,
)
from mlc_common.events.codec import CUT_OFF, chunk_offsets, chunks, join, manifest

NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, UTC)
ID = UUID("00000000-0000-5000-8000-000000000001")
LEAVES = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text() | st.decimals(-(10**9), 10**9, places=3)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=8
)


def _encode(event: Any) -> Envelope:
    return encode(event, event_id=ID, subject="shop:order:17", source="/t/test", time=NOW)


def _texts(value: Any) -> Any:
    """What a snapshot says, with numbers as text: Decimals become strings on the log."""
    if isinstance(value, dict):
        return {key: _texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_texts(item) for item in value]
    return str(value) if isinstance(value, Decimal) else value


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_a_snapshot_comes_back_as_it_went_in(order: dict[str, Any]) -> None:
    snapshot = OrderSnapshot(connection="shop", order_id="17", order=order, fetched_at=NOW)
    again = decode(_encode(snapshot), OrderSnapshot)
    assert again.order == _texts(order)
    assert again.fetched_at == NOW


@pytest.mark.parametrize("meta", [{}, {"value": {"\ud800": 1}}])
def test_a_snapshot_with_text_that_is_no_utf8_comes_through(meta: dict[str, Any]) -> None:
    order = {"id": 17, "name": "Mug \ud800", "total": Decimal("1.50"), "meta_data": [meta]}
    snapshot = OrderSnapshot(connection="shop", order_id="17", order=order, fetched_at=NOW)
    envelope = _encode(snapshot)
    envelope.data.decode("utf-8")
    again = decode(envelope, OrderSnapshot)
    assert again.order is not None
    assert (again.order["id"], again.order["total"]) == (17, "1.50")
    assert again.order["name"] in ("Mug \ud800", "Mug \ufffd")


TYPED = {"by": "k\0im", "why": "f\udcfcr\x1b[2J", "flow": "web", "request_id": str(ID), "at": NOW.isoformat()}
"""What a terminal of another encoding makes of umlauts, as it may lie on the log."""


@pytest.mark.parametrize(
    ("request_of", "about"),
    [
        (ReplayRequested, {"orders": ["shop:order:\udcff"]}),
        (ReleaseRequested, {"order_key": "shop:order:\udcff", "documents": [str(ID)]}),
        (HoldResolved, {"order_key": "shop:order:\udcff", "document_key": str(ID), "found": "closed"}),
    ],
)
def test_what_a_person_typed_can_be_kept_by_whoever_reads_it_whatever_it_is(
    request_of: type[Event], about: dict[str, Any]
) -> None:
    envelope = Envelope(
        id=str(ID), type=request_of.event_type, source="/t/cli", subject="flow:web", time=NOW,
        data=exactjson.dumps(TYPED | about),
    )  # fmt: skip
    said = decode(envelope, request_of).model_dump_json()
    assert "\\u0000" not in said
    assert exactjson.loads(said)["why"] == "f\ufffdr\ufffd[2J"


def test_a_snapshot_that_nests_without_end_comes_through_cut_off() -> None:
    endless: Any = "bottom"
    for _ in range(900):
        endless = [endless]
    snapshot = OrderSnapshot(connection="shop", order_id="17", order={"id": 17, "meta": endless}, fetched_at=NOW)
    envelope = _encode(snapshot)
    again = decode(envelope, OrderSnapshot)
    assert again.order is not None
    assert again.order["id"] == 17
    assert CUT_OFF.encode() in envelope.data
    assert b"bottom" not in envelope.data


def test_a_command_comes_back_equal() -> None:
    command = Command(
        command_id=ID, document_key=ID, flow="web", order_key="shop:order:17", seq=3, kind="invoice",
        wish=HeldWish(reason="bad_data", detail="total: no amount"), cause="x", content_digest="d",
    )  # fmt: skip
    assert decode(_encode(command), Command) == command


def test_unknown_fields_of_a_newer_writer_are_ignored() -> None:
    request = FetchRequested(fetch_id=ID, connection="shop", order_id="17", because="deleted")
    said = exactjson.loads(_encode(request).data) | {"invented_later": {"x": 1}}
    assert decode(_with(_encode(request), exactjson.dumps(said)), FetchRequested) == request


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff", "not UTF-8"),
        (b"{", "not JSON"),
        (b'{"a": NaN}', "NaN"),
        (b"[" * 100_000, "nested too deeply"),
        (b"{}", "fetch_id"),
        (b"[]", "data"),
        (b"9" * 5000, "not JSON"),
    ],
)
def test_bytes_that_are_no_event_are_refused_with_the_reason(data: bytes, reason: str) -> None:
    request = FetchRequested(fetch_id=ID, connection="shop", order_id="17", because="deleted")
    with pytest.raises(Undecodable, match=reason):
        decode(_with(_encode(request), data), FetchRequested)


def test_another_type_is_refused() -> None:
    request = FetchRequested(fetch_id=ID, connection="shop", order_id="17", because="deleted")
    with pytest.raises(Undecodable, match=r"expected mlc.command.v1"):
        decode(_encode(request), Command)


@given(st.binary(min_size=1, max_size=500), st.integers(1, 60))
def test_a_large_value_is_split_and_joined_to_the_same_bytes(data: bytes, limit: int) -> None:
    envelope = _with(_encode(FetchRequested(fetch_id=ID, connection="s", order_id="1", because="b")), data)
    parts = chunks(envelope, limit)
    if len(data) <= limit:
        assert parts == []
        return
    assert all(len(part.data) <= limit and part.type == CHUNK and part.key == envelope.key for part in parts)
    assert len({part.id for part in parts}) == len(parts)
    listed = manifest(envelope, range(7, 7 + len(parts)))
    assert chunk_offsets(listed) == list(range(7, 7 + len(parts)))
    assert join(listed, [part.data for part in parts]) == envelope


@given(st.binary(min_size=2, max_size=200), st.randoms())
def test_parts_that_are_not_what_was_split_are_refused(data: bytes, random: Any) -> None:
    envelope = _with(_encode(FetchRequested(fetch_id=ID, connection="s", order_id="1", because="b")), data)
    parts = [part.data for part in chunks(envelope, 1)]
    kept = list(parts)
    random.shuffle(kept)
    kept = kept if kept != parts else kept[1:]
    with pytest.raises(Undecodable, match="chunks"):
        join(manifest(envelope, range(len(parts))), kept)


def test_the_ids_of_chunks_depend_on_nothing_but_the_event() -> None:
    envelope = _encode(FetchRequested(fetch_id=ID, connection="s", order_id="1", because="b"))
    assert chunks(envelope, 50)[0].id == str(uuid5(ID, "chunk 0"))


def _with(envelope: Envelope, data: bytes) -> Envelope:
    return Envelope(
        id=envelope.id, type=envelope.type, source=envelope.source, subject=envelope.subject, time=envelope.time,
        data=data,
    )  # fmt: skip
