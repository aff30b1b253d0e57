"""Property tests judge what the mapper answers, not how fast a busy machine is; and a mapper on a real log."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import settings

from mlc_common.events import Topics
from mlc_common.log import LogProducer, ensure_topics
from mlc_common.store.pool import connect

from .livelog import ERP, LiveLog

settings.register_profile("mapper", deadline=None)
settings.load_profile("mapper")


@pytest.fixture
async def live(kafka_bootstrap: str, database: str, tenant: str) -> AsyncIterator[LiveLog]:
    """A mapper on topics and a database of this test's own."""
    topics = Topics(tenant)
    used = [topics.raw_orders, topics.control, topics.commands(ERP), topics.audit, topics.dead_letter]
    await ensure_topics(kafka_bootstrap, used)
    pool = await connect(database, application="test", most=6)
    async with LogProducer(kafka_bootstrap, client_id="test") as log:
        yield LiveLog(kafka_bootstrap, topics, pool, log)
    await pool.close()
