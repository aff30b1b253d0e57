"""The search for secrets in the logs of a run: it finds each way in which one gets there, and fails the run."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import quote

import pytest

from mlc_common.vault.keyring import create_key_file
from mlc_localstack.planted import Registry, plant_address, planted

pytest_plugins = ["pytester"]

NOT_PLANTED_HERE = "a-secret-of-the-inner-run-" + secrets.token_hex(4)

HEAD = f"""
import logging
from mlc_localstack.planted import planted

SECRET = {NOT_PLANTED_HERE!r}
"""
LEAKING = """
def test_file(tmp_path):
    planted(SECRET, what="the password of the ERP")
    (tmp_path / "poster.log").write_text(f"error: {SECRET}!")

def test_folder_of_a_fixture(tmp_path_factory):
    (tmp_path_factory.mktemp("tenant") / "mapper.log").write_text(SECRET)

def test_print():
    planted(SECRET, what="the password of the ERP")
    print("signing in with", SECRET)

def test_log():
    planted(SECRET, what="the password of the ERP")
    logging.getLogger("mlc").warning("refused: %s", SECRET)
"""
CLEAN = """
def test_that_passes(tmp_path):
    planted(SECRET, what="the password of the ERP")
    (tmp_path / "poster.log").write_text("error: refused")
    (tmp_path / "vault.key").write_text(SECRET)
    print("signing in")
"""
FAILING = """
def test_that_fails():
    planted(SECRET, what="the password of the ERP")
    print(SECRET)
    assert False
"""


@pytest.fixture(autouse=True)
def _no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading all that are installed takes longer than the tests."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def inner_run(pytester: pytest.Pytester, tests: str, *options: str) -> pytest.RunResult:
    """Runs tests of their own in a process of their own, with this plugin and no other that is not asked for."""
    pytester.makepyfile(HEAD + tests)
    return pytester.runpytest_subprocess("-p", "mlc_localstack.planted", *options)


@pytest.mark.parametrize("workers", [(), ("-p", "xdist.plugin", "-n", "2")], ids=["one process", "two workers"])
def test_a_secret_in_a_log_fails_a_run_whose_tests_all_pass(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    """Issue 4, credentials: nothing secret in any log line of the whole run."""
    result = inner_run(pytester, LEAKING, *workers)
    result.assert_outcomes(passed=4)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    said = result.stdout.str()
    found = [line for line in said.splitlines() if line.startswith("the password of the ERP is in ")]
    for place in ("poster.log", "mapper.log", "stdout call of *::test_print", "log call of *::test_log"):
        assert any(fnmatch(line, f"*{place}") for line in found), place
    assert NOT_PLANTED_HERE not in said, "the finding itself keeps the secret"


def test_a_run_without_a_secret_in_its_logs_passes(pytester: pytest.Pytester) -> None:
    result = inner_run(pytester, CLEAN)
    assert result.ret == pytest.ExitCode.OK
    assert "secrets in logs" not in result.stdout.str()


def test_a_run_that_fails_anyway_says_both(pytester: pytest.Pytester) -> None:
    result = inner_run(pytester, FAILING)
    result.assert_outcomes(failed=1)
    assert "the password of the ERP is in Captured stdout call" in result.stdout.str()


WAYS: dict[str, Callable[[str], str]] = {
    "plain": lambda secret: f'{{"detail": "{secret}"}}',
    "percent-encoded": lambda secret: f"GET /?consumer_secret={quote(secret, safe='')}",
    **{
        f"base64 behind {before!r}": lambda secret, before=before: (  # type: ignore[misc] # bound here
            "Basic " + base64.b64encode(f"{before}{secret}:x".encode()).decode()
        )
        for before in ("", "u:", "us:", "use:")
    },
}


@pytest.mark.parametrize("way", WAYS)
def test_a_secret_is_recognised_however_it_travels(way: str, tmp_path: Path) -> None:
    registry, secret = Registry(), "cs_ö/?+ 0123456789abcdef"
    registry.plant(secret, "a key")
    (tmp_path / "of" / "a").mkdir(parents=True)
    (tmp_path / "of" / "a" / "part.log").write_text(f"first line\n{WAYS[way](secret)}\n")
    assert registry.search_folder(tmp_path) == 1
    assert registry.findings == ["a key is in of/a/part.log"]


def test_vault_keys_are_found_without_being_planted(tmp_path: Path) -> None:
    registry = Registry()
    key = create_key_file(tmp_path / "vault.key")
    (tmp_path / "mapper.log").write_text(f"read {base64.b64encode(key.material).decode()}\n")
    registry.search_folder(tmp_path)
    assert registry.findings == ["the vault key of vault.key is in mapper.log"]
    (tmp_path / "mapper.log").unlink()  # or this very run would fail


def test_an_address_comes_back_as_it_was_with_and_without_a_password() -> None:
    for address in (f"postgresql://mlc:{planted()}@127.0.0.1/mlc", "postgresql://mlc@127.0.0.1/mlc"):
        assert plant_address(address) == address


def test_what_is_too_short_to_be_told_from_other_text_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        Registry().plant("pw", "a password")
