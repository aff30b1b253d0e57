"""Root runs PostgreSQL as an account without rights, without ever widening anybody's permissions."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

import asyncpg
import psutil
import pytest

from mlc_localstack import PostgresServer, StackError, accounts
from mlc_localstack.processes import Account

NOBODY = Account("nobody", 65_534, 65_534)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="is about what root does; you are a plain user")


def test_a_plain_user_runs_postgres_as_himself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert accounts.postgres_account() is None
    assert accounts.place_data(tmp_path, None) == tmp_path
    assert accounts.place_program(tmp_path, None) == tmp_path


def test_root_is_told_what_to_do_where_there_is_no_account_without_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_account(name: str) -> pwd.struct_passwd:
        raise KeyError(name)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", no_such_account)
    with pytest.raises(StackError, match="run this as a plain user"):
        accounts.postgres_account()


def test_a_closed_folder_on_the_way_makes_a_path_unreachable(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0o700)
    assert not accounts.reachable(closed / "inner", NOBODY)
    closed.chmod(0o711)
    (closed / "inner").chmod(0o700)
    assert not accounts.reachable(closed / "inner", NOBODY)


def test_a_folder_under_var_tmp_that_somebody_else_prepared_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "trap").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setattr(accounts, "RELOCATED", tmp_path / "trap")
    (tmp_path / "closed").mkdir(mode=0o700)
    with pytest.raises(StackError, match="not a folder of the current user"):
        accounts.place_data(tmp_path / "closed" / "data", NOBODY)


@as_root
@pytest.mark.postgres
async def test_root_in_a_closed_checkout_gets_a_server_that_runs_as_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    elsewhere = Path("/var/tmp") / f"mlc-test-{os.getpid()}"
    monkeypatch.setattr(accounts, "RELOCATED", elsewhere)
    try:
        with PostgresServer(closed / "data", durable=False) as server:
            assert psutil.Process(server.pid).username() == "nobody"
            connection = await asyncpg.connect(server.dsn)
            assert await connection.fetchval("SELECT 1") == 1
            await connection.close()
        assert closed.stat().st_mode & 0o777 == 0o700
        assert list(closed.iterdir()) == []
    finally:
        shutil.rmtree(elsewhere, ignore_errors=True)


@as_root
def test_a_program_out_of_reach_is_copied_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(accounts, "RELOCATED", tmp_path / "relocated")
    installation = tmp_path / "closed" / "installation"
    (installation / "bin").mkdir(parents=True)
    (installation / "bin" / "postgres").write_text("a program")
    (tmp_path / "closed").chmod(0o700)

    copy = accounts.place_program(installation, NOBODY)

    assert (copy / "bin" / "postgres").read_text() == "a program"
    assert copy.is_relative_to(tmp_path / "relocated")
    assert accounts.place_program(installation, NOBODY) == copy
    assert [path.name for path in (tmp_path / "relocated").iterdir()] == [copy.name]
