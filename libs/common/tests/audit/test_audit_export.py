"""Lines of an export: stable columns, no formula, the same facts in both formats."""

from __future__ import annotations

import csv
import dataclasses
import json

import pytest

from mlc_common.audit import genesis, row_of
from mlc_common.audit.export import FACTS, PLACE, PROOF, csv_line, json_line

from .records import ORDER, TENANT, TOPIC, event, outcome, record, webhook

ROW = row_of(record(event(outcome("posted", erp_ids={"batch": "IN-1"})), 4), genesis(TENANT, TOPIC, 0))
COLUMNS = (*PLACE, *FACTS, "facts", *PROOF)


def cells(line: str) -> dict[str, str]:
    (values,) = csv.reader([line])
    return dict(zip(COLUMNS, values, strict=True))


def test_a_line_of_csv_has_place_facts_and_proof_under_their_names() -> None:
    found = cells(csv_line(ROW))
    assert (found["topic"], found["partition"], found["offset"]) == (TOPIC, "0", "4")
    assert (found["subject"], found["stage"], found["state"]) == (ORDER, "posted", "posted")
    assert (found["number"], found["total"], found["currency"]) == ("WA00028", "33.75", "USD")
    assert json.loads(found["facts"])["erp.batch"] == "IN-1"
    assert (bytes.fromhex(found["chain"]), bytes.fromhex(found["previous"])) == (ROW.chain, ROW.previous)


def test_a_line_of_json_says_the_same() -> None:
    line = json_line(ROW)
    found, flat = json.loads(line), cells(csv_line(ROW))
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert {name: str(found[name]) for name in (*PLACE, *PROOF)} == {name: flat[name] for name in (*PLACE, *PROOF)}
    assert found["facts"] == json.loads(flat["facts"])


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_what_a_spreadsheet_would_run_is_text(text: str) -> None:
    row = dataclasses.replace(ROW, subject=text)
    assert cells(csv_line(row))["subject"] == f"'{text}"
    assert json.loads(json_line(row))["subject"] == text


def test_text_with_quotes_and_line_ends_stays_one_cell() -> None:
    row = dataclasses.replace(row_of(record(webhook()), b""), subject='a "b",\nc')
    assert cells(csv_line(row))["subject"] == 'a "b",\nc'


def test_facts_that_somebody_broke_are_exported_as_they_are() -> None:
    row = dataclasses.replace(ROW, facts="{broken")
    assert (cells(csv_line(row))["facts"], cells(csv_line(row))["state"]) == ("{broken", "")
    assert json.loads(json_line(row))["facts"] == {}
