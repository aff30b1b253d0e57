"""Signed checkpoints of the chains: Ed25519 over topic, offsets, heads and time. Pure.

A forger of the index needs the key, too, which is not in the log and in the database only sealed. The public key is for
auditors to keep elsewhere. Never: the private key in repr, an error or an event.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)
from pydantic import SecretStr

from mlc_common.errors import ConfigurationError
from mlc_common.events import ChainCheckpoint

_ID_LENGTH = 16


@dataclass(frozen=True)
class PublicKey:
    """What proves a checkpoint; ``id`` is the start of the SHA-256 of its 32 bytes, in hex."""

    id: str
    key: Ed25519PublicKey = field(repr=False, compare=False)

    @classmethod
    def of(cls, key: Ed25519PublicKey) -> Self:
        """A key with its id."""
        return cls(hashlib.sha256(key.public_bytes_raw()).hexdigest()[:_ID_LENGTH], key)

    @classmethod
    def parse(cls, pem: str, where: str) -> Self:
        """Read what ``pem`` wrote.

        Raises:
            ConfigurationError: it is no public key of ours; ``where`` names it.
        """
        try:
            key = load_pem_public_key(pem.encode())
        except ValueError:
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise ConfigurationError(f"{where} is no public key of an auditor; write it with `mlc audit key`")
        return cls.of(key)

    def pem(self) -> str:
        """As openssl and others read it (SubjectPublicKeyInfo)."""
        return self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def line(self) -> str:
        """As an event carries it: what stands between the first and the last line of ``pem``."""
        return base64.b64encode(self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()

    @classmethod
    def of_line(cls, text: str) -> Self | None:
        """Read what ``line`` wrote; None where it is no key."""
        try:
            key = load_der_public_key(base64.b64decode(text, validate=True))
        except (ValueError, UnsupportedAlgorithm):
            return None
        return cls.of(key) if isinstance(key, Ed25519PublicKey) else None

    def proves(self, checkpoint: ChainCheckpoint) -> bool:
        """Whether this key made the checkpoint's signature."""
        said = statement(checkpoint.topic, checkpoint.offsets, checkpoint.heads, checkpoint.at)
        return self.signed(checkpoint.signature, said)

    def signed(self, signature: str, said: bytes) -> bool:
        """Whether this key made a signature (base64) over these bytes."""
        try:
            self.key.verify(base64.b64decode(signature, validate=True), said)
        except (InvalidSignature, binascii.Error, ValueError):  # the last: text that is not even ASCII
            return False
        return True


class SigningKey:
    """The private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey.of(key.public_key())

    @classmethod
    def generate(cls) -> Self:
        """A new random key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def parse(cls, text: SecretStr) -> Self:
        """Read what ``text`` wrote.

        Raises:
            ConfigurationError: it is no key.
        """
        try:
            return cls(Ed25519PrivateKey.from_private_bytes(base64.b64decode(text.get_secret_value(), validate=True)))
        except (ValueError, binascii.Error):
            raise ConfigurationError(
                "the auditor's signing key in the vault is none; restore the vault from its backup"
            ) from None

    def text(self) -> SecretStr:
        """The key for the vault."""
        return SecretStr(base64.b64encode(self._key.private_bytes_raw()).decode())

    def sign(self, said: bytes) -> str:
        """The signature over these bytes, in base64."""
        return base64.b64encode(self._key.sign(said)).decode()

    def checkpoint(
        self, topic: str, offsets: Mapping[int, int], heads: Mapping[int, bytes], at: datetime
    ) -> ChainCheckpoint:
        """A signed checkpoint of one topic's chains."""
        told = {part: head.hex() for part, head in heads.items()}
        signature = self.sign(statement(topic, offsets, told, at))
        return ChainCheckpoint(
            topic=topic, offsets=dict(offsets), heads=told, key_id=self.public.id, signature=signature, at=at
        )


def statement(topic: str, offsets: Mapping[int, int], heads: Mapping[int, str], at: datetime) -> bytes:
    """What is signed: JSON with sorted names, partitions as text, no blanks, time in UTC with microseconds."""
    said = {
        "topic": topic,
        "offsets": {str(part): offset for part, offset in offsets.items()},
        "heads": {str(part): head for part, head in heads.items()},
        "at": in_utc(at),
    }
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def in_utc(at: datetime) -> str:
    """A time as it is signed; nobody signs one whose zone leads out of the calendar, and a forger may write it."""
    try:
        return at.astimezone(UTC).isoformat(timespec="microseconds")
    except OverflowError:
        return at.isoformat()
