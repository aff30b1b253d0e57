"""A Deltek connection as configured: address and contract from its settings, credentials from the vault.

Settings (no secrets): ``url`` (the tenant's full address), ``database``, ``username``, ``company``, ``contract`` (what
differs from the default tenant contract), ``visibility_delay_s``, ``margin_s``, ``concurrency``, ``countries``,
``lease_s``, ``writer_lease_s``, ``sweep_s``, ``allow_private``, ``allow_http``.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mlc_common.clock import Clock
from mlc_common.connection_types import ConnectionType, settings_of
from mlc_common.http import HttpObserver, SilentObserver
from mlc_common.vault import Vault
from mlc_common.vault.connections import Connection
from mlc_vendors.deltek import DeltekClient, DeltekCredentials, load_contract

SECRETS = {
    "password": "the API user's password",
    "client_id": "client id from Utilities > Integrations > API Authorization",
    "client_secret": "client secret from the same page",
}


class DeltekSettings(BaseModel):
    """What a Deltek connection needs besides its secrets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(description="the tenant's full address, for example https://acme.deltekfirst.com/acme/")
    database: str = Field(description="login database name, shown with the client id")
    username: str = Field(description="the API user")
    company: str = Field(default="", description="company code, where the tenant has several")
    contract: dict[str, Any] = Field(default_factory=dict, description="what differs from the default tenant contract")
    visibility_delay_s: float = Field(default=30.0, ge=0, description="how late a write may become visible, in seconds")
    margin_s: float = Field(
        default=5.0, gt=0, description="a write leaves within so many seconds of its announcement, or not at all"
    )
    lease_s: float = Field(
        default=300.0, gt=0, description="seconds after which another poster may go on with a dead one's order"
    )
    writer_lease_s: float = Field(
        default=30.0,
        gt=0,
        description="seconds beyond a write's time limit after which another poster may write in a dead one's place",
    )
    sweep_s: float = Field(default=600.0, gt=0, description="seconds between two looks for drafts that were left over")
    concurrency: int = Field(default=4, ge=1, le=32, description="orders worked on at once")
    countries: dict[str, str] = Field(
        default_factory=dict,
        description="ISO country codes as the tenant's list spells them, for example US: United States",
    )
    allow_private: bool = Field(default=False, description="the tenant is in a private network")
    allow_http: bool = Field(default=False, description="the tenant is addressed without TLS (the sandbox is)")


async def open_client(
    connection: Connection, vault: Vault, clock: Clock, observer: HttpObserver, *, share: float = 1.0
) -> DeltekClient:
    """A client for the connection; close it.

    Args:
        connection: The connection.
        vault: Holds its secrets.
        clock: Where time comes from.
        observer: Hears of every call.
        share: How much of the tenant's calls per second this client may use.

    Raises:
        ConfigurationError: a setting or secret is missing or wrong.
    """
    settings = settings_of(connection, DeltekSettings)
    secrets = {name: await vault.get(connection.id, name) for name in SECRETS}
    credentials = DeltekCredentials(
        username=settings.username,
        password=secrets["password"],
        database=settings.database,
        client_id=secrets["client_id"].get_secret_value(),
        client_secret=secrets["client_secret"],
    )
    contract = load_contract(settings.contract).at(settings.url)
    if contract.http.max_rps is not None:
        paced = contract.http.model_copy(update={"max_rps": contract.http.max_rps * share})
        contract = contract.model_copy(update={"http": paced})
    return DeltekClient.open(
        contract,
        credentials,
        clock=clock,
        name=connection.id,
        observer=observer,
        allow_private=settings.allow_private,
        allow_http=settings.allow_http,
    )


async def ping(connection: Connection, vault: Vault, clock: Clock) -> dict[str, Any]:
    """Sign in and read the active period: the cheapest proof that the connection works."""
    async with await open_client(connection, vault, clock, SilentObserver()) as client:
        period = await client.active_period()
        firms = client.contract.fields.firm_external_key
        return {
            "signed in as": settings_of(connection, DeltekSettings).username,
            "active period": period.period,
            "firms can carry our key": firms.enabled,
        }


TYPE = ConnectionType(kind="deltek", settings=DeltekSettings, secrets=SECRETS, ping=ping)
