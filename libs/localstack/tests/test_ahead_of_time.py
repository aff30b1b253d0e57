"""The file that lets Kafka start fast: used where it is, never needed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlc_localstack import KafkaServer, ahead_of_time
from mlc_localstack.errors import StackError
from mlc_localstack.jars import fetch_jars
from mlc_localstack.kafka import class_path


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment in which nothing was prepared."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    (tmp_path / "environment").mkdir()
    return tmp_path / "environment"


def test_where_nothing_was_prepared_java_is_told_nothing() -> None:
    assert ahead_of_time.options("a.jar:b.jar") == []


def test_what_a_broker_that_recorded_nothing_leaves_is_an_error_and_no_file(environment: Path) -> None:
    def run_broker(_folder: Path, options: Sequence[str]) -> None:
        assert options[0] == "-XX:AOTMode=record"

    with pytest.raises(StackError, match="could not be prepared"):
        ahead_of_time.make("a.jar:b.jar", run_broker)

    assert ahead_of_time.options("a.jar:b.jar") == []
    assert list((environment / "var").iterdir()) == []


def test_kafka_starts_with_a_file_that_java_cannot_use(environment: Path, tmp_path: Path) -> None:
    (environment / "var").mkdir()
    jars = class_path(fetch_jars())
    ahead_of_time._file(jars).write_bytes(b"not what Java expects")
    assert ahead_of_time.options(jars)

    with KafkaServer(tmp_path / "kafka") as kafka:
        assert kafka.pid is not None
