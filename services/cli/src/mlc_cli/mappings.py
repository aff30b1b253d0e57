"""Mapping files by way of whichever service reads them (entry-point group ``mlc.mappings``)."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from mlc_common.errors import ConfigurationError

GROUP = "mlc.mappings"


def reader(name: str) -> Any:
    """What the group offers under this name: ``load``, ``preview``, ``example``, ``schema``.

    Raises:
        ConfigurationError: the mapper is not installed.
    """
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        raise ConfigurationError("the mapper is not installed; install services/mapper")
    return found[0].load()


def load_mapping(path: Path | None) -> Any:
    """The mapping of a file; the shipped example when none is given.

    Raises:
        ConfigurationError: it cannot be read, or says something that a mapping cannot say.
    """
    try:
        text = path.read_text(encoding="utf-8") if path else reader("example")()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is no text (UTF-8): byte {error.start}") from None
    try:
        return reader("load")(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path or 'the example'} is not in order\n{error}") from None
