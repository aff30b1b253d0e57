"""Mapping files: what is written is what counts, and what is wrong is said with its line and what to write instead."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
import yaml

from mlc_common.errors import ConfigurationError
from mlc_mapper import examples
from mlc_mapper.mapping import json_schema, load

from .making import mapping

TEXT = examples.text()


def wrong(old: str, new: str) -> str:
    assert old in TEXT
    with pytest.raises(ConfigurationError) as error:
        load(TEXT.replace(old, new))
    return str(error.value)


def test_the_shipped_example_is_valid_and_versioned_by_its_text() -> None:
    example = load(TEXT)
    assert (example.flow, example.store, example.erp) == ("web", "shop", "deltek")
    assert len(example.version) == 12
    assert load(TEXT).version == example.version
    assert load(TEXT + "\n# a comment\n").version != example.version


def test_the_shipped_example_is_valid_by_the_schema_that_editors_get() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    said = _dates_as_text(yaml.safe_load(TEXT))
    assert [error.message for error in validator.iter_errors(said)] == []
    assert list(validator.iter_errors({**said, "flo": "x"}))


def _dates_as_text(said: Any) -> Any:
    """Editors follow YAML 1.2, which has no dates."""
    return {key: value.isoformat() if isinstance(value, date) else value for key, value in said.items()}


def test_scalars_are_taken_as_they_are_written() -> None:
    text = TEXT.replace("default: 401.00", "default: 401.00\n  by_category: {NO: 010.10, 1: 1e5, on: 402.0}")
    text = text.replace("  by_category: {}               # for", "  # for")
    assert load(text).revenue.by_category == {"NO": "010.10", "1": "1e5", "on": "402.0"}
    assert load(text).revenue.default == "401.00"
    assert load(TEXT.replace("tolerance: 0.05", "tolerance: 0.10")).rounding.tolerance == Decimal("0.10")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("flow: web ", "flwo: web ", ["line 7: flwo: is no field; did you mean flow?", "flow: is missing; add it"]),
        ("  default: 404.00", "  defualt: 404.00", ["shipping.defualt: is no field; did you mean default?"]),
        ("store_kind: woocommerce", "store_kind: magento", ["store_kind", "'woocommerce'", "magento"]),
        ("time_zone: America/New_York", "time_zone: EST5EDT4", ["time_zone", "EST5EDT4", "America/New_York"]),
        ("cut_over: 2024-01-01", "cut_over: soon", ["cut_over", "soon"]),
        ("paid: [processing, completed]", "paid: [processing, pending]", ["statuses", "pending", "more than one list"]),
        ("paid: [processing, completed]", "paid: []", ["statuses", "nothing would ever be posted"]),
        ("paid: [processing, completed]", "paid: [refunded]", ["statuses.paid.0", "rule of its own"]),
        ("cancelled: [cancelled, failed]", "cancelled: [trash]", ["statuses.cancelled.0", "counts as deleted"]),
        ("currencies: [USD,", "currencies: [US,", ["currencies.0", "ISO 4217"]),
        ("store_code: WC01", "store_code: wc-01", ["numbering.store_code"]),
        ("invoice_prefix: WA", "invoice_prefix: WAR", ["numbering.invoice_prefix"]),
        ("  code: STORE.WEB01", '  code: ""', ["project", "rule generic needs the project"]),
        ("  rule: generic", "  rule: by_firm", ["project", "takes no `code`"]),
        ("match: [external_key, email]", "match: [name]", ["firms.match.0", "'external_key' or 'email'", "name"]),
        ("  table: []", "  table: [{firm: A}]", ["firms.table.0", "`customer` or `email`"]),
        (
            "  table: []",
            "  table: [{customer: 1, firm: A}, {customer: 1, firm: B}]",
            ["firms", "1 is in the table twice"],
        ),
        ("  default: 401.00", "  default: 401.00.000000000", ["revenue.default", "13"]),
        ("code: NY_CITY, account: 221.00", "code: NY_STATE, account: 9", ["taxes", "NY_STATE has two accounts"]),
        ("code: NY_CITY", "code: NEW_YORK_CITY_TAX", ["taxes.by_rate.US-NY-NY CITY-2.code", "10"]),
        ("tolerance: 0.05", "tolerance: five", ["rounding.tolerance", "five", "'0.05'"]),
        ("tolerance: 0.05", "tolerance: -1", ["rounding.tolerance", "not be negative"]),
        ("amount_only: spread", "amount_only: clearing", ["refunds", "needs `clearing_account`"]),
        ("invoice: Order {number}", "invoice: Order {nummer}", ["memo", "{number}"]),
        ("erp: deltek\n", "erp: deltek\nerp: other\n", ["erp stands here twice"]),
        ("erp: deltek\n", "erp: &a deltek\nx: *a\n", ["aliases"]),
        ("erp: deltek\n", "erp: !!python/name:os.system x\n", ["tag"]),
        ("erp: deltek\n", "erp: [deltek\n", ["not YAML"]),
        ("erp: deltek\n", "erp:\n", ["erp", "is empty"]),
        ("period: park", "period: [park]", ["period", "'park' or 'next_open'"]),
        ("paid: [processing, completed]", "paid: processing", ["statuses.paid: write a list, like [a, b]"]),
        ("guests:\n  policy: generic", "guests: generic", ["guests: write `field: value` lines below it"]),
        ("require_payment_date: false", "require_payment_date: maybe", ["write true or false (it says 'maybe')"]),
        ("cut_over: 2024-01-01", "cut_over: 1.1.2024", ["cut_over: write a date like 2026-11-01"]),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_what_to_write(old: str, new: str, says: list[str]) -> None:
    message = wrong(old, new)
    assert "line " in message or "aliases" in message
    for part in says:
        assert part in message


@pytest.mark.parametrize("text", ["", "- a", "just text", "? {a: b}\n: c", "[" * 3000, "a: " + "{b: " * 2000])
def test_what_is_no_mapping_at_all_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        load(text)


def test_a_field_that_may_be_text_or_a_list_is_judged_by_what_was_written() -> None:
    assert len(wrong("time_zone: America/New_York", "time_zone: EST5EDT4").splitlines()) == 1
    listed = wrong("time_zone: America/New_York", "time_zone: [{from: x, zone: UTC}]")
    assert listed == "line 17: time_zone.0.from: write a date like 2026-11-01 (it says 'x')"


def test_every_error_of_a_file_is_said_at_once() -> None:
    message = wrong("erp_kind: deltek\n", "erp_kind: sap\nperiods: park\n")
    assert len(message.splitlines()) == 2


def test_guests_without_a_firm_need_a_generic_project() -> None:
    with pytest.raises(ConfigurationError, match="policy generic needs project rule generic"):
        mapping(project={"rule": "by_firm", "code": None})


def test_zones_must_be_in_order() -> None:
    with pytest.raises(ConfigurationError, match="later than the one before"):
        mapping(time_zone=[{"from": "2026-01-01", "zone": "UTC"}, {"from": "2025-01-01", "zone": "UTC"}])


def test_dates_follow_the_clocks_of_the_store_through_daylight_saving() -> None:
    new_york = mapping()
    # on 8 March 2026 clocks go from 02:00 to 03:00, on 1 November back from 02:00 to 01:00
    assert new_york.local_date(datetime(2026, 3, 8, 4, 59, tzinfo=UTC)) == date(2026, 3, 7)
    assert new_york.local_date(datetime(2026, 3, 9, 3, 59, tzinfo=UTC)) == date(2026, 3, 8)
    assert new_york.local_date(datetime(2026, 3, 9, 4, 0, tzinfo=UTC)) == date(2026, 3, 9)
    assert new_york.local_date(datetime(2026, 11, 1, 3, 59, tzinfo=UTC)) == date(2026, 10, 31)
    assert new_york.local_date(datetime(2026, 11, 2, 4, 59, tzinfo=UTC)) == date(2026, 11, 1)


def test_fee_rules_match_names_like_file_names() -> None:
    fees = mapping(fees={"rules": [{"match": "gift*", "account": "1"}, {"match": "*", "account": "2"}]}).fees
    assert [rule.account for rule in map(fees.rule_for, ["GIFT wrap", "A gift"]) if rule] == ["1", "2"]
    assert mapping(fees={"rules": [], "default": None}).fees.rule_for("x") is None
