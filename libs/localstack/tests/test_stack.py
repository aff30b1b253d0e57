"""The whole stack as a process of its own: what it prints, and that nothing of it outlives it, however it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from mlc_localstack import LocalStack, PostgresServer, StackError
from mlc_localstack.ownership import Ownership

ENVIRONMENT = {
    key: value for key, value in os.environ.items() if key not in {"KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"}
}


@contextmanager
def stack_in_foreground(data: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    command = [sys.executable, "-m", "mlc_localstack", "up", "--data", str(data)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=ENVIRONMENT
    ) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    _, left = psutil.wait_procs(processes, timeout=0)
    return [process for process in left if process.status() != psutil.STATUS_ZOMBIE]


def wait_until_gone(processes: list[psutil.Process]) -> None:
    """Orphans are reaped by somebody else, so there is nothing of ours to wait for but their state."""
    for _ in range(1000):
        if not alive(processes):
            return
        psutil.wait_procs(processes, timeout=0.02)
    raise AssertionError(f"still running: {alive(processes)}")


@pytest.mark.crash
@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=["ctrl-c", "terminated", "killed"])
def test_nothing_outlives_the_stack_however_it_ends(tmp_path: Path, how: signal.Signals) -> None:
    with stack_in_foreground(tmp_path) as (process, addresses):
        children = psutil.Process(process.pid).children(recursive=True)
        assert {"java", "postgres"} <= {child.name() for child in children}
        assert set(addresses) == {"KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"}
        process.send_signal(how)
        assert process.wait(60) == (-signal.SIGKILL if how is signal.SIGKILL else 0)
        wait_until_gone(children)
    # What root's PostgreSQL keeps outside of tmp_path.
    LocalStack(tmp_path, environment={}).destroy()


@pytest.mark.postgres
def test_a_server_that_a_dead_owner_left_behind_is_ended_before_a_new_one_starts(tmp_path: Path) -> None:
    left = subprocess.Popen(["sleep", "600"])
    server = PostgresServer(tmp_path / "postgres", durable=False)
    try:
        earlier = Ownership(server.log_file.parent)
        earlier.take()
        earlier.remember(left.pid)
        assert earlier._lock is not None
        earlier._lock.close()  # what the kernel does when the owner dies

        server.start()
        assert left.wait(10) == -signal.SIGKILL
        assert server.pid is not None
    finally:
        server.destroy()
        left.kill()
        left.wait()


def test_a_process_that_only_got_the_same_number_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        (tmp_path / "server.json").write_text(json.dumps({"pid": stranger.pid, "started": 1.0}))
        ownership = Ownership(tmp_path)
        ownership.take()
        ownership.release()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.crash
async def test_a_start_that_is_cancelled_half_way_leaves_nothing_running(tmp_path: Path) -> None:
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def report(part: str, what: str) -> None:
        if (part, what) == ("kafka", "starting"):
            loop.call_soon_threadsafe(begun.set)

    stack = LocalStack(tmp_path, durable=False, environment={}, report=report)
    entering = asyncio.create_task(stack.__aenter__())
    waiting = asyncio.create_task(begun.wait())
    await asyncio.wait([waiting, entering], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    mine = psutil.Process().children(recursive=True)
    assert not [child for child in mine if str(tmp_path) in " ".join(child.cmdline())]
    stack.destroy()


async def test_servers_named_by_the_environment_are_used_and_nothing_is_started(tmp_path: Path) -> None:
    given = {"KAFKA_BOOTSTRAP_SERVERS": "broker.example:9092", "DATABASE_URL": "postgresql://u:p@db.example/x"}
    said: list[str] = []
    async with LocalStack(tmp_path, environment=given, report=lambda _, what: said.append(what)) as stack:
        assert stack.environment == given
        stack.check()
    assert list(tmp_path.iterdir()) == []
    assert sorted(said) == ["ready at broker.example:9092", "ready at db.example/x"]


@pytest.mark.postgres
def test_a_server_that_ends_by_itself_is_noticed(tmp_path: Path) -> None:
    with LocalStack(tmp_path, durable=False, environment={"KAFKA_BOOTSTRAP_SERVERS": "unused:9092"}) as stack:
        stack.check()
        stack.postgres.kill()
        with pytest.raises(StackError, match="PostgreSQL ended by itself"):
            stack.check()
    stack.destroy()


@pytest.mark.postgres
def test_if_one_part_cannot_start_the_other_one_is_stopped_again(tmp_path: Path) -> None:
    (tmp_path / "kafka").write_text("a file where the broker's folder should be")
    stack = LocalStack(tmp_path, durable=False, environment={})
    with pytest.raises(OSError, match="kafka"):
        stack.start()
    assert stack.postgres.pid is None
    stack.postgres.destroy()
