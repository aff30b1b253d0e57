"""JSON in and out without floats; whatever can be read can be written and read again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_common import exactjson
from mlc_common.errors import Undecodable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(st.characters(codec=None))
    | st.decimals(allow_nan=False, allow_infinity=False, places=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec=None)), inner, max_size=4),
    max_leaves=15,
)  # fmt: skip


@given(JSON)
def test_what_is_written_is_read_again_and_is_utf8(value: Any) -> None:
    data = exactjson.dumps(value)
    data.decode("utf-8")
    assert exactjson.loads(data) == value


def test_numbers_keep_their_digits() -> None:
    text = b'{"a":1.10,"b":11.700000000000001,"c":1e400,"d":12345678901234567890}'
    read = exactjson.loads(text)
    assert read["a"] == Decimal("1.10")
    assert str(read["a"]) == "1.10"
    assert str(read["b"]) == "11.700000000000001"
    assert read["c"] == Decimal("1e400")
    assert exactjson.dumps({"a": read["a"], "b": read["b"]}) == b'{"a":1.10,"b":11.700000000000001}'


@pytest.mark.parametrize("text", [b"NaN", b"[Infinity]", b'{"a":-Infinity}', b"", b"{'a':1}", b"\x80", b"[" * 10**6])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(Undecodable):
        exactjson.loads(text)


@pytest.mark.parametrize("value", [1.5, {"a": [1.5]}, (0.0,)])
def test_floats_are_never_written(value: Any) -> None:
    with pytest.raises(TypeError, match="float"):
        exactjson.dumps(value)
