"""A connection: one store or ERP that a tenant connected, without its secrets (those are in the vault).

Pure; the table is read and written in ``mlc_common.store.connections``. A setting that looks like a credential is
refused, so that none ends up in a table that people may read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from mlc_common.telemetry.redaction import WITHHELD, scrub

_SECRET_NAMES = re.compile(r"secret|passw|token|credential|api_?key|consumer_?key|private_?key", re.IGNORECASE)

_SPELLINGS = frozenset(
    {f"contract.auth.token.{name}" for name in ("root", "path", "method")}
    | {f"contract.auth.form.{name}" for name in ("password", "client_secret", "refresh_token")}
)
"""How a tenant spells its sign-in: addresses and names of form fields, although the settings' names say otherwise."""

_SPELLING = re.compile(r"[A-Za-z][A-Za-z_./-]{0,63}")
"""No digit and no space: a name, and hardly a secret that somebody put into the wrong place."""


class ConnectionKind(StrEnum):
    """The outside systems; the table's check constraint lists the same."""

    WOOCOMMERCE = "woocommerce"
    BIGCOMMERCE = "bigcommerce"
    AMAZON = "amazon"
    DELTEK = "deltek"
    ACUMATICA = "acumatica"
    GP = "gp"


def _without_secrets(settings: dict[str, Any]) -> dict[str, Any]:
    for name, value in _leaves(settings):
        if _SECRET_NAMES.search(name) and not _is_spelling(name, value):
            raise ValueError(f"setting {name!r} looks like a credential; store it in the vault instead")
        if isinstance(value, str) and "@" in value and "://" in value and urlsplit(value).password:
            raise ValueError(f"setting {name!r} holds a password in an address; store it in the vault instead")
    return settings


def _is_spelling(name: str, value: Any) -> bool:
    return name in _SPELLINGS and isinstance(value, str) and _SPELLING.fullmatch(value) is not None


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, path)
    else:
        yield path, value


class Connection(BaseModel):
    """One connected system.

    Attributes:
        id: Short name; in webhook addresses, Kafka keys and metrics, so letters, digits, ``-`` and ``_`` only.
        kind: Which system it is.
        settings: What its client needs besides secrets: address, ``allow_private``, contract file.
    """

    model_config = ConfigDict(frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    kind: ConnectionKind
    settings: Annotated[dict[str, JsonValue], AfterValidator(_without_secrets)] = Field(default_factory=dict)
    created_at: datetime
    updated_at: datetime


def subject_of(connection_id: str) -> str:
    """What the changes of a connection are about, as `mlc audit show` takes it."""
    return f"connection:{connection_id}"


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The settings that differ, by path, with their old and their new values as text.

    What is called like a credential keeps its name and not its value, although none should be there.
    """
    old, new = dict(_texts(before)), dict(_texts(after))
    changed = [path for path in sorted(old | new) if old.get(path) != new.get(path)]
    ours, theirs = ({path: _shown(path, side[path]) for path in changed if path in side} for side in (old, new))
    return ours, theirs


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Path and text of every setting; a list is one."""
    if isinstance(value, Mapping) and (value or not path):
        for name, item in value.items():
            yield from _texts(item, f"{path}.{name}" if path else str(name))
    else:
        # No money is here, so that a float may be.
        yield path, value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _shown(path: str, text: str) -> str:
    return WITHHELD if _SECRET_NAMES.search(path) else scrub(text)
