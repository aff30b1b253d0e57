"""The tenant contract: what ships, what a tenant may say, and what is refused."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from mlc_common.errors import ConfigurationError
from mlc_vendors.deltek import load_contract, load_contract_file


def test_the_shipped_default_is_the_fact_sheets(recorded: Any) -> None:
    shipped = resources.files("mlc_vendors.deltek").joinpath("tenant_contract.default.json").read_text()
    assert json.loads(shipped) == recorded.default_contract()


def test_a_tenant_overrides_single_leaves_and_keeps_the_rest() -> None:
    contract = load_contract(
        {
            "endpoints": {"trans.post": {"path": "DataEntry/Post2", "method": "POST"}},
            "query": {"filter": {"ops": {"eq": "eq"}}, "order_asc": "{field} asc"},
            "fields": {"firm.external_key": {"enabled": True}},
            "errors": {"period": ["Periode geschlossen"]},
            "http": {"max_rps": None},
        }
    )
    assert contract.endpoints["trans.post"].path == "DataEntry/Post2"
    assert contract.endpoints["trans.post"].root == "api"
    assert (contract.query.filter.ops["eq"], contract.query.filter.ops["ge"]) == ("eq", ">=")
    assert (contract.fields.firm_external_key.name, contract.fields.firm_external_key.enabled) == ("custMLKey", True)
    assert contract.errors.period == ("Periode geschlossen",)
    assert (contract.http.max_rps, contract.http.max_concurrent) == (None, 4)


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"limit": {"Batch": 20}}, "unknown key limit;"),
        ({"limits": {"batch_length": 20}}, "unknown key limits.batch_length"),
        ({"query": {"filter": {"ops": {"equals": "="}}}}, "equals"),
        ({"endpoints": {"trans.posting": {"path": "x"}}}, "unknown endpoints: trans.posting"),
        ({"endpoints": {"trans.post": {"verb": "PUT"}}}, "unknown key endpoints.trans.post.verb"),
        ({"transactions": {"types": {"invoices": {}}}}, "invoices"),
        ({"transactions": {"use_files": "perhaps"}}, "transactions.use_files"),
        ({"limits": {"Batch": 0}}, "limits.Batch"),
        ({"http": 5}, "http"),
    ],
)
def test_what_the_contract_does_not_know_is_refused_by_name(overrides: Any, named: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_contract(overrides)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"[1]", "JSON object"), (b"{", "not JSON"), (b'{"version": 2}', "version"), (b"\xff", "not UTF-8")],
)
def test_a_tenant_file_that_cannot_be_used_says_why(tmp_path: Path, content: Any, says: Any) -> None:
    path = tmp_path / "tenant.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=says):
        load_contract_file(path)


def test_a_tenant_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.json.*check the path"):
        load_contract_file(tmp_path / "none.json")


def test_a_tenant_file_is_laid_over_the_default(tmp_path: Path) -> None:
    path = tmp_path / "tenant.json"
    path.write_text('{"base": {"tenant_root": "https://x.example/X"}, "http": {"read_timeout_s": 12.5}}')
    contract = load_contract_file(path)
    assert (contract.base.url("api", "firm"), contract.http.read_timeout_s) == ("https://x.example/X/api/firm", 12.5)


@pytest.mark.parametrize(
    "given",
    ["https://h.example/AcMe", "https://h.example/AcMe/", "https://h.example/AcMe/api", "https://h.example/AcMe/API/"],
)
def test_the_tenants_url_keeps_its_letter_case_and_may_be_pasted_with_its_api_part(given: Any) -> None:
    base = load_contract().at(given).base
    assert base.url("api", "firm") == "https://h.example/AcMe/api/firm"
    assert base.url("vision", "Accounts/") == "https://h.example/AcMe/vision/Accounts/"


def test_an_address_that_was_never_set_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"base\.tenant_root"):
        load_contract().base.url("api", "firm")


def test_path_values_are_encoded_whole_and_the_pipe_between_keys_stays_encoded() -> None:
    endpoint = load_contract().endpoints["trans.master.create"]
    values = {"prefix": "in", "Batch": "IN/1 |x", "EntryKey": "WA01001"}
    assert endpoint.filled_path(values) == "DataEntry/inMaster/IN%2F1%20%7Cx%7CWA01001"
