"""The output of the preview is stable and plain: these names, amounts as strings, nothing that JSON cannot carry."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from mlc_common.errors import ConfigurationError
from mlc_mapper import examples
from mlc_mapper.mapping import load
from mlc_mapper.preview import preview

from .captured import record

MAPPING = load(examples.text())


def test_a_document_has_the_documented_fields() -> None:
    out = preview(record("refund-by-line"), MAPPING)
    assert set(out) == {"documents", "holds", "excluded"}
    invoice, credit = out["documents"]
    documented = {"type", "key", "number", "date", "currency", "party", "lines", "net", "tax", "total"}
    assert documented <= set(invoice)
    assert set(credit) - set(invoice) == {"invoice", "invoice_number", "reason"}
    assert set(invoice["lines"][0]) == {
        "kind", "source_line", "sku", "description", "quantity", "net", "tax", "account", "taxes",
    }  # fmt: skip
    assert invoice["party"]["name"] == "Engines Ltd"


def test_amounts_are_strings_with_the_currency_s_digits() -> None:
    (invoice,) = preview(record("guest-paid"), MAPPING)["documents"]
    assert (invoice["net"], invoice["tax"], invoice["total"]) == ("31.35", "2.40", "33.75")
    for line in invoice["lines"]:
        for name in ("quantity", "net", "tax"):
            assert isinstance(line[name], str)
            Decimal(line[name])
    assert json.loads(json.dumps(invoice)) == invoice


def test_a_hold_says_what_to_do() -> None:
    stored = record("guest-paid")
    (hold,) = preview({**stored, "order": {**stored["order"], "currency": "THB"}}, MAPPING)["holds"]
    assert set(hold) == {"reason", "detail", "fix", "type", "key"}
    assert hold["reason"] == "currency_not_mapped"
    assert "mapping" in hold["fix"]


def test_an_exclusion_names_its_rule() -> None:
    (excluded,) = preview(record("pending"), MAPPING)["excluded"]
    assert excluded == {"rule": "not_paid", "detail": "the order's status is pending", "subject": "order:24"}


def test_the_keys_are_those_of_live_events() -> None:
    (invoice,) = preview(record("guest-paid"), MAPPING)["documents"]
    assert preview(record("guest-paid"), MAPPING)["documents"][0] == invoice
    assert invoice["key"] == "e811ed67-9436-55a0-b43b-6676470bec65"  # flow web, order 17


@pytest.mark.parametrize(
    ("stored", "says"),
    [
        ({}, "holds no order"),
        ({"order": None}, "holds no order"),
        ([], "holds no order"),
        ({"order": {}}, "no id"),
        ({"order": {"id": "17"}}, "no id"),
        ({"order": {"id": 17}, "refunds": {}}, "'refunds'"),
        ({"order": {"id": 17}, "products": [1]}, "'products'"),
        ({"order": {"id": 17}, "customer": []}, "'customer'"),
    ],
)
def test_a_record_of_another_shape_is_refused_with_what_to_write(stored: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        preview(stored, MAPPING)


def test_missing_lists_are_empty() -> None:
    stored = record("pending")
    assert preview({"order": stored["order"]}, MAPPING) == preview(stored, MAPPING)
