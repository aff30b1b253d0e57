"""Where the key of the checkpoints is kept: in the vault, sealed like every secret; made on first use, then changed by
hand. A key that gave way is deleted there, and signs no more, also when a backup brings it back.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlc_common.audit.signing import PublicKey, SigningKey
from mlc_common.audit.succession import SUBJECT, hand_over
from mlc_common.audit.telling import tell
from mlc_common.clock import Clock
from mlc_common.errors import ConfigurationError
from mlc_common.events import SigningKeyRotated, Topics
from mlc_common.log import ends_of
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


async def given_way(pool: Pool, key_id: str) -> str | None:
    """The key to which this one gave way, as far as the index knows; None where it did not."""
    for row in await audit_index.of_subject(pool, SUBJECT):
        facts = row.said()
        if facts.get("previous") == key_id:
            return facts.get("current")
    return None


@dataclass(frozen=True)
class KeyChange:
    """Makes a new signing key take the place of the old one.

    Attributes:
        brokers: The log: where it ends is what the old key has signed at the most.
        by: Who does it, for the audit.
        patience_s: How long an auditor that is signing is waited for.
    """

    pool: Pool
    vault: Vault
    topics: Topics
    brokers: str
    clock: Clock
    by: str
    patience_s: float = 30.0

    async def make(self, *, proved: bool = True) -> SigningKeyRotated:
        """Change the key, and say so with the signatures of both, all in one transaction.

        Args:
            proved: False = begin anew without an old key's word, because it is lost or gave way before.

        Raises:
            ConfigurationError: there is no key, or it gave way already (begin anew, then), or it is there (and nothing
                needs to begin anew), or the tables are being rebuilt.
            Retryable: an auditor is signing and comes to no end, or the broker does not answer.
        """
        async with audit_index.changing_the_key(self.pool, int(self.patience_s * 1000)) as db:
            old, new = await self._old(proved=proved), SigningKey.generate()
            ends = await ends_of(self.brokers, self.topics.audit)
            now = self.clock.now()
            event = hand_over(old, new, self.topics.audit, ends, by=self.by, at=now)
            await self.vault.put(OWNER, NAME, new.text(), db=db)
            await tell(db, self.topics, event, subject=SUBJECT, at=now)
            return event

    async def _old(self, *, proved: bool) -> SigningKey | None:
        """The key that signs the change; None where it is to begin anew and there is none that could."""
        found = await self.vault.get_active(OWNER, NAME)
        key = SigningKey.parse(found[0]) if found else None
        after = await given_way(self.pool, key.public.id) if key else None
        if key and not after and proved:
            return key
        if key and not after:
            raise ConfigurationError(
                f"the signing key {key.public.id} is in the vault and can sign the change; leave --unproved out"
            )
        if not proved:
            return None
        if key and after:
            raise ConfigurationError(retired(key.public.id, after))
        raise ConfigurationError(
            "there is no signing key that could give way to another; the auditor makes one when it signs for the first "
            "time"
        )


def retired(key_id: str, after: str) -> str:
    """What to do about a vault that has come back with an old key."""
    return (
        f"the signing key in the vault, {key_id}, gave way to {after} and must sign nothing more: the vault came back "
        "from a backup that is older. Restore a newer one with `mlc restore`; if there is none, begin anew with "
        "`mlc audit key rotate --unproved`"
    )


async def public_keys(vault: Vault) -> list[PublicKey]:
    """The public halves of every key that the vault has; empty where the auditor has never signed."""
    return [SigningKey.parse(text).public for text in await vault.get_active(OWNER, NAME)]
