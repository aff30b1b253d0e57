"""One event on the log: a CloudEvent 1.0 in Kafka binary mode (attributes are ``ce_`` headers, the value the data).

A raw webhook's data are the bytes exactly as received, so that its signature can be proved later; everything else is
JSON of a model in ``mlc_common.events``. Nothing here does I/O. Checked against the CloudEvents SDK in the tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from mlc_common.errors import Undecodable

Headers = list[tuple[str, bytes]]

JSON = "application/json"
_PREFIX = "ce_"
_REQUIRED = ("id", "source", "type", "specversion")


class Appendable(Protocol):
    """What the log needs of an event."""

    @property
    def key(self) -> bytes:
        """The Kafka key."""
        ...

    @property
    def data(self) -> bytes:
        """The value."""
        ...

    def headers(self) -> Headers:
        """The Kafka headers."""
        ...


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """An event and the key that orders it.

    Attributes:
        id: Deterministic; the same thing seen twice has the same id.
        type: For example ``mlc.raw.webhook.v1``.
        source: Who says so: ``/{tenant}/{connection or part}``.
        subject: What it is about; also the Kafka key: ``connection:kind:id``.
        time: When it was seen or decided (UTC).
        data: The value, as bytes.
        content_type: Of ``data``.
        extensions: CloudEvents extension attributes (lower-case letters and digits), among them ``traceparent``.
    """

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    data: bytes = field(repr=False)
    content_type: str = JSON
    extensions: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> bytes:
        """The Kafka key: all events of one subject are on one partition, in order."""
        return self.subject.encode()

    def headers(self) -> Headers:
        """The Kafka headers of this event."""
        return [
            *own_headers(self.id, self.subject, self.time),
            *shared_headers(self.type, self.source, self.content_type, self.extensions),
        ]


def own_headers(event_id: str, subject: str, time: datetime) -> Headers:
    """The headers that no two events share."""
    return [
        ("ce_id", event_id.encode()),
        ("ce_subject", subject.encode()),
        ("ce_time", f"{time.astimezone(UTC).isoformat().removesuffix('+00:00')}Z".encode()),
    ]


def shared_headers(type_: str, source: str, content_type: str, extensions: Mapping[str, str]) -> Headers:
    """The headers that many events of one origin have in common."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_type", type_.encode()),
        ("ce_source", source.encode()),
        ("content-type", content_type.encode()),
        *[(header_of(name), value.encode()) for name, value in extensions.items()],
    ]


def header_of(attribute: str) -> str:
    """The name of the header that carries an attribute."""
    return _PREFIX + attribute


def from_record(headers: Iterable[tuple[str, bytes]], value: bytes | None) -> Envelope:
    """Read an event from a Kafka record.

    Raises:
        Undecodable: a required attribute is missing or unreadable, or there is no value.
    """
    try:
        found = {name: raw.decode() for name, raw in headers if raw is not None}
    except UnicodeDecodeError:
        raise Undecodable("a header is not UTF-8") from None
    attributes = {name[len(_PREFIX) :]: text for name, text in found.items() if name.startswith(_PREFIX)}
    missing = [name for name in (*_REQUIRED, "subject", "time") if not attributes.get(name)]
    if missing:
        raise Undecodable(f"not a CloudEvent of ours: no {', '.join(missing)}")
    if attributes.pop("specversion") != "1.0":
        raise Undecodable("not CloudEvents 1.0")
    if value is None:
        raise Undecodable("an event without data")
    try:
        time = datetime.fromisoformat(attributes.pop("time"))
    except ValueError:
        raise Undecodable("ce_time is no RFC 3339 time") from None
    if time.tzinfo is None:
        raise Undecodable("ce_time has no zone")
    fixed = {name: attributes.pop(name) for name in ("id", "type", "source", "subject")}
    return Envelope(**fixed, time=time, data=value, content_type=found.get("content-type", JSON), extensions=attributes)
