"""Settings are read once, and what is wrong is said in the words of whoever sets them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, SecretStr, ValidationError

from mlc_common.brokers import Access, access_of
from mlc_common.errors import ConfigurationError
from mlc_common.settings import CommonSettings, load

DSN = "postgresql://mlc:hunter2@db.example/mlc"
GOOD = {
    "MLC_TENANT": "acme",
    "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "DATABASE_URL": DSN,
    "MLC_VAULT_KEY_FILE": "/run/keys",
}

SIGN_IN = {
    "MLC_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "MLC_KAFKA_SASL_MECHANISM": "PLAIN",
    "MLC_KAFKA_USER": "mlc",
    "MLC_KAFKA_PASSWORD": "hunter2",
    "MLC_KAFKA_CA_FILE": "/run/ca.pem",
}


class IngestSettings(CommonSettings):
    """A service's own."""

    ingest_port: int = Field(default=8080, description="a free port")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (*GOOD, *SIGN_IN, "MLC_METRICS_PORT", "MLC_LOG_LEVEL", "MLC_INGEST_PORT"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def given(environment: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in {**GOOD, **values}.items():
        environment.setenv(name, value)


def test_everything_comes_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    given(environment, MLC_INGEST_PORT="9000", MLC_LOG_LEVEL="debug")
    settings = load(IngestSettings)
    assert (settings.tenant, settings.kafka_bootstrap_servers) == ("acme", "kafka:9092")
    assert settings.database_url.get_secret_value() == DSN
    assert settings.vault_key_file == Path("/run/keys")
    assert (settings.ingest_port, settings.log_level, settings.metrics_port) == (9000, "debug", 9464)


def test_the_command_line_wins(environment: pytest.MonkeyPatch) -> None:
    given(environment)
    assert load(CommonSettings, tenant="other", metrics_port=0).tenant == "other"


def test_all_that_is_missing_is_named_at_once_with_what_to_put_there() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(CommonSettings)
    said = str(caught.value)
    for name in GOOD:
        assert f"{name} is not set: set it to " in said
    assert "for example acme" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLC_TENANT", "Acme Inc."),
        ("MLC_TENANT", "a" * 41),
        ("MLC_METRICS_PORT", "70000"),
        ("MLC_METRICS_PORT", "many"),
        ("MLC_LOG_LEVEL", "loud"),
        ("MLC_INGEST_PORT", "x"),
    ],
)
def test_a_wrong_value_is_named_by_its_variable_and_not_repeated(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    given(environment, **{name: value})
    with pytest.raises(ConfigurationError, match=f"^{name} is not usable: set it to ") as caught:
        load(IngestSettings)
    assert value not in str(caught.value).replace(name, "").split(": set it to")[0]
    assert caught.value.__cause__ is None


def test_an_empty_variable_counts_as_not_set(environment: pytest.MonkeyPatch) -> None:
    given(environment, MLC_TENANT="")
    with pytest.raises(ConfigurationError, match="MLC_TENANT is not set"):
        load(CommonSettings)


def test_settings_cannot_be_changed_and_do_not_show_the_database_password(environment: pytest.MonkeyPatch) -> None:
    given(environment)
    settings = load(CommonSettings)
    assert "hunter2" not in repr(settings) + str(settings)
    with pytest.raises(ValidationError):
        settings.tenant = "other"  # type: ignore[misc] # that it is refused is the point


def test_the_brokers_address_knows_how_to_sign_in(environment: pytest.MonkeyPatch) -> None:
    given(environment)
    assert access_of(load(CommonSettings).kafka_bootstrap_servers) == Access()
    given(environment, **SIGN_IN)
    settings = load(IngestSettings)
    assert settings.kafka_bootstrap_servers == "kafka:9092"
    assert access_of(settings.kafka_bootstrap_servers) == Access(
        "SASL_SSL", "PLAIN", "mlc", SecretStr("hunter2"), Path("/run/ca.pem")
    )
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"MLC_KAFKA_PASSWORD": ""}, "set MLC_KAFKA_USER and MLC_KAFKA_PASSWORD, too"),
        ({"MLC_KAFKA_USER": ""}, "set MLC_KAFKA_USER and MLC_KAFKA_PASSWORD, too"),
        ({"MLC_KAFKA_SECURITY_PROTOCOL": ""}, "MLC_KAFKA_USER is set: set MLC_KAFKA_SECURITY_PROTOCOL to SASL_SSL"),
        (
            {"MLC_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"},
            "MLC_KAFKA_CA_FILE is set: set MLC_KAFKA_SECURITY_PROTOCOL",
        ),
        ({"MLC_KAFKA_SECURITY_PROTOCOL": "TLS"}, "MLC_KAFKA_SECURITY_PROTOCOL is not usable: set it to how"),
        ({"MLC_KAFKA_SASL_MECHANISM": "GSSAPI"}, "MLC_KAFKA_SASL_MECHANISM is not usable: set it to how"),
    ],
)
def test_half_a_sign_in_is_refused_with_what_is_missing(
    environment: pytest.MonkeyPatch, changes: dict[str, str], words: str
) -> None:
    given(environment, **(SIGN_IN | changes))
    with pytest.raises(ConfigurationError) as caught:
        load(CommonSettings)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)
