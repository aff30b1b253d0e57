"""What `mlc init` writes down is what every later command reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlc_cli.init import _checked, _lines
from mlc_common.brokers import Access, access_of
from mlc_common.settings import CommonSettings, load

SIGN_IN = {
    "MLC_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "MLC_KAFKA_SASL_MECHANISM": "SCRAM-SHA-256",
    "MLC_KAFKA_USER": "mlc",
    "MLC_KAFKA_PASSWORD": "planted password",
    "MLC_KAFKA_CA_FILE": "ca.pem",
}
WRITTEN = ("MLC_TENANT", "KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "MLC_KAFKA_REPLICATION", "MLC_VAULT_KEY_FILE")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*WRITTEN, *SIGN_IN):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The lines of the file; the environment holds no more than a fresh shell afterwards."""
    lines = _lines(_checked("acme", "k:9092", "postgresql://mlc:pw@db/mlc", 3, Path("vault.key")))
    for name in SIGN_IN:
        monkeypatch.delenv(name, raising=False)
    return dict(line.split("=", 1) for line in lines.splitlines())


def test_brokers_that_ask_for_a_password_are_signed_in_at_by_later_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SIGN_IN.items():
        monkeypatch.setenv(name, value)
    before = access_of(load(CommonSettings, **_enough()).kafka_bootstrap_servers)
    for name, value in written(monkeypatch).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir("/")
    after = access_of(load(CommonSettings).kafka_bootstrap_servers)
    assert after == Access(before.protocol, before.mechanism, before.user, before.password, after.ca_file)
    assert after.ca_file is not None
    assert after.ca_file.is_absolute()


def test_without_a_sign_in_nothing_of_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(written(monkeypatch)) == set(WRITTEN)


def _enough() -> dict[str, object]:
    return {
        "tenant": "acme",
        "kafka_bootstrap_servers": "k:9092",
        "database_url": "postgresql://mlc@db/mlc",
        "vault_key_file": Path("vault.key"),
    }
