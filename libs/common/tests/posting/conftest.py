"""Fixtures of the posting engine's tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from .bench import Bench
from .wishes import Order


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Thousands of runs write no log lines."""
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(wrapper_class=before)


@pytest.fixture
def bench() -> Bench:
    """An engine over an ERP with named drafts."""
    return Bench()


@pytest.fixture
def order() -> Order:
    """One order of the shop."""
    return Order()
