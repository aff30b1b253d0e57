"""What every part reads from the environment: once, in ``app.py``, into a frozen object. Nothing else reads it.

A service adds its own fields in a subclass. What is missing or wrong is said by the variable's name and what to put
into it, all of it at once; a value is never repeated in an error, it may be a secret.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from mlc_common.brokers import Access, Brokers, Mechanism, Protocol
from mlc_common.errors import ConfigurationError

PREFIX = "MLC_"


class CommonSettings(BaseSettings):
    """Settings of every service. The description of a field is what an error tells the operator to put there."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, populate_by_name=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    tenant: str = Field(
        pattern=r"^[a-z0-9-]{1,40}$",
        description='the tenant\'s short name: 1 to 40 of a-z, 0-9 and "-", for example acme',
    )
    kafka_bootstrap_servers: str = Field(
        validation_alias="KAFKA_BOOTSTRAP_SERVERS",
        min_length=1,
        description="the Kafka brokers, for example kafka-1:9092,kafka-2:9092",
    )
    database_url: SecretStr = Field(
        validation_alias="DATABASE_URL",
        min_length=1,
        description="the PostgreSQL database, for example postgresql://user:password@host:5432/mlc",
    )
    vault_key_file: Path = Field(description="the path of the vault's key file; `mlc init` makes one")
    kafka_replication: int = Field(
        default=1, ge=1, le=7, description="how many brokers hold each record: 3 in production, 1 on one broker"
    )
    kafka_session_seconds: float = Field(
        default=10.0,
        ge=1,
        le=300,
        description="seconds after which another process reads on in a dead one's place, 10 by custom",
    )
    kafka_max_poll_seconds: float = Field(
        default=300.0, ge=1, le=3600, description="seconds after which a reader that stands still leaves its group"
    )
    kafka_security_protocol: Protocol = Field(
        default="PLAINTEXT", description="how the brokers are spoken to: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    kafka_sasl_mechanism: Mechanism = Field(
        default="SCRAM-SHA-512", description="how to sign in: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
    )
    kafka_user: str = Field(default="", description="the user that signs in at the brokers")
    kafka_password: SecretStr = Field(default=SecretStr(""), description="that user's password")
    kafka_ca_file: Path | None = Field(
        default=None, description="a PEM file with the certificates to trust instead of the system's"
    )
    database_connections: int = Field(
        default=8, ge=2, le=100, description="the most connections to PostgreSQL, 2 to 100"
    )
    database_stalled_seconds: float = Field(
        default=120.0,
        ge=1,
        description="seconds after which PostgreSQL undoes a transaction of a process that stands still, 120 by custom",
    )
    metrics_host: str = Field(
        default="127.0.0.1", description="the address that serves /metrics and health; 0.0.0.0 in a container"
    )
    metrics_port: int = Field(
        default=9464, ge=0, le=65535, description="a free port for /metrics, /healthz and /readyz; 0 = any"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="one of debug, info, warning, error"
    )

    @model_validator(mode="after")
    def _sign_in(self) -> Self:
        """The brokers' address knows how to sign in there, from here on."""
        access = Access(
            self.kafka_security_protocol,
            self.kafka_sasl_mechanism,
            self.kafka_user,
            self.kafka_password,
            self.kafka_ca_file,
        )
        if access.signs_in and not (access.user and access.password.get_secret_value()):
            raise ValueError(
                f"MLC_KAFKA_SECURITY_PROTOCOL is {access.protocol}: set MLC_KAFKA_USER and MLC_KAFKA_PASSWORD, too"
            )
        if access.user and not access.signs_in:
            raise ValueError(
                "MLC_KAFKA_USER is set: set MLC_KAFKA_SECURITY_PROTOCOL to SASL_SSL (or SASL_PLAINTEXT), too"
            )
        if access.ca_file and not access.encrypted:
            raise ValueError("MLC_KAFKA_CA_FILE is set: set MLC_KAFKA_SECURITY_PROTOCOL to SASL_SSL or SSL, too")
        # Frozen towards everybody else.
        self.__dict__["kafka_bootstrap_servers"] = Brokers(self.kafka_bootstrap_servers, access)
        return self


Settings = TypeVar("Settings", bound=BaseSettings)


def load(cls: type[Settings], **overrides: Any) -> Settings:
    """Read settings from the environment.

    Args:
        cls: The service's settings class.
        overrides: Values that win over the environment (command line).

    Raises:
        ConfigurationError: names every variable that is missing or wrong, and what to put into it.
    """
    try:
        return cls(**overrides)
    except ValidationError as error:
        lines = [_explain(cls, each) for each in error.errors(include_input=False)]
    raise ConfigurationError("\n".join(dict.fromkeys(lines)))


def _explain(cls: type[BaseSettings], error: ErrorDetails) -> str:
    if not error["loc"]:  # of several together: a sentence of our own, without values
        return error["msg"].removeprefix("Value error, ")
    name, field = _field(cls, str(error["loc"][0]))
    wanted = f": set it to {field.description}" if field is not None and field.description else ""
    return f"{name} is {'not set' if error['type'] == 'missing' else 'not usable'}{wanted}"


def _field(cls: type[BaseSettings], said: str) -> tuple[str, FieldInfo | None]:
    """The variable's name and the field, whether pydantic names the field or its alias."""
    for name, field in cls.model_fields.items():
        alias = field.validation_alias if isinstance(field.validation_alias, str) else None
        if said in (name, alias):
            prefix = cls.model_config.get("env_prefix") or ""
            return alias or f"{prefix}{name}".upper(), field
    return said, None
