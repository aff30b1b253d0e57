"""Takes commands from the log into the posting queue, nothing else: an ERP that is down for a day costs rows.

A command that cannot be decoded holds its order (its key and seq are in the headers); one without those goes to the
dead letters. Effects and the consumer's position are stored in one transaction (architecture §2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import structlog

from mlc_common import crash
from mlc_common.accounting import HoldReason, command_id
from mlc_common.errors import Undecodable
from mlc_common.events import CHUNK, Command, Envelope, HeldWish, Topics, decode
from mlc_common.log.dead_letters import dead_letter
from mlc_common.log.reader import whole
from mlc_common.log.records import Record
from mlc_common.store import outbox, positions
from mlc_common.store.outbox import Outgoing
from mlc_common.store.pool import Pool
from mlc_common.store.posting_queue import add_commands

_log = structlog.get_logger(__name__)

_MOST_SEQ = 2**31 - 1
_TAKEN = "another command of this order has the same seq"


class CommandIntake:
    """Handler of one ERP's command topic (see ``mlc_common.log.consumer.Handler``).

    ``wake`` is called after each batch; ``bootstrap`` is where the chunks of commands above the message limit are read
    (without it such a command is held).
    """

    def __init__(self, pool: Pool, topics: Topics, erp: str, *, wake: Callable[[], None], bootstrap: str = "") -> None:
        self._bootstrap = bootstrap
        self._pool = pool
        self._topics = topics
        self._erp = erp
        self._wake = wake
        self._consumer = f"poster-{erp}"

    async def position(self, topic: str, partition: int) -> int:
        """See ``Handler``."""
        return await positions.load(self._pool, self._consumer, topic, partition)

    async def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        """See ``Handler``. Nothing to prepare."""

    async def handle(self, topic: str, partition: int, records: Sequence[Record]) -> None:
        """See ``Handler``."""
        commands: list[tuple[Record, Command]] = []
        dead: list[tuple[Record, str]] = []
        for record in records:
            try:
                envelope = record.envelope()
                if envelope.type != CHUNK:  # a chunk's meaning is in the event that lists it
                    commands.append((record, _storable(_command(await self._whole(record, envelope)))))
            except Undecodable as error:
                dead.append((record, str(error)))
        async with self._pool.acquire() as connection, connection.transaction():
            taken = [command for _, command in commands]
            traces = [_trace(record) for record, _ in commands]
            refused = await add_commands(connection, self._erp, taken, traces)
            dead += [(record, _TAKEN) for record, command in commands if command.command_id in refused]
            await outbox.add(connection, self._consumer, [self._letter(record, why) for record, why in dead])
            await positions.advance(
                connection,
                self._consumer,
                topic,
                partition,
                expected=records[0].offset,
                next_offset=records[-1].offset + 1,
            )
            crash.point("intake.before_commit")
        crash.point("intake.after_commit")
        self._wake()

    async def _whole(self, record: Record, envelope: Envelope) -> Envelope:
        if not self._bootstrap:
            return envelope
        return await whole(self._bootstrap, record.topic, record.partition, envelope)

    def _letter(self, record: Record, why: str) -> Outgoing:
        _log.error("intake.dead_letter", topic=record.topic, partition=record.partition, offset=record.offset, why=why)
        return dead_letter(self._topics, record, why, lane=0)  # the one lane that a poster publishes


def _trace(record: Record) -> str:
    """The trace that the command belongs to, so that the posting joins it, hours later if need be."""
    found = next((value for name, value in record.headers if name == "ce_traceparent"), b"") or b""
    return found.decode("ascii", "replace").replace("\0", "")


def _command(envelope: Envelope) -> Command:
    """The command in an event; a held one in its stead when only the headers can be read.

    Raises:
        Undecodable: not even the headers say which document it is about.
    """
    try:
        return decode(envelope, Command)
    except Undecodable as error:
        ext = envelope.extensions
        try:
            key, seq = UUID(ext["documentkey"]), int(ext["seq"])
            return Command.model_validate(
                {
                    "command_id": command_id(key, seq), "document_key": key, "flow": ext["flow"], "kind": ext["kind"],
                    "order_key": envelope.subject, "seq": seq, "cause": envelope.id, "content_digest": "",
                    "wish": HeldWish(reason=HoldReason.INTERNAL_ERROR, detail=f"The command cannot be read: {error}"),
                }
            )  # fmt: skip
        except (KeyError, ValueError):
            raise error from None


def _storable(command: Command) -> Command:
    """The command, if PostgreSQL can hold it.

    Raises:
        Undecodable: a seq that no order reaches, or a NUL in a key.
    """
    if command.seq > _MOST_SEQ or "\0" in command.flow + command.order_key:
        raise Undecodable("the seq or a key of the command is none that we issue")
    return command
