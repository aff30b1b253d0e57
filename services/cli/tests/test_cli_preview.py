"""`mlc preview` and `mlc mapping check`, which need no server: shapes, sums, and what a person reads."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mlc_cli.app import app

ROOT = Path(__file__).parents[3]
ORDERS = ROOT / "tests" / "data" / "woocommerce" / "orders"
EXAMPLE = ROOT / "services" / "mapper" / "src" / "mlc_mapper" / "examples" / "woocommerce-to-deltek.yaml"
RECORDS = sorted(ORDERS.glob("*.json"))


def mlc(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def answer(*arguments: str | Path) -> Any:
    result = mlc("preview", "--json", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout, parse_float=fail_on_float)


def fail_on_float(text: str) -> None:
    raise AssertionError(f"{text} is a number; amounts are strings")


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_every_stored_order_becomes_documents_holds_or_exclusions_that_add_up(record: Path) -> None:
    said = answer(record)
    assert list(said) == ["documents", "holds", "excluded"]
    assert said["documents"] or said["holds"] or said["excluded"]
    for document in said["documents"]:
        assert document["type"] in ("invoice", "credit_note")
        net = sum(Decimal(line["net"]) for line in document["lines"])
        tax = sum(Decimal(line["tax"]) for line in document["lines"])
        assert (net, tax) == (Decimal(document["net"]), Decimal(document["tax"]))
        assert net + tax == Decimal(document["total"])
    assert all(hold["reason"] and hold["detail"] and hold["fix"] for hold in said["holds"])
    assert all(left_out["rule"] and left_out["detail"] for left_out in said["excluded"])


def test_one_file_gives_an_object_and_several_give_a_list_in_their_order() -> None:
    one, other = ORDERS / "coupon-percent.json", ORDERS / "pending.json"
    assert answer(one, other) == [answer(one), answer(other)]


def test_the_example_mapping_is_what_is_used_without_one() -> None:
    record = ORDERS / "refund-by-line.json"
    assert answer(record) == answer("--mapping", EXAMPLE, record)


def test_a_person_reads_the_document_with_its_total_and_lines_within_80_columns() -> None:
    result = mlc("preview", ORDERS / "coupon-percent.json")
    assert "invoice WA00022 of 2026-11-20, Engines Ltd: 40.83 USD (net 37.50, tax 3.33)" in result.stdout
    assert "Blue Mug" in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines() if str(ORDERS) not in line)


def test_a_person_reads_why_nothing_is_posted() -> None:
    result = mlc("preview", ORDERS / "pending.json")
    assert "left out not_paid: the order's status is pending" in result.stdout


def test_what_stands_in_brackets_is_shown_and_not_taken_for_a_style(tmp_path: Path) -> None:
    record = json.loads((ORDERS / "coupon-percent.json").read_text(), parse_float=str)
    record["order"]["line_items"][0]["name"] = "Mug [bold]big[/bold] [/]"
    (tmp_path / "order.json").write_text(json.dumps(record))
    result = mlc("preview", tmp_path / "order.json")
    assert result.exit_code == 0
    assert "[bold]big" in result.stdout.replace("\n", "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[1]", "order.json: the record holds no order"),
        (b'{"order": {"total": "1"}}', "order.json: the record's order has no id"),
        (b'{"order": {"id": 1}, "refunds": 5}', "order.json: 'refunds' of the record must be a list"),
        (b'{"order": ', "order.json: "),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"order": {"id": 1, "total": NaN}}', "order.json: "),
    ],
)
def test_a_file_that_is_no_record_is_refused_by_name(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "order.json").write_bytes(content)
    result = mlc("preview", tmp_path / "order.json", "--json")
    assert result.exit_code == 1
    assert said in json.loads(result.stdout)["error"]["message"]


def test_systems_that_the_mapping_is_not_for_are_refused() -> None:
    result = mlc("preview", "--erp", "gp", ORDERS / "pending.json")
    assert result.exit_code == 1
    assert "the mapping is for woocommerce to deltek, not woocommerce to gp" in result.stderr


def test_a_mapping_that_is_in_order_tells_its_flow_and_version() -> None:
    said = json.loads(mlc("mapping", "check", EXAMPLE, "--json").stdout)
    assert (said["flow"], len(said["version"])) == ("web", 12)


def test_a_misspelt_field_is_named_with_file_and_line_and_the_right_spelling(tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    line = text.splitlines().index(next(each for each in text.splitlines() if each.startswith("statuses"))) + 1
    wrong = tmp_path / "web.yaml"
    wrong.write_text(text.replace("\nstatuses", "\nstatusses"))
    result = mlc("mapping", "check", wrong)
    assert result.exit_code == 1
    assert f"{wrong} is not in order" in result.stderr
    assert f"line {line}: statusses: is no field; did you mean statuses?" in result.stderr


def test_a_file_that_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_bytes(b"flow: \xb4")
    result = mlc("mapping", "check", tmp_path / "web.yaml")
    assert (result.exit_code, "web.yaml is no text (UTF-8): byte 6" in result.stderr) == (1, True)
