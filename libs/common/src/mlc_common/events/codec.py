"""The one place where event values become bytes and bytes become values. Pure.

``plain``: JSON of the model. What is above the message limit is split by ``chunks`` and read back by ``join``; sealing
per subject will be a third form here. Nothing else in the project touches the bytes of an event.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID, uuid5

from pydantic import ValidationError

from mlc_common import exactjson
from mlc_common.accounting.identity import digest
from mlc_common.errors import Undecodable
from mlc_common.events.catalogue import CHUNK, Event
from mlc_common.events.envelope import Envelope

EventT = TypeVar("EventT", bound=Event)

MAX_DEPTH = 100
"""Levels of nesting that are kept of a value that cannot be written whole."""

CUT_OFF = "(nested too deeply)"
"""What stands for the levels that were cut off."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def encode(
    event: Event,
    *,
    event_id: UUID,
    subject: str,
    source: str,
    time: datetime,
    extensions: Mapping[str, str] | None = None,
) -> Envelope:
    """Wrap an event's data.

    Args:
        event: One of the models of the catalogue.
        event_id: Deterministic id of the event.
        subject: ``connection:kind:id``; also the Kafka key.
        source: ``/{tenant}/{part}``.
        time: When it was decided (UTC).
        extensions: Further CloudEvents attributes.
    """
    data = exactjson.dumps(_json(event))
    return Envelope(
        id=str(event_id),
        type=event.event_type,
        source=source,
        subject=subject,
        time=time,
        data=data,
        extensions=dict(extensions or {}),
    )


def _json(event: Event) -> dict[str, Any]:
    try:
        return event.model_dump(mode="json")
    except ValueError:
        # What vendors say may hold text that is not UTF-8 or nest without end; the order in it must come through.
        kept = {name: _writable(getattr(event, name), MAX_DEPTH) for name in type(event).model_fields}
        return event.model_copy(update=kept).model_dump(mode="json")


def _writable(value: Any, depth: int) -> Any:
    """The value with lone surrogates as U+FFFD and everything below ``depth`` levels cut off, visibly."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict | list) and not depth:
        return CUT_OFF
    if isinstance(value, dict):
        return {_writable(key, depth): _writable(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_writable(item, depth - 1) for item in value]
    return value


def decode(envelope: Envelope, model: type[EventT]) -> EventT:
    """Read an event's data.

    Raises:
        Undecodable: another type, not JSON, or not of the model's shape; the message names the first wrong field.
    """
    if envelope.type != model.event_type:
        raise Undecodable(f"expected {model.event_type}, found {envelope.type}")
    try:
        return model.model_validate(exactjson.loads(envelope.data))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Undecodable(f"{envelope.type}: {where or 'data'}: {first['msg']}") from None


def chunks(envelope: Envelope, limit: int) -> list[Envelope]:
    """Split a value that is above ``limit`` bytes; empty when it is not. Publish these first, then ``manifest``."""
    if len(envelope.data) <= limit:
        return []
    parts = [envelope.data[i : i + limit] for i in range(0, len(envelope.data), limit)]
    return [
        dataclasses.replace(
            envelope,
            id=str(uuid5(UUID(envelope.id), f"chunk {i}")),
            type=CHUNK,
            data=part,
            content_type="application/octet-stream",
            extensions={"chunkof": envelope.id, "chunk": f"{i + 1}/{len(parts)}"},
        )
        for i, part in enumerate(parts)
    ]


def manifest(envelope: Envelope, offsets: Sequence[int]) -> Envelope:
    """The event itself with an empty value, naming where on its partition the chunks lie."""
    extra = {"chunks": ",".join(str(offset) for offset in offsets), "chunksha256": digest(envelope.data)}
    return dataclasses.replace(envelope, data=b"", extensions={**envelope.extensions, **extra})


def chunk_offsets(envelope: Envelope) -> list[int]:
    """Where the chunks of a manifest lie; empty for a plain event."""
    listed = envelope.extensions.get("chunks", "")
    return [int(offset) for offset in listed.split(",")] if listed else []


def join(envelope: Envelope, parts: Sequence[bytes]) -> Envelope:
    """Put a manifest and its chunks together again.

    Raises:
        Undecodable: the parts are not what was split.
    """
    data = b"".join(parts)
    if digest(data) != envelope.extensions.get("chunksha256"):
        raise Undecodable("the chunks do not give the value that was split")
    rest = {name: text for name, text in envelope.extensions.items() if name not in ("chunks", "chunksha256")}
    return dataclasses.replace(envelope, data=data, extensions=rest)
