"""One record as it lies on the log, before anything is made of it."""

from __future__ import annotations

from dataclasses import dataclass

from aiokafka.structs import ConsumerRecord

from mlc_common.events.envelope import Envelope, from_record


@dataclass(frozen=True)
class Record:
    """Where a record lies and what it holds; ``envelope()`` reads it."""

    topic: str
    partition: int
    offset: int
    headers: tuple[tuple[str, bytes], ...]
    key: bytes | None
    value: bytes | None
    timestamp_ms: int = 0

    @classmethod
    def of(cls, record: ConsumerRecord[bytes | None, bytes | None]) -> Record:
        """From the client library's record."""
        return cls(
            record.topic,
            record.partition,
            record.offset,
            tuple(record.headers),
            record.key,
            record.value,
            record.timestamp,
        )

    def envelope(self) -> Envelope:
        """The event in it.

        Raises:
            Undecodable: it is none of ours.
        """
        return from_record(self.headers, self.value)
