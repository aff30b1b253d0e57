"""Registers the webhooks at the store and keeps them alive (WooCommerce facts §13, §17).

Lists first and reuses: the same topic and URL twice would deliver everything twice. A store disables a webhook after
seven failures and tells nobody, so the health check looks every few minutes, re-activates, and says that a poll is due.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from pydantic import SecretStr

from mlc_common.vault.changes import Changes
from mlc_vendors.woocommerce.client import WooCommerceClient

_log = structlog.get_logger(__name__)

TOPICS = ("order.created", "order.updated", "order.deleted", "order.restored")
SECRET = "webhook_secret"  # noqa: S105 - the name of a secret, not a secret


@dataclass
class WebhookCare:
    """The webhooks of one store connection.

    Attributes:
        changes: Makes the secret, so that the audit knows of it.
        public_url: Where the store reaches our gateway.
        tell: Appends to the log what ``changes`` has told.
    """

    client: WooCommerceClient
    changes: Changes
    connection: str
    public_url: str
    tell: Callable[[], Awaitable[None]]

    async def ensure(self) -> bool:
        """See that every topic has one active webhook with our secret; True when one had to be made or revived."""
        secret = await self._secret()
        url = f"{self.public_url.rstrip('/')}/hooks/{self.connection}"
        mended = False
        for topic in TOPICS:
            changed = await self.client.ensure_webhook(topic, url, secret)
            if changed:
                _log.warning("webhook.mended", connection=self.connection, topic=topic)
            mended = mended or changed
        return mended

    async def _secret(self) -> SecretStr:
        """The newest webhook secret; made on the first use (letters and digits only: facts §14)."""
        known = await self.changes.vault.get_active(self.connection, SECRET)
        if known:
            return known[0]
        if await self.changes.first_secret(self.connection, SECRET, SecretStr(secrets.token_hex(32))):
            await self.tell()
        return (await self.changes.vault.get_active(self.connection, SECRET))[0]
