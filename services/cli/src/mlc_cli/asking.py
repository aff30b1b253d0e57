"""What a person tells of a connection: settings as ``name=value``, secrets by hidden prompt or from a JSON file.

Never: a secret in an error, or a setting that the connection's kind does not know.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import typer
from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from mlc_common import exactjson
from mlc_common.connection_types import ConnectionType
from mlc_common.errors import ConfigurationError, Undecodable

WEBHOOK_SECRET = "webhook_secret"  # noqa: S105 - the name of a secret, not a secret


def read_settings(
    kind: ConnectionType, told: Iterable[str], *, before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The settings of a connection.

    Args:
        kind: Says which there are.
        told: ``name=value`` each; an empty value drops the setting.
        before: What they change.

    Raises:
        ConfigurationError: names each that is missing or wrong, and lists what there is.
    """
    settings = dict(before or {})
    seen = set[str]()
    for text in told:
        name, value = _pair(text)
        if name in seen:
            raise ConfigurationError(f"--set {name} is given twice; give it once")
        seen.add(name)
        settings[name] = value
    settings = {name: value for name, value in settings.items() if value != ""}
    _check(kind, settings)
    return settings


def ask(wanted: Mapping[str, str]) -> dict[str, SecretStr]:
    """Ask for secrets, hidden; ``wanted`` is their names with what each is."""
    return {name: SecretStr(typer.prompt(f"{name} ({what})", hide_input=True)) for name, what in wanted.items()}


def read_secrets(path: Path, wanted: Mapping[str, str]) -> dict[str, SecretStr]:
    """Secrets from a JSON file; it may hold more than what is wanted.

    Raises:
        ConfigurationError: it cannot be read, or lacks one; never quotes a value.
    """
    try:
        found = exactjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except Undecodable as error:
        raise ConfigurationError(f"{path}: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ConfigurationError(f'{path} must be a JSON object of texts, {{"{next(iter(wanted))}": "…"}}')
    missing = [name for name in wanted if not found.get(name)]
    if missing:
        raise ConfigurationError(f"{path} lacks {', '.join(missing)}")
    return {name: SecretStr(value) for name, value in found.items()}


def _pair(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise ConfigurationError(f"--set {name}: write it as name=value")
    if value[:1] not in ("[", "{") and value not in ("true", "false", "null"):
        return name, value
    try:
        return name, json.loads(value)  # settings hold no money
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"--set {name}: not JSON: {error.msg} at character {error.pos}") from None


def _check(kind: ConnectionType, settings: dict[str, Any]) -> None:
    said = []
    try:
        kind.settings.model_validate(settings)
    except ValidationError as error:
        said = [_sentence(kind, each) for each in error.errors(include_input=False)]
    url = settings.get("url")
    if isinstance(url, str) and not url.startswith(("https://", "http://")):
        said.append("url must begin with https:// (or http://)")
    if said:
        raise ConfigurationError(
            "\n".join([*said, f"The settings of a {kind.kind} connection, as --set name=value:", *_known(kind)])
        )


def _sentence(kind: ConnectionType, error: ErrorDetails) -> str:
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "missing":
        return f"{name} is missing"
    if error["type"] == "extra_forbidden":
        if name in kind.secrets:
            return f"{name} is a secret, not a setting: you are asked for it, or give it in the file of --secrets"
        close = get_close_matches(name, kind.settings.model_fields, n=1)
        return f"there is no setting {name}" + (f"; did you mean {close[0]}?" if close else "")
    return f"{name}: {error['msg'][:1].lower()}{error['msg'][1:]}"


def _known(kind: ConnectionType) -> list[str]:
    return [
        f"  {name}: {field.description}{' (needed)' if field.is_required() else ''}"
        for name, field in kind.settings.model_fields.items()
    ]
