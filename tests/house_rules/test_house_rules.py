"""Each rule of the house notices what breaks it, and leaves alone what does not."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "linters" / "house_rules.py"


@pytest.fixture(scope="module")
def rules() -> ModuleType:
    spec = importlib.util.spec_from_file_location("house_rules", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their own module up by name.
    sys.modules["house_rules"] = module
    spec.loader.exec_module(module)
    return module


SERVICE = "services/mapper/src/mlc_mapper"

BROKEN = {
    "faststream outside of app.py": (f"{SERVICE}/decision.py", "from faststream.kafka import KafkaBroker", "app.py"),
    "a subscriber that names no policy": (f"{SERVICE}/app.py", "@broker.subscriber('t')\ndef f(): ...", "MANUAL"),
    "a subscriber with another policy": (
        f"{SERVICE}/app.py",
        "@broker.subscriber('t', ack_policy=AckPolicy.ACK_FIRST)\nasync def f(): ...",
        "MANUAL",
    ),
    "sql in a module of another name": (f"{SERVICE}/app.py", "q = 'SELECT a, b\\n FROM orders'", "store.py"),
    "sql made of pieces": (f"{SERVICE}/app.py", "q = f'update {t} set ' + 'x'\nr = 'insert into t values'", "store.py"),
    "a table made elsewhere": (f"{SERVICE}/app.py", "q = 'create table t (n int)'", "store.py"),
    "datetime.now": (f"{SERVICE}/app.py", "import datetime\nx = datetime.datetime.now(datetime.UTC)", "Clock"),
    "time.time": (f"{SERVICE}/app.py", "import time\nx = time.time()", "Clock"),
    "time under its bare name": (f"{SERVICE}/app.py", "from time import time as t\nx = t()", "Clock"),
    "date.today": (f"{SERVICE}/app.py", "from datetime import date\nx = date.today()", "Clock"),
    "a deciding module that does I/O": (f"{SERVICE}/x.py", "import asyncpg\ndef decide(s): ...", "replayed"),
    "an evolving module that rolls dice": (f"{SERVICE}/x.py", "import random\ndef evolve(s): ...", "replayed"),
    "a decision that waits": (f"{SERVICE}/x.py", "async def decide(s): ...", "plain function"),
    "accounting that reads the environment": ("libs/common/src/mlc_common/accounting/x.py", "import os", "replayed"),
    "a reader that signs in nowhere": (f"{SERVICE}/x.py", "c = AIOKafkaConsumer(bootstrap_servers=b)", "log.access"),
    "a producer bound beforehand": (
        f"{SERVICE}/x.py",
        "make = partial(aiokafka.AIOKafkaProducer, acks='all')",
        "access",
    ),
    "a broker that signs in nowhere": ("libs/common/src/mlc_common/log/c.py", "b = KafkaBroker(where)", "log.access"),
    "a module named utils": (f"{SERVICE}/utils.py", "x = 1", "noun"),
}

FINE = {
    "faststream in app.py": (f"{SERVICE}/app.py", "from faststream.kafka import KafkaBroker"),
    "faststream in the log": ("libs/common/src/mlc_common/log/consumer.py", "import faststream"),
    "a subscriber that acknowledges by hand": (
        f"{SERVICE}/app.py",
        "@broker.subscriber('t', ack_policy=AckPolicy.MANUAL)\nasync def f(): ...",
    ),
    "sql in a store": (f"{SERVICE}/store.py", "q = 'SELECT a FROM orders'"),
    "sql in the common store": ("libs/common/src/mlc_common/store/queue.py", "q = 'DELETE FROM queue'"),
    "prose about tables": (f"{SERVICE}/x.py", "'''Select a document from many.'''\nx = 'Update the mapping set'"),
    "a sentence that begins like sql": (f"{SERVICE}/x.py", "raise E('delete the file, then insert it again')"),
    "the clock itself": ("libs/common/src/mlc_common/clock.py", "import datetime\nx = datetime.datetime.now()"),
    "a duration": (f"{SERVICE}/x.py", "import time\nx = time.monotonic()"),
    "a clock that was handed in": (f"{SERVICE}/x.py", "def f(clock): return clock.now()"),
    "I/O where nothing is decided": (f"{SERVICE}/runtime.py", "import asyncpg\ndef start(): ..."),
    "clients that sign in": (
        f"{SERVICE}/x.py",
        "c = AIOKafkaConsumer(**client_options(b))\nm = partial(AIOKafkaProducer, **access.client_options(b), acks=1)\n"
        "k = KafkaBroker(b, security=broker_security(b))",
    ),
    "a client of a test": ("services/mapper/tests/x.py", "c = AIOKafkaConsumer(bootstrap_servers=b)"),
    "a type from a driver": (
        f"{SERVICE}/x.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import asyncpg\ndef decide(s): ...",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_rule_is_named_with_its_reason(rules: ModuleType, case: str) -> None:
    path, source, reason = BROKEN[case]
    findings = rules.check(path, source)
    assert len(findings) == 1
    assert reason in findings[0].message
    assert str(findings[0]).startswith(f"{path}:")


@pytest.mark.parametrize("case", FINE)
def test_what_the_rules_allow_is_left_alone(rules: ModuleType, case: str) -> None:
    assert rules.check(*FINE[case]) == []


def test_the_linter_looks_at_the_code_of_every_member(rules: ModuleType) -> None:
    root = rules.ROOT
    seen = {path.relative_to(root).parts[:2] for pattern in rules.SOURCES for path in root.glob(pattern)}
    members = {path.parent.relative_to(root).parts[:2] for path in root.glob("*/*/pyproject.toml")}
    assert members <= seen
    assert ("sandbox", "src") in seen
