"""The webhook secret that the poller makes for a store is an event of the audit, and is made once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from pydantic import SecretStr

from mlc_common.audit.telling import PRODUCER
from mlc_common.clock import FixedClock
from mlc_common.events import ConnectionChanged, Topics
from mlc_common.store import connections
from mlc_common.store.pool import Pool, connect
from mlc_common.vault import Vault
from mlc_common.vault.changes import Changes
from mlc_common.vault.keyring import create_key_file
from mlc_poller.webhooks import SECRET, TOPICS, WebhookCare
from mlc_vendors.woocommerce.client import WooCommerceClient

pytestmark = pytest.mark.postgres


class Shop:
    """The store, as far as webhooks go; the secret that each was registered with."""

    def __init__(self) -> None:
        self.secrets: list[str] = []

    async def ensure_webhook(self, topic: str, url: str, secret: SecretStr) -> bool:
        """See ``WooCommerceClient``."""
        self.secrets.append(secret.get_secret_value())
        return False


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    pool = await connect(database, application="test-webhooks")
    yield pool
    await pool.close()


async def test_the_secret_is_told_when_it_is_made_and_used_from_then_on(pool: Pool, tmp_path: Path) -> None:
    create_key_file(path := tmp_path / "vault.key")
    await connections.add(pool, "shop", "woocommerce", {"url": "https://shop.example"})
    clock = FixedClock(datetime(2026, 11, 21, tzinfo=UTC))
    changes = Changes(pool, await Vault.start(pool, path, "acme"), Topics("acme"), clock, by="poller")
    shop, appended = Shop(), list[bool]()

    async def tell() -> None:
        appended.append(True)

    care = WebhookCare(cast(WooCommerceClient, shop), changes, "shop", "https://hooks.example", tell)
    await care.ensure()
    await care.ensure()

    rows = await pool.fetch("select value from outbox where producer = $1", PRODUCER)
    (event,) = [ConnectionChanged.model_validate_json(row["value"]) for row in rows]
    assert (event.connection, event.change, event.by, event.secrets) == ("shop", "secret", "poller", {SECRET: 1})
    assert appended == [True]
    (secret,) = set(shop.secrets)
    assert len(shop.secrets) == 2 * len(TOPICS)
    assert secret not in event.model_dump_json()
