"""The key-encryption keys of one deployment, read from the file that ``MLC_VAULT_KEY_FILE`` names.

The file is lines ``key_id:base64`` (blank lines and ``#`` comments allowed) or a JSON object ``{"key_id": "base64"}``;
32 bytes each, the first is the current one. Keys never appear in repr or errors, and are never stored beside what they
protect. A process notices by itself when the file changes, so that keys are rotated under load.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import structlog

from mlc_common.errors import ConfigurationError

_log = structlog.get_logger(__name__)

_KEY_BYTES = 32
_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAKE_ONE = "make one with `mlc init`, or put a line `key_id:base64 of 32 random bytes` into it"


class KeyMissing(ConfigurationError):  # noqa: N818 - names what happened
    """The ring has no key of this id."""

    code = "key_missing"


@dataclass(frozen=True)
class Key:
    """One key-encryption key."""

    id: str
    material: bytes = field(repr=False)

    @classmethod
    def generate(cls, key_id: str | None = None) -> Key:
        """A new random key; ``key_id`` defaults to a random name."""
        return cls(key_id or f"k{secrets.token_hex(4)}", secrets.token_bytes(_KEY_BYTES))

    def line(self) -> str:
        """The key as a line of the key file. This is the key itself: write it there and nowhere else."""
        return f"{self.id}:{base64.b64encode(self.material).decode()}\n"


class Keys(Protocol):
    """Where a vault finds its keys."""

    def newest(self) -> KeyRing:
        """The keys as they are now."""
        ...


class KeyRing:
    """Keys by id; the first is current: new secrets are sealed under it, rotation re-wraps to it."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys: dict[str, Key] = {}
        for key in keys:
            if key.id in self._keys:
                raise ConfigurationError(f"the vault key file names key {key.id!r} twice; give each key its own id")
            self._keys[key.id] = key
        if not self._keys:
            raise ConfigurationError(f"the vault key file holds no key; {_MAKE_ONE}")

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys, the current one first."""
        return tuple(self._keys)

    def newest(self) -> KeyRing:
        """Itself: these keys never change (see ``Keys``)."""
        return self

    @property
    def current(self) -> Key:
        """The key for everything new."""
        return next(iter(self._keys.values()))

    def get(self, key_id: str) -> Key:
        """The key of this id.

        Raises:
            KeyMissing: the ring does not have it.
        """
        key = self._keys.get(key_id)
        if key is None:
            raise KeyMissing(
                f"secrets are sealed under key {key_id!r}, which the vault key file lacks; put that key back as a "
                "further line (an old key may go once every secret has been re-wrapped)"
            )
        return key

    def all(self) -> list[Key]:
        """All keys, the current one first."""
        return list(self._keys.values())

    def text(self) -> str:
        """The ring as a key file. These are the keys themselves: write them there and nowhere else."""
        return "".join(key.line() for key in self._keys.values())

    def __repr__(self) -> str:
        return f"KeyRing({list(self._keys)})"

    @classmethod
    def load(cls, path: Path) -> KeyRing:
        """Read the key file.

        Raises:
            ConfigurationError: missing, unreadable or malformed; names the file and line, never a key.
        """
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ConfigurationError(f"the vault key file {path} cannot be read ({reason}); {_MAKE_ONE}") from None
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, where: str) -> KeyRing:
        """Read key file text; ``where`` names it in errors."""
        if text.lstrip().startswith("{"):
            return cls([_key(key_id, encoded, where) for key_id, encoded in _json_items(text, where)])
        lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
        entries = [(number, line) for number, line in lines if line and not line.startswith("#")]
        return cls([_key(*_split(line, where, number), f"{where}, line {number}") for number, line in entries])


class KeyFile:
    """The keys of a file as it is now: read again whenever the file is another one.

    Args:
        path: The file.

    Raises:
        ConfigurationError: it is missing, unreadable or malformed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = _stamp(path)
        self._ring = KeyRing.load(path)

    def newest(self) -> KeyRing:
        """The keys as they are now; the last good ones while the file cannot be used, which is logged."""
        stamp = _stamp(self._path)
        if stamp != self._seen:
            self._seen = stamp
            try:
                self._ring = KeyRing.load(self._path)
            except ConfigurationError as error:
                _log.error("vault.key_file_unusable", code=error.code, detail=str(error))
        return self._ring


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Tells one version of a file from another; None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def create_key_file(path: Path) -> Key:
    """Make a key file with one new key, readable by its owner alone; an existing file is never touched.

    Raises:
        ConfigurationError: the file exists.
    """
    key = Key.generate()
    try:
        _write(path, key.line(), os.O_EXCL)
    except FileExistsError:
        raise ConfigurationError(f"{path} exists already; its keys are in use and are not replaced") from None
    return key


def add_current_key(path: Path) -> Key:
    """Put a new key in front of a key file, so that it becomes current; replaces the file in one step.

    Raises:
        ConfigurationError: the file is missing, malformed or cannot be replaced.
    """
    key = Key.generate()
    _replace(path, [key, *KeyRing.load(path).all()])
    return key


def drop_keys(path: Path, key_ids: Iterable[str]) -> KeyRing:
    """Take keys out of a key file; replaces it in one step. What is left.

    Raises:
        ConfigurationError: the file is missing, malformed or cannot be replaced, or nothing would be left.
    """
    gone = set(key_ids)
    left = KeyRing(key for key in KeyRing.load(path).all() if key.id not in gone)
    _replace(path, left.all())
    return left


def _replace(path: Path, keys: Iterable[Key]) -> None:
    """Write the file anew for whoever could read it before; a cut leaves the old one or the new one, never half."""
    before, beside = path.stat(), path.with_name(f".{path.name}.new")
    try:
        _write(beside, KeyRing(keys).text(), os.O_TRUNC)
        with suppress(PermissionError):  # not root: then it is our own already, or a group's that we are in
            os.chown(beside, before.st_uid, before.st_gid)
        beside.chmod(stat.S_IMODE(before.st_mode))
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise ConfigurationError(
            f"the vault key file {path} cannot be replaced here ({error.strerror}); where it is mounted, change it "
            "where it comes from: put a line `key_id:base64 of 32 random bytes` first, keep the others, and then run "
            "`mlc vault rotate --no-new-key`"
        ) from None


def _write(path: Path, text: str, flags: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _json_items(text: str, where: str) -> list[tuple[str, object]]:
    try:
        items = json.loads(text, object_pairs_hook=list)
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"the vault key file {where} is not JSON (line {error.lineno})") from None
    return [(str(key_id), encoded) for key_id, encoded in items]


def _split(line: str, where: str, number: int) -> tuple[str, str]:
    key_id, colon, encoded = line.partition(":")
    if not colon:
        raise ConfigurationError(f"the vault key file {where}, line {number}, is not `key_id:base64`")
    return key_id.strip(), encoded.strip()


def _key(key_id: str, encoded: object, where: str) -> Key:
    if not _KEY_ID.fullmatch(key_id):
        raise ConfigurationError(f"the vault key file {where}: a key id is 1 to 64 letters, digits, '.', '_' or '-'")
    try:
        material = base64.b64decode(encoded, validate=True) if isinstance(encoded, str) else b""
    except (binascii.Error, ValueError):
        material = b""
    if len(material) != _KEY_BYTES:
        raise ConfigurationError(f"the vault key file {where}: key {key_id!r} is not the base64 of {_KEY_BYTES} bytes")
    return Key(key_id, material)
