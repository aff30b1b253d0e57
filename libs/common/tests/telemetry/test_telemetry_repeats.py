"""What a library says a thousand times a second is one line, with how often it was said; our own lines all pass."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from mlc_common.telemetry import configure_logs

SAID = "Unable connect to node with id %s: %s"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Where this process logs to during the test."""
    root, stream = logging.getLogger(), io.StringIO()
    before = (list(root.handlers), root.level)
    configure_logs("test", stream=stream)
    yield stream
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def say(name: str, message: str, at: float, *args: object) -> None:
    """Log as a library does, at an instant."""
    record = logging.LogRecord(name, logging.ERROR, __file__, 1, message, args, None)
    record.created = at
    logging.getLogger(name).handle(record)


def test_what_the_kafka_client_repeats_is_said_once_in_ten_seconds(lines: io.StringIO) -> None:
    for i in range(500):
        say("aiokafka", SAID, 100.0 + i / 1000, 1, "refused")
    say("aiokafka", "Something else", 100.1)
    say("aiokafka", SAID, 111.0, 1, "refused")
    said = [json.loads(line)["event"] for line in lines.getvalue().splitlines()]
    assert said == [
        "Unable connect to node with id 1: refused",
        "Something else",
        "Unable connect to node with id 1: refused (and 499 more like it)",
    ]


def test_others_may_repeat_themselves(lines: io.StringIO) -> None:
    for _ in range(3):
        say("mlc_common.example", "again", 100.0)
        structlog.get_logger("mlc_common.example").warning("again")
    assert len(lines.getvalue().splitlines()) == 6
