"""The JSON Schemas of all events, published in ``docs/schemas`` for those who read the log with other means.

``python -m mlc_common.events.schemas write`` (``make schemas``) writes them, and refuses what would break readers of
older or newer events; ``check`` only compares. A raw webhook, a dead letter and a chunk have no schema: their data are
bytes as they came.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlc_common.events.catalogue import EVENTS, Event
from mlc_common.events.compatibility import incompatibilities

DIRECTORY = Path("docs/schemas")
_SUFFIX = ".schema.json"
_USAGE = "usage: python -m mlc_common.events.schemas [write|check] [DIRECTORY]"


def schema_of(event: type[Event]) -> dict[str, Any]:
    """The schema of an event's data as they lie on the log (amounts are strings)."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": event.event_type}
    return {**head, **event.model_json_schema(mode="serialization")}


def published(directory: Path) -> dict[str, dict[str, Any]]:
    """The schemas of events in a folder, by event type."""
    files = sorted(directory.glob("mlc.*" + _SUFFIX))
    return {file.name.removesuffix(_SUFFIX): json.loads(file.read_text("utf-8")) for file in files}


def breaking(old: Mapping[str, dict[str, Any]], events: Sequence[type[Event]] = EVENTS) -> list[str]:
    """What readers of the published schemas could no longer rest on, one sentence each."""
    now = {event.event_type: schema_of(event) for event in events}
    found = [f"{name}: the event is gone from the catalogue" for name in old if name not in now]
    for name in old.keys() & now.keys():
        found += [f"{name}: {each}" for each in incompatibilities(old[name], now[name])]
    return sorted(found)


def outdated(old: Mapping[str, dict[str, Any]]) -> list[str]:
    """Event types whose published schema is not what the code says."""
    return [event.event_type for event in EVENTS if old.get(event.event_type) != schema_of(event)]


def write(directory: Path) -> None:
    """Write every schema."""
    directory.mkdir(parents=True, exist_ok=True)
    for event in EVENTS:
        text = json.dumps(schema_of(event), indent=2, ensure_ascii=False)
        (directory / f"{event.event_type}{_SUFFIX}").write_text(text + "\n", "utf-8")


def main(arguments: Sequence[str]) -> int:
    """Write or check; 0 when the published schemas are compatible and up to date afterwards."""
    action, directory = "".join(arguments[:1]) or "write", Path("".join(arguments[1:2]) or DIRECTORY)
    if action not in ("write", "check") or len(arguments) > 2:
        sys.stderr.write(_USAGE + "\n")
        return 2
    old = published(directory)
    broken = breaking(old)
    for each in broken:
        sys.stderr.write(f"incompatible: {each}\n")
    if broken:
        return 1
    if action == "write":
        write(directory)
        return 0
    stale = outdated(old)
    for name in stale:
        sys.stderr.write(f"outdated: {name}; run `make schemas`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
