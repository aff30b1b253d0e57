"""Settings as `name=value`, secrets from a file: what is taken, and what a person is told when it is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlc_cli.asking import read_secrets, read_settings
from mlc_common.connection_types import type_of
from mlc_common.errors import ConfigurationError

STORE, ERP = type_of("woocommerce"), type_of("deltek")
URL = "url=https://shop.example"
PLANTED = "hunter2-planted-secret"


def test_values_are_text_or_json() -> None:
    told = [
        "url=https://acme.example/acme/?a=b",
        "database=0012",
        "username=true name",
        "allow_private=true",
        'contract={"limits": {"RefNo": 20}}',
    ]
    settings = read_settings(ERP, told)
    assert settings == {
        "url": "https://acme.example/acme/?a=b",
        "database": "0012",
        "username": "true name",
        "allow_private": True,
        "contract": {"limits": {"RefNo": 20}},
    }


def test_a_change_keeps_the_others_and_an_empty_value_drops_one() -> None:
    before = {"url": "https://shop.example", "allow_private": True, "rate_per_s": 5}
    assert read_settings(STORE, ["allow_private=", "rate_per_s=null"], before=before) == {
        "url": "https://shop.example",
        "rate_per_s": None,
    }
    assert before["allow_private"] is True


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ([], "url is missing"),
        ([URL, "alow_private=true"], "there is no setting alow_private; did you mean allow_private?"),
        ([URL, "zzz=1"], "there is no setting zzz\n"),
        ([URL, URL], "--set url is given twice"),
        ([URL, "rate_per_s=fast"], "rate_per_s: input should be a valid number"),
        (["url"], "--set url: write it as name=value"),
        (["=x"], "write it as name=value"),
        (["url=shop.example"], "url must begin with https://"),
        ([URL, 'rate_per_s={"a":'], "--set rate_per_s: not JSON"),
        ([URL, f"consumer_secret={PLANTED}"], "consumer_secret is a secret, not a setting"),
    ],
)
def test_what_is_wrong_is_named_with_what_there_is(told: list[str], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings(STORE, told)
    assert said in str(caught.value)
    assert PLANTED not in str(caught.value)


def test_everything_that_is_wrong_comes_at_once_with_the_list_of_settings() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings(ERP, ["usrname=x"])
    said = str(caught.value)
    assert all(f"{name} is missing" in said for name in ("url", "database", "username"))
    assert "did you mean username?" in said
    assert all(f"\n  {name}: " in said for name in ERP.settings.model_fields)


def test_secrets_come_from_a_file_and_show_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    file.write_text(json.dumps({"consumer_key": "ck_1", "consumer_secret": PLANTED, "webhook_secret": "w"}))
    found = read_secrets(file, STORE.secrets)
    assert {name: value.get_secret_value() for name, value in found.items()} == {
        "consumer_key": "ck_1",
        "consumer_secret": PLANTED,
        "webhook_secret": "w",
    }
    assert PLANTED not in repr(found)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f'{{"consumer_key": "{PLANTED}"}}', "lacks consumer_secret"),
        (f'{{"consumer_key": "{PLANTED}", "consumer_secret": ""}}', "lacks consumer_secret"),
        (f'["{PLANTED}"]', "must be a JSON object of texts"),
        (f'{{"consumer_key": ["{PLANTED}"]}}', "must be a JSON object of texts"),
        (f'{{"consumer_key": "{PLANTED}"', "s.json: "),
    ],
)
def test_a_file_of_secrets_that_cannot_be_used_is_refused_without_quoting_it(
    tmp_path: Path, content: str, said: str
) -> None:
    file = tmp_path / "s.json"
    file.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        read_secrets(file, STORE.secrets)
    assert said in str(caught.value)
    assert PLANTED not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.json: No such file"):
        read_secrets(tmp_path / "none.json", STORE.secrets)
