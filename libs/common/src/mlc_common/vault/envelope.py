"""Envelope encryption of one secret, pure: AES-256-GCM under a random data key, which a key-encryption key wraps.

Associated data binds both layers to the place where the secret belongs, so that a record copied to another tenant,
connection, name or version does not open. Re-wrapping changes the wrapped data key alone. Never: plaintext, keys or
ciphertext in repr or errors; a data key or nonce used twice.
Rule: design `reliability.md`, security points (OWASP ASVS 5.0 chapter 11).
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field, replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from mlc_common.errors import ConfigurationError
from mlc_common.vault.keyring import Key, KeyRing

KEY_BYTES = 32
NONCE_BYTES = 12

_FORMAT = "mlc.vault.v1"


class SecretUnreadable(ConfigurationError):  # noqa: N818 - names what happened
    """A sealed secret does not open: the key behind its id is another one, or the record was moved or changed."""

    code = "secret_unreadable"


@dataclass(frozen=True)
class Binding:
    """Where a secret belongs; part of the associated data of both layers."""

    tenant: str
    connection: str
    name: str
    version: int

    def associated_data(self, *more: str) -> bytes:
        """Unambiguous bytes of the place (JSON, so that no two places share them)."""
        return json.dumps([_FORMAT, self.tenant, self.connection, self.name, self.version, *more]).encode()

    def __str__(self) -> str:
        return f"{self.name!r} (version {self.version}) of connection {self.connection!r}"


@dataclass(frozen=True)
class Sealed:
    """A secret at rest.

    Attributes:
        key_id: The key-encryption key that wraps the data key.
        wrapped_key: The data key, sealed.
        wrap_nonce: Nonce of the wrapping.
        nonce: Nonce of the secret.
        ciphertext: The secret, sealed under the data key.
    """

    key_id: str
    wrapped_key: bytes = field(repr=False)
    wrap_nonce: bytes = field(repr=False)
    nonce: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)


def seal(secret: SecretStr, binding: Binding, key: Key) -> Sealed:
    """Encrypt a secret under a data key of its own, wrapped by ``key``."""
    data_key = AESGCM.generate_key(bit_length=KEY_BYTES * 8)
    nonce = secrets.token_bytes(NONCE_BYTES)
    plain = secret.get_secret_value().encode("utf-8", "surrogatepass")
    ciphertext = AESGCM(data_key).encrypt(nonce, plain, binding.associated_data())
    wrapped_key, wrap_nonce = _wrap(data_key, binding, key)
    return Sealed(key.id, wrapped_key, wrap_nonce, nonce, ciphertext)


def open_sealed(sealed: Sealed, binding: Binding, ring: KeyRing) -> SecretStr:
    """Decrypt a secret.

    Raises:
        SecretUnreadable: wrong key, or a record that was moved or changed.
        ConfigurationError: the ring has no key of that id.
    """
    data_key = _unwrap(sealed, binding, ring)
    try:
        plain = AESGCM(data_key).decrypt(sealed.nonce, sealed.ciphertext, binding.associated_data())
    except (InvalidTag, ValueError):
        raise _unreadable(sealed, binding) from None
    return SecretStr(plain.decode("utf-8", "surrogatepass"))


def rewrap(sealed: Sealed, binding: Binding, ring: KeyRing) -> Sealed:
    """Wrap the same data key under the ring's current key; nonce and ciphertext stay as they are.

    Raises:
        SecretUnreadable, ConfigurationError: as ``open_sealed``.
    """
    wrapped_key, wrap_nonce = _wrap(_unwrap(sealed, binding, ring), binding, ring.current)
    return replace(sealed, key_id=ring.current.id, wrapped_key=wrapped_key, wrap_nonce=wrap_nonce)


def _wrap(data_key: bytes, binding: Binding, key: Key) -> tuple[bytes, bytes]:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return AESGCM(key.material).encrypt(nonce, data_key, binding.associated_data("key", key.id)), nonce


def _unwrap(sealed: Sealed, binding: Binding, ring: KeyRing) -> bytes:
    key = ring.get(sealed.key_id)
    associated_data = binding.associated_data("key", sealed.key_id)
    try:
        return AESGCM(key.material).decrypt(sealed.wrap_nonce, sealed.wrapped_key, associated_data)
    except (InvalidTag, ValueError):
        raise _unreadable(sealed, binding) from None


def _unreadable(sealed: Sealed, binding: Binding) -> SecretUnreadable:
    return SecretUnreadable(
        f"secret {binding} does not open with key {sealed.key_id!r} of the vault key file: the file holds another key "
        "under that id, the tenant is another one, or the record was changed; put the right key back, or store the "
        "secret anew"
    )
