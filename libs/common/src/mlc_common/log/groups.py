"""Who is reading the log now: consumer groups of a tenant that have members. Reads only."""

from __future__ import annotations

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from mlc_common.errors import Retryable
from mlc_common.log.access import client_options

_MEMBERS = 5
_GROUP, _CLIENT = 1, 1
"""Places in what the protocol answers of a group, and of a member."""


async def readers(bootstrap: str, prefix: str) -> dict[str, list[str]]:
    """The groups whose names begin so and that have members: name to the members' client names.

    A process that was killed is counted until its session has run out.

    Raises:
        Retryable: the broker does not answer.
    """
    admin = AIOKafkaAdminClient(**client_options(bootstrap))
    try:
        await admin.start()
        names = sorted({name for name, *_ in await admin.list_consumer_groups() if name.startswith(prefix)})
        # One by one: aiokafka 0.14 reads an answer about several groups wrongly.
        answers = [answer for name in names for answer in await admin.describe_consumer_groups([name])]
    except (KafkaError, OSError) as error:
        raise Retryable(f"the consumer groups cannot be listed ({type(error).__name__}); see that Kafka runs") from None
    finally:
        await admin.close()
    groups = [group for answer in answers for group in answer.groups]
    return {group[_GROUP]: [str(m[_CLIENT]) for m in group[_MEMBERS]] for group in groups if group[_MEMBERS]}
