"""Secrets of connections, sealed in PostgreSQL: envelope encryption, key ring, store; rules in ``envelope.py``."""

from mlc_common.vault.connections import Connection, ConnectionKind
from mlc_common.vault.envelope import Binding, Sealed, SecretUnreadable
from mlc_common.vault.keyring import Key, KeyRing
from mlc_common.vault.store import Vault

__all__ = ["Binding", "Connection", "ConnectionKind", "Key", "KeyRing", "Sealed", "SecretUnreadable", "Vault"]
