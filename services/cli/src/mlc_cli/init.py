"""`mlc init`: a key for the vault, a settings file, the database's tables and the topics."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from mlc_cli import environment
from mlc_cli.output import Json, print_json, say, telling_errors
from mlc_common.brokers import access_of
from mlc_common.errors import ConfigurationError, ServerUnreachable
from mlc_common.settings import CommonSettings, load
from mlc_common.vault.keyring import create_key_file

_OPTIONS = {
    "MLC_TENANT": "--tenant",
    "KAFKA_BOOTSTRAP_SERVERS": "--kafka",
    "DATABASE_URL": "--database",
    "MLC_KAFKA_REPLICATION": "--replication",
}


def init(
    *,
    tenant: Annotated[str, typer.Option(envvar="MLC_TENANT", help="Short name: a-z, 0-9 and '-'.")],
    kafka: Annotated[str, typer.Option(envvar="KAFKA_BOOTSTRAP_SERVERS", help="Brokers, host:port[,host:port].")],
    database: Annotated[
        str,
        typer.Option(
            envvar="DATABASE_URL",
            help="postgresql://USER:PW@HOST:PORT/NAME; by way of the variable it stays out of the shell's history.",
        ),
    ],
    replication: Annotated[
        int, typer.Option(envvar="MLC_KAFKA_REPLICATION", help="Brokers that hold each record; 3 in production.")
    ] = 1,
    key_file: Annotated[Path, typer.Option(help="Where the vault's key goes (kept if it exists).")] = Path("vault.key"),
    as_json: Json = False,
) -> None:
    """Prepare a tenant: settings, vault key, tables, topics.

    Writes mlc.env and vault.key into the current folder. The user of the
    database must own it. Brokers that ask for a password: set MLC_KAFKA_USER
    and the like beforehand (docs/operating.md). Safe to run again.

    \b
    Example:
      mlc init --tenant acme --kafka localhost:9092 \\
          --database postgresql://mlc:pw@localhost/mlc
    """
    with telling_errors(as_json=as_json):
        with _said_as_options():
            wanted = _checked(tenant, kafka, database, replication, key_file)
            lines = _lines(wanted)
            _refuse_other(environment.FILE, lines)
            if not key_file.exists():
                create_key_file(key_file)
            asyncio.run(_prepare(wanted))
        environment.FILE.touch(mode=0o600)
        environment.FILE.write_text(lines, encoding="utf-8")
        if as_json:
            print_json({"tenant": tenant, "settings": str(environment.FILE), "vault_key": str(key_file)})
        else:
            _tell(tenant, key_file)


def _checked(tenant: str, kafka: str, database: str, replication: int, key_file: Path) -> CommonSettings:
    return load(
        CommonSettings,
        tenant=tenant,
        kafka_bootstrap_servers=kafka,
        database_url=SecretStr(database),
        kafka_replication=replication,
        vault_key_file=key_file.resolve(),
    )


@contextmanager
def _said_as_options() -> Iterator[None]:
    """Errors speak of variables; here the person gave options."""
    try:
        yield
    except (ConfigurationError, ServerUnreachable) as error:
        said = str(error)
        for variable, option in _OPTIONS.items():
            said = said.replace(variable, option)
        raise type(error)(said) from None


def _lines(wanted: CommonSettings) -> str:
    access = access_of(wanted.kafka_bootstrap_servers)
    sign_in = {
        "MLC_KAFKA_SECURITY_PROTOCOL": access.protocol,
        "MLC_KAFKA_SASL_MECHANISM": access.mechanism if access.signs_in else "",
        "MLC_KAFKA_USER": access.user,
        "MLC_KAFKA_PASSWORD": access.password.get_secret_value(),
        "MLC_KAFKA_CA_FILE": access.ca_file.resolve() if access.ca_file else "",
    }
    values = {
        "MLC_TENANT": wanted.tenant,
        "KAFKA_BOOTSTRAP_SERVERS": wanted.kafka_bootstrap_servers,
        "DATABASE_URL": wanted.database_url.get_secret_value(),
        "MLC_KAFKA_REPLICATION": wanted.kafka_replication,
        "MLC_VAULT_KEY_FILE": wanted.vault_key_file,
    }
    if access.protocol != "PLAINTEXT":
        values |= {name: value for name, value in sign_in.items() if value}
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _refuse_other(path: Path, lines: str) -> None:
    """One folder, one tenant: settings that are in use are never overwritten."""
    if not path.exists():
        return
    before, after = (set(text.splitlines()) for text in (path.read_text(encoding="utf-8"), lines))
    if missing := sorted(line.partition("=")[0] for line in after - before):
        raise ConfigurationError(
            f"{path} is here already, with another {' and '.join(missing)}; use a folder of its own for each tenant, "
            "or edit that file"
        )


async def _prepare(wanted: CommonSettings) -> None:
    async with environment.runtime("init", common=wanted):
        pass


def _tell(tenant: str, key_file: Path) -> None:
    say("Tenant ", (tenant, "bold"), " is ready: tables and topics exist.")
    say(f"  {environment.FILE}   settings; holds the database password, so keep it private")
    say(f"  {key_file} opens the vault: back it up, apart from the database")
    say("Next: ", ("mlc connection add", "bold"), " for the store, and for the ERP.")
