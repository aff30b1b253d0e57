"""Webhooks of a store: listed first, reused by topic and address, never made twice. Facts §13, §14, §17.

The same topic and address twice would deliver everything twice. A store disables a webhook after seven failures in a
row and tells nobody; setting it active again does not reset its counter.
"""

from __future__ import annotations

from hashlib import sha256

from pydantic import SecretStr

from mlc_common.errors import ConfigurationError, Unconfirmed
from mlc_vendors.woocommerce.errors import NotFound
from mlc_vendors.woocommerce.models import JsonObject, Webhook
from mlc_vendors.woocommerce.paging import identity, pages_of, read_all
from mlc_vendors.woocommerce.rest import Call
from mlc_vendors.woocommerce.session import StoreSession

_FIELDS = "id,name,status,topic,delivery_url"


class Webhooks(StoreSession):
    """The store's webhooks, those of others included."""

    _secrets_set: dict[int, bytes]

    async def list_webhooks(self) -> list[Webhook]:
        """All of them, whatever their status; what has no id of its own cannot be ours."""
        read = pages_of(self._rest, "/webhooks", template="webhooks.list")
        rows = [row async for row in read_all(read, [("status", "all"), ("_fields", _FIELDS)])]
        return [Webhook.of(row) for row in rows if isinstance(identity(row), int)]

    async def create_webhook(self, topic: str, url: str, secret: SecretStr) -> Webhook:
        """Make one. The store sends a ping to ``url`` before it answers.

        Raises:
            Unconfirmed: it may exist now; list before making another.
            Rejected: the topic or address is not acceptable to the store.
        """
        body: JsonObject = {"name": f"ml-connector {topic}", "topic": topic, "delivery_url": url}
        body["secret"] = secret.get_secret_value()
        call = Call(method="POST", path="/webhooks", template="webhooks.create", body=body, safe=False)
        made = Webhook.of((await self._rest.call(call)).object(call.what))
        self._remember(made.id, secret)
        return made

    async def update_webhook(
        self,
        webhook_id: int,
        *,
        status: str | None = None,
        url: str | None = None,
        secret: SecretStr | None = None,
    ) -> Webhook:
        """Change what is given; setting the same twice does no harm.

        Raises:
            NotFound: the store has no such webhook (any more).
        """
        body: JsonObject = {}
        if status is not None:
            body["status"] = status
        if url is not None:
            body["delivery_url"] = url
        if secret is not None:
            body["secret"] = secret.get_secret_value()
        call = Call(method="PUT", path=f"/webhooks/{webhook_id}", template="webhooks.update", body=body, safe=True)
        changed = Webhook.of((await self._rest.call(call)).object(call.what))
        if secret is not None:
            self._remember(webhook_id, secret)
        return changed

    async def delete_webhook(self, webhook_id: int) -> bool:
        """Delete one for good; False where it was gone already."""
        call = Call(
            method="DELETE",
            path=f"/webhooks/{webhook_id}",
            template="webhooks.delete",
            params=[("force", "true")],
            safe=True,
        )
        self._secrets_set.pop(webhook_id, None)
        try:
            await self._rest.call(call)
        except NotFound:
            return False
        return True

    async def ensure_webhook(self, topic: str, url: str, secret: SecretStr) -> bool:
        """See that exactly one active webhook of this topic delivers to this address, signed with this secret.

        The store never tells a secret, so the first time it is set, and later only when it is another one.

        Returns:
            True when one was missing, disabled or double: what happened meanwhile must be read by polling.

        Raises:
            ConfigurationError: the store keeps it inactive.
        """
        ours = await self._ours(topic, url)
        if not ours:
            made = await self._create_once(topic, url, secret)
            _must_be_active(made)
            return True
        keep, *twins = ours
        for twin in twins:
            await self.delete_webhook(twin.id)
        if not keep.active or self._secrets_set.get(keep.id) != _fingerprint(secret):
            _must_be_active(await self.update_webhook(keep.id, status="active", secret=secret))
        return bool(twins) or not keep.active

    async def _ours(self, topic: str, url: str) -> list[Webhook]:
        """Those of this topic and address, an active one first, then the oldest."""
        found = [each for each in await self.list_webhooks() if (each.topic, each.delivery_url) == (topic, url)]
        return sorted(found, key=lambda each: (not each.active, each.id))

    async def _create_once(self, topic: str, url: str, secret: SecretStr) -> Webhook:
        """Make one; where the answer was lost, look whether it is there before anything else."""
        try:
            return await self.create_webhook(topic, url, secret)
        except Unconfirmed:
            found = await self._ours(topic, url)
            if not found:
                raise
            return await self.update_webhook(found[0].id, status="active", secret=secret)

    def _remember(self, webhook_id: int, secret: SecretStr) -> None:
        self._secrets_set[webhook_id] = _fingerprint(secret)


def _fingerprint(secret: SecretStr) -> bytes:
    return sha256(secret.get_secret_value().encode()).digest()


def _must_be_active(webhook: Webhook) -> None:
    if not webhook.active:
        raise ConfigurationError(
            f"the store keeps webhook {webhook.id} ({webhook.topic}) {webhook.status}; look for its cause under "
            "WooCommerce > Settings > Advanced > Webhooks"
        )
