"""What `mlc` says when something is wrong: one sentence, exit status 1, and never a secret."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import typer
from typer.testing import CliRunner, Result

from mlc_cli import holds, output
from mlc_cli.app import app
from mlc_common.errors import ConfigurationError, Retryable

PLANTED = "hunter2-planted-secret"
SETTINGS = ("MLC_TENANT", "KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "MLC_VAULT_KEY_FILE")
ONLINE = (
    ["connection", "list"],
    ["connection", "ping", "shop"],
    ["connection", "add", "shop", "--kind", "woocommerce", "--set", "url=https://shop.example"],
    ["connection", "set", "shop", "--set", "url=https://shop.example"],
    ["connection", "rotate", "shop", "--secret", "webhook_secret", "--generate"],
    ["holds"],
    ["holds", "show", "1001"],
    ["holds", "release", "1001", "--why", "x"],
    ["holds", "resolve", "1001", "--as", "posted", "--why", "x"],
    ["replay", "--all", "--why", "x"],
    ["replay", "--all", "--dry-run"],
    ["audit", "show", "1001"],
    ["audit", "verify"],
    ["audit", "export", "--out", "november.csv"],
    ["audit", "key"],
    ["run", "all"],
)


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty working folder, no settings; what a command puts into the environment is taken out again."""
    before = dict(os.environ)
    for name in list(os.environ):
        if name.startswith("MLC_") or name in SETTINGS:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]


