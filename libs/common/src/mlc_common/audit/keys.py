"""Where the key of the checkpoints is kept: in the vault, sealed like every secret; made on first use."""

from __future__ import annotations

from mlc_common.audit.signing import PublicKey, SigningKey
from mlc_common.store import audit_index
from mlc_common.store.pool import Pool
from mlc_common.vault import Vault

OWNER, NAME = "_auditor", "signing_key"
"""No connection can have this name: theirs begin with a letter or digit."""


async def signing_key(pool: Pool, vault: Vault) -> SigningKey:
    """The key that signs, made now if there is none.

    Raises:
        ConfigurationError: the vault does not open.
    """
    found = await vault.get_active(OWNER, NAME)
    if not found:
        async with audit_index.making_the_key(pool):
            found = await vault.get_active(OWNER, NAME)  # another process may have been first
            if not found:
                made = SigningKey.generate()
                await vault.put(OWNER, NAME, made.text())
                return made
    return SigningKey.parse(found[0])


async def public_keys(vault: Vault) -> list[PublicKey]:
    """The public halves of every key that the vault has; empty where the auditor has never signed."""
    return [SigningKey.parse(text).public for text in await vault.get_active(OWNER, NAME)]
