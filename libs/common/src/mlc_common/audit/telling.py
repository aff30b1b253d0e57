"""Tells the audit topic what a person did to records that are in no event of an order: keys, connections, secrets.

Through the outbox, in the transaction of the change itself: neither is there without the other. The command appends it
where the broker answers; whatever waits, the auditor appends. Never: a secret in such an event.
"""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from mlc_common.events import Event, Topics, encode
from mlc_common.store import outbox
from mlc_common.store.pool import Connection
from mlc_common.store.rebuild import running

PRODUCER = "vault"
"""Whose rows of the outbox these are; one lane, so that they are told in the order in which they happened."""


async def tell(db: Connection, topics: Topics, event: Event, *, subject: str, at: datetime) -> None:
    """Put an event into the outbox, within the transaction of what it tells.

    Args:
        db: The transaction's connection.
        topics: Of the tenant.
        event: What was done, and by whom.
        subject: What it was done to.
        at: When.

    Raises:
        ConfigurationError: the tables are being rebuilt, which would lose it.
    """
    await running.refuse_meanwhile(db)
    envelope = encode(event, event_id=uuid4(), subject=subject, source=f"/{topics.tenant}/{PRODUCER}", time=at)
    await outbox.add(db, PRODUCER, [outbox.Outgoing(topics.audit, envelope)])