@pytest.fixture
def nowhere() -> str:
    """An address where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


def mlc(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("command", ONLINE, ids=lambda command: " ".join(command[:2]))
def test_without_settings_every_command_names_all_that_are_missing_and_where_they_come_from(command: list[str]) -> None:
    result = mlc(*command)
    assert result.exit_code == 1
    assert all(f"{name} is not set" in result.stderr for name in SETTINGS)
    assert "write it with `mlc init`" in result.stderr
    assert result.stdout == ""


def test_an_error_is_json_too_when_json_was_asked_for() -> None:
    result = mlc("holds", "--json")
    error = json.loads(result.stdout)["error"]
    assert (result.exit_code, error["code"]) == (1, "configuration")
    assert "DATABASE_URL is not set" in error["message"]


@pytest.mark.parametrize("command", ONLINE, ids=lambda command: " ".join(command[:2]))
def test_a_database_that_does_not_answer_is_one_sentence_with_its_address(command: list[str], nowhere: str) -> None:
    write_settings(DATABASE_URL=f"postgresql://mlc:{PLANTED}@{nowhere}/mlc")
    result = mlc(*command)
    assert result.exit_code == 1
    assert result.stderr == (
        f"error (unreachable): PostgreSQL at {nowhere} cannot be reached (nothing listens there); "
        "see that it runs, and that DATABASE_URL names it\n"
    )


def test_init_speaks_of_its_options_and_leaves_no_settings_behind_when_it_fails(nowhere: str, tmp_path: Path) -> None:
    result = mlc(
        *("init", "--tenant", "acme", "--kafka", nowhere, "--database", f"postgresql://mlc:{PLANTED}@{nowhere}/mlc")
    )
    assert result.exit_code == 1
    assert f"PostgreSQL at {nowhere} cannot be reached" in result.stderr
    assert "see that it runs, and that --database names it" in result.stderr
    assert not (tmp_path / "mlc.env").exists()
    assert PLANTED not in result.output


def test_init_refuses_a_tenant_that_cannot_prefix_a_topic_before_it_writes_anything(tmp_path: Path) -> None:
    result = mlc("init", "--tenant", "Acme Inc.", "--kafka", "k:9092", "--database", "postgresql://mlc@db/mlc")
    assert result.exit_code == 1
    assert "--tenant is not usable" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_init_never_replaces_the_settings_of_another_tenant(tmp_path: Path) -> None:
    write_settings(MLC_TENANT="acme")
    before = (tmp_path / "mlc.env").read_text()
    result = mlc("init", "--tenant", "other", "--kafka", "k:9092", "--database", f"postgresql://mlc:{PLANTED}@db/mlc")
    assert result.exit_code == 1
    assert "mlc.env is here already, with another" in result.stderr
    assert "--tenant" in result.stderr or "MLC_TENANT" in result.stderr
    assert (tmp_path / "mlc.env").read_text() == before
    assert PLANTED not in result.output


def test_a_line_of_the_settings_file_that_is_none_is_named_by_its_number_and_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "mlc.env").write_text(f"# settings\n\nMLC_TENANT=acme\n{PLANTED}\n")
    result = mlc("holds")
    assert "mlc.env, line 4, is no NAME=value" in result.stderr
    assert PLANTED not in result.output


@pytest.mark.parametrize("as_json", [False, True])
def test_a_defect_tells_its_kind_and_place_and_none_of_the_secrets_that_are_at_hand(
    monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    async def broken(*_arguments: Any) -> Any:
        password = PLANTED  # a local variable, as any code that signs in has
        raise KeyError(f"postgresql://mlc:{password}@db")

    monkeypatch.setattr(holds, "_read", broken)
    result = mlc("holds", *(["--json"] if as_json else []))
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert "KeyError in holds.py, line " in result.stderr
    assert PLANTED not in result.output
    if as_json:
        assert json.loads(result.stdout)["error"]["code"] == "defect"


def test_a_defect_tells_where_the_program_was_when_asked_still_without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_arguments: Any) -> Any:
        password = PLANTED
        raise KeyError(password)

    monkeypatch.setattr(holds, "_read", broken)
    monkeypatch.setenv(output.TRACEBACK, "1")
    result = mlc("holds")
    assert "in broken" in result.stderr
    assert PLANTED not in result.output


def test_the_real_command_prints_no_variables_when_python_itself_fails_while_loading(tmp_path: Path) -> None:
    # As a user starts it, with rich installed: an import that fails, beside a secret.
    program = (
        "import sys, mlc_cli.app as a\n"
        f"def get_command(self, ctx, name, secret={PLANTED!r}):\n"
        "    password = secret\n"
        "    raise RuntimeError(password)\n"
        "a.LazyGroup.get_command = get_command\n"
        "sys.argv = ['mlc', 'holds']\n"
        "a.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "RuntimeError" in done.stderr
    assert PLANTED not in done.stdout + done.stderr


def test_what_is_no_text_is_refused_before_it_reaches_the_log(tmp_path: Path) -> None:
    # As a terminal in ISO 8859-1 sends an umlaut to a program that was told UTF-8.
    arguments = [b"holds", b"release", b"1001", b"--why", b"f\xfcr"]
    command = [sys.executable.encode(), b"-m", b"mlc_cli", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env=os.environ | {"PYTHONUTF8": "1"}
    )
    assert done.returncode == 1
    assert "'f\\udcfcr' is no text in the encoding of this terminal (utf-8)" in done.stderr


def test_what_postgresql_refuses_is_a_defect_and_not_a_server_that_is_away(capsys: pytest.CaptureFixture[str]) -> None:
    for error, code in (
        (asyncpg.DataError("odd"), "defect"),
        (asyncpg.AdminShutdownError("end"), "unreachable"),
        (asyncpg.UndefinedTableError('relation "audit_index" does not exist'), "database"),
    ):
        with pytest.raises(typer.Exit), output.telling_errors():
            raise error
        assert capsys.readouterr().err.startswith(f"error ({code}): ")


def test_of_several_things_that_went_wrong_the_one_that_a_person_can_mend_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    inner = ExceptionGroup("inner", [ValueError(PLANTED), ConfigurationError("set the address")])
    with pytest.raises(typer.Exit) as caught, output.telling_errors():
        raise ExceptionGroup("outer", [inner])
    assert caught.value.exit_code == 1
    assert capsys.readouterr().err == "error (configuration): set the address\n"


def test_what_strangers_wrote_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "Mug \x1b[2J\x1b]0;owned\x07\r\x9b1m \u202etxt"
    output.say((evil, "bold"), " ", evil)
    output.print_rows([{"name": evil}], as_json=False)
    shown = capsys.readouterr().out
    assert not set("\x1b\x07\r\x9b\u202e") & set(shown)
    assert shown.count("Mug") == 3
    assert output.harmless("two\nlines\tü 円") == "two\nlines\tü 円"


def test_a_sentence_is_one_line_where_no_person_sits_at_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), output.telling_errors():
        raise Retryable("word " * 40 + "end [brackets] stay")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("end [brackets] stay")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["run", "mappr"], "there is no part 'mappr'; known are auditor, ingest, mapper, poller, poster-deltek, "),
        (["holds", "--reason", "acount"], "there is no reason 'acount'; known are account_unknown, "),
        (["connection", "add", "x", "--kind", "magento"], "no kind of connection 'magento'; known are deltek, woocomm"),
        (["mapping", "check", "none.yaml"], "none.yaml cannot be read: No such file or directory"),
        (["preview", "none.json"], "none.json: No such file or directory"),
        (["sandbox", "deltek", "--config", "none.json"], "none.json is no file; leave --config out"),
        (["holds", "release", "1001", "--why", ""], "say why with --why"),
        (["holds", "release", "--all", "--why", "  "], "say why with --why"),
        (["holds", "resolve", "1001", "--as", "closed", "--why", " "], "say why with --why"),
        (["replay", "--all", "--why", " "], "say why with --why"),
        (["replay", "--from", "2026-11-22", "--to", "2026-11-21", "--dry-run"], "--from 2026-11-22 is not before --to"),
        (["replay", "--from", "yesterday", "--dry-run"], "--from yesterday is neither a date nor a time"),
        (["audit", "export", "--out", ""], "is no file in a folder that exists"),
        (["audit", "export", "--out", "."], "is no file in a folder that exists"),
        (["audit", "export", "--out", "nowhere/november.csv"], "--out nowhere/november.csv is no file in a folder"),
        (["connection", "rotate", "x", "--secret", "password", "--generate"], "--generate is for webhook_secret"),
        (["connection", "rotate", "x", "--secret", "password", "--generate", "--retire"], "exclude each other"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else None,
)
def test_a_wrong_word_is_answered_with_the_right_ones(command: list[str], said: str) -> None:
    result = mlc(*command)
    assert (result.exit_code, said in result.stderr) == (1, True), result.output


def test_a_sandbox_on_a_port_that_is_taken_says_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = mlc("sandbox", "woocommerce", "--port", str(port))
    assert result.exit_code == 1
    assert f"port {port} of 127.0.0.1 cannot be had" in result.stderr


@pytest.mark.parametrize("command", [["frobnicate"], ["run"], ["sandbox", "magento"], ["holds", "--reasn", "x"]])
def test_a_wrong_command_line_ends_with_status_2(command: list[str]) -> None:
    assert mlc(*command).exit_code == 2


def write_settings(**values: str) -> None:
    given = {
        "MLC_TENANT": "acme",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "DATABASE_URL": "postgresql://mlc@127.0.0.1:1/mlc",
        "MLC_VAULT_KEY_FILE": "vault.key",
    } | values
    Path("mlc.env").write_text("".join(f"{name}={value}\n" for name, value in given.items()))
