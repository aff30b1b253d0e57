"""The answer of PostTransFile: posted only where it says so of our batch."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_vendors.deltek import load_contract
from mlc_vendors.deltek.posting import PostResult, read_post_answer

CONTRACT = load_contract()


def read(content: bytes | str, batch: str = "IN-WC01-1001", transtype: str = "IN") -> PostResult:
    raw = content.encode() if isinstance(content, str) else content
    return read_post_answer(
        raw, batch=batch, transtype=transtype, rules=CONTRACT.transactions, sentences=CONTRACT.errors
    )


def _raw(recorded: Any, case: str) -> str:
    found: str = next(e for e in recorded.exchanges("post-transfile") if case in e["case"])["response"]["body_raw"]
    return found


def test_the_published_answer_with_its_missing_comma_is_read(recorded: Any) -> None:
    text = "Invoices file 1001 WC01; 1 of 1 records posted; Posting sequence 59"
    assert read(_raw(recorded, "posted")) == PostResult("posted", text, period=202611, post_seq=59)


def test_each_batch_of_a_shared_answer_has_its_own_verdict(recorded: Any) -> None:
    raw = _raw(recorded, "two files")
    first, second = read(raw, "CR-WC01-1001-P1", "CR"), read(raw, "JE-AZ01-S12345678901", "JE")
    assert (first.state, first.post_seq, second.state, second.post_seq) == ("posted", 60, "posted", 61)
    assert second.text == "Journal Entries file B; 1 of 1 records posted; Posting sequence 61"
    mixed = raw.replace("1|1", "1|0")
    assert [read(mixed, "CR-WC01-1001-P1", "CR").state, read(mixed, "JE-AZ01-S12345678901", "JE").state] == [
        "posted",
        "refused",
    ]


def test_http_200_with_a_refusal_is_a_refusal_with_its_class(recorded: Any) -> None:
    result = read(_raw(recorded, "not posted"))
    assert (result.state, result.rejection) == ("refused", "period")
    assert "Period 202610 is closed." in result.text


def test_a_refusal_in_unknown_words_is_still_a_refusal(recorded: Any) -> None:
    result = read(_raw(recorded, "not posted").replace("Period 202610 is closed.", "Computer says no."))
    assert (result.state, result.rejection) == ("refused", "rejected")


def _well_formed(**fields: str) -> str:
    body = {"typeList": "IN", "batchList": "IN-WC01-1001", "retList": "1", "periodList": "202611"}
    return json.dumps({**body, **fields})


def test_well_formed_answers_are_read_too() -> None:
    assert read(_well_formed()).state == "posted"
    assert read(json.dumps(_well_formed())).state == "posted"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "null",
        "[]",
        '""',
        '"1"',
        "<html>502</html>",
        '"posted"',
        _well_formed(retList="2"),
        _well_formed(retList=""),
        _well_formed(retList="1|1"),
        _well_formed(batchList="IN-WC01-1002"),
        _well_formed(batchList="IN-WC01-10011"),
        _well_formed(batchList=""),
        _well_formed(batchList="IN-WC01-1001|IN-WC01-1001", retList="1|1"),
        _well_formed(typeList="JE"),
        json.dumps({"retList": "1"}),
        json.dumps({"msg": "IN-WC01-1001 retList 1"}),
        b"\xff\xfe",
    ],
)
def test_anything_else_is_unknown(content: Any) -> None:
    assert read(content).state == "unknown"


def test_a_verdict_quoted_inside_the_message_is_not_ours() -> None:
    text = '{"batchList": "IN-WC01-1001" "msg": "said \\"retList\\": \\"1\\" before", "retList": "0"}'
    assert read(json.dumps(text)).state == "refused"


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: json.dumps(text).encode()))
def test_no_answer_makes_the_reader_fail_or_believe(content: Any) -> None:
    assert read(content).state == "unknown"


@pytest.mark.parametrize(("form", "expected"), [("array", list), ("object", dict)])
async def test_one_batch_is_posted_per_call_in_the_contracts_form(
    make_client: Any, tenant: Any, recorded: Any, form: Any, expected: Any
) -> None:
    exchange = recorded.exchanges("post-transfile")[0 if form == "array" else 1]
    tenant.play(recorded.answer_of(exchange))
    client = make_client({"transactions": {"post_body_form": form}})
    result = await client.post_file("IN-WC01-1001", period=202611, company="00", description="1001 WC01")
    (sent,) = tenant.sent
    assert (sent.method, sent.path, sent.body) == ("PUT", exchange["request"]["path"], exchange["request"]["body"])
    assert isinstance(sent.body["parms"], expected)
    assert (result.state, sent.safe, sent.timeout_s) == ("posted", False, 120)
