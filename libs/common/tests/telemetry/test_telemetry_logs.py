"""What a log line shows, and above all what it does not."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import structlog
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import SecretStr

from mlc_common.telemetry import bound, configure_logs
from mlc_common.telemetry.redaction import WITHHELD, redact, scrub

PLANTED = "cs_b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2"

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logs("ingest", "acme", level="debug", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_line_is_json_with_service_tenant_level_time_and_context(lines: Lines) -> None:
    with bound(connection="shop", order="77"):
        structlog.get_logger("mlc.test").info("webhook.kept", topic="order.updated", offset=12)
    structlog.get_logger("mlc.test").warning("after")
    first, second = lines()
    assert datetime.fromisoformat(first.pop("timestamp")).tzinfo is not None
    assert first == {
        "service": "ingest",
        "tenant": "acme",
        "event": "webhook.kept",
        "level": "info",
        "logger": "mlc.test",
        "connection": "shop",
        "order": "77",
        "topic": "order.updated",
        "offset": 12,
    }
    assert (second["level"], "connection" in second) == ("warning", False)


def test_the_standard_librarys_loggers_write_the_same_lines(lines: Lines) -> None:
    with bound(connection="shop"):
        logging.getLogger("some.library").error("no answer from %s", "ada@example.test")
    (line,) = lines()
    assert (line["event"], line["connection"], line["level"]) == ("no answer from [e-mail]", "shop", "error")


def test_an_exception_is_written_without_what_it_must_not_say(lines: Lines) -> None:
    try:
        raise ValueError(f"refused consumer_secret={PLANTED} of ada@example.test")
    except ValueError:
        structlog.get_logger().exception("defect")
    (line,) = lines()
    assert "ValueError" in line["exception"]
    assert PLANTED not in line["exception"]
    assert "ada@" not in line["exception"]


@pytest.mark.parametrize(
    "name",
    [
        "consumer_secret",
        "password",
        "access_token",
        "Authorization",
        "api_key",
        "set_cookie",
        "dsn",
        "raw_body",
        "headers",
    ],
)
def test_fields_that_look_like_secrets_are_dropped_whatever_they_hold(lines: Lines, name: str) -> None:
    structlog.get_logger().info("call", **{name: PLANTED, "status": 200})
    (line,) = lines()
    assert name not in line
    assert PLANTED not in json.dumps(line)
    assert line["status"] == 200


def test_text_in_an_unlisted_field_is_withheld_but_numbers_and_times_pass() -> None:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    shown = redact(
        {"buyer": "Ada Lovelace", "amount": Decimal("1.50"), "when": at, "rows": 3, "ids": [UUID(int=1), "Ada"]}
    )
    assert shown == {
        "buyer": WITHHELD,
        "amount": Decimal("1.50"),
        "when": at,
        "rows": 3,
        "ids": [UUID(int=1), WITHHELD],
    }


def test_what_hides_inside_a_listed_field_is_redacted_too() -> None:
    shown = redact(
        {"detail": {"status": "ada@example.test", "password": PLANTED, "buyer": "Ada"}, "topics": ["a@b.example"]}
    )
    assert shown == {"detail": {"status": "[e-mail]", "buyer": WITHHELD}, "topics": ["[e-mail]"]}


def test_a_typed_secret_stays_hidden_even_in_a_listed_field() -> None:
    assert PLANTED not in str(redact({"detail": SecretStr(PLANTED)}))


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("GET https://me:hunter2@shop.example/x", "hunter2"),
        (f"/orders?consumer_key=ck_1&consumer_secret={PLANTED}&page=2", PLANTED),
        ("Authorization: Bearer eyJhbGciOi.J9", "eyJ"),
        ("Authorization: Basic Y2tfYTFhMTpjc18=", "Y2tf"),
        ('{"password": "hunter2", "a": 1}', "hunter2"),
        ("key cs_b2b2b2b2b2b2b2b2b2b2b2b2 refused", "b2b2"),
        ("to Ada.Lovelace+x@mail.example.test now", "Lovelace"),
    ],
)
def test_credentials_and_addresses_inside_text_are_masked(text: str, gone: str) -> None:
    assert gone not in scrub(text)
    assert scrub("order 77 of shop held: does_not_balance 10.00 != 10.01") == (
        "order 77 of shop held: does_not_balance 10.00 != 10.01"
    )


@given(st.emails(domains=st.sampled_from(["mail.example.test", "shop.example"])))
def test_any_common_mail_address_is_masked(address: str) -> None:
    assume(not set("=/?&") & set(address))
    assert scrub(f"buyer {address}, order 7") == "buyer [e-mail], order 7"


def test_very_long_text_is_cut() -> None:
    assert len(scrub("x" * 1_000_000)) < 10_000
