"""The real traffic that was recorded on a store, for tests."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_DATA = Path(__file__).resolve().parents[4] / "tests/data/woocommerce"


@dataclass(frozen=True)
class Delivery:
    """One webhook as the store sent it; header names in lower case."""

    case: str
    headers: dict[str, str]
    body: bytes
    secret: str


@dataclass(frozen=True)
class Exchange:
    """One request and what the store answered."""

    case: str
    request: dict[str, Any]
    response: dict[str, Any]


@pytest.fixture(scope="session")
def deliveries() -> list[Delivery]:
    """Every recorded delivery, pings included."""
    return [
        Delivery(
            path.stem,
            {name.lower(): value for name, value in each["headers"]},
            base64.b64decode(each["body_base64"]),
            each.get("secret") or record["webhook_secret"],
        )
        for path, record in _records("deliveries")
        for each in record["deliveries"]
    ]


@pytest.fixture(scope="session")
def exchanges() -> list[Exchange]:
    """Every recorded request with its answer."""
    return [
        Exchange(path.stem, each["request"], each["response"])
        for path, record in _records("exchanges")
        for each in record["exchanges"]
    ]


def _records(kind: str) -> list[tuple[Path, dict[str, Any]]]:
    return [(path, json.loads(path.read_text("utf-8"))) for path in sorted((_DATA / kind).glob("*.json"))]
