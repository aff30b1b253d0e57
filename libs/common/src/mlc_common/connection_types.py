"""What a kind of connection needs and how to try it: offered by the service that uses it, found by entry point.

The command line learns from here what to ask for; it knows no vendor by itself. Group ``mlc.connections``, by kind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mlc_common.clock import Clock
from mlc_common.errors import ConfigurationError
from mlc_common.vault import Vault
from mlc_common.vault.connections import Connection

GROUP = "mlc.connections"

SettingsT = TypeVar("SettingsT", bound=BaseModel)


@dataclass(frozen=True)
class ConnectionType:
    """One kind of store or ERP.

    Attributes:
        kind: As in the connections table.
        settings: Checks the settings; its field descriptions tell a person what to give.
        secrets: Names of the secrets it needs, with what each is.
        ping: Tries the connection and says what it found, in words.
    """

    kind: str
    settings: type[BaseModel]
    secrets: Mapping[str, str]
    ping: Callable[[Connection, Vault, Clock], Awaitable[Mapping[str, Any]]]


def known_types() -> dict[str, ConnectionType]:
    """Every installed kind."""
    return {point.name: point.load() for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}


def type_of(kind: str) -> ConnectionType:
    """The kind's type.

    Raises:
        ConfigurationError: there is no such kind here.
    """
    known = known_types()
    if kind not in known:
        raise ConfigurationError(f"there is no kind of connection {kind!r}; known are {', '.join(known)}")
    return known[kind]


def settings_of(connection: Connection, model: type[SettingsT]) -> SettingsT:
    """The connection's settings, checked.

    Raises:
        ConfigurationError: names what is missing or wrong.
    """
    try:
        return model.model_validate(connection.settings)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise ConfigurationError(f"connection {connection.id}: {said}") from None
