"""The list of jars holds: what differs from it is thrown away and never run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mlc_localstack import StackError, jars
from mlc_localstack.jars import LockedJar, fetch_jars, locked_jars


class FakeArtifact:
    """A download that gives the same bytes each time."""

    def __init__(self, path: Path, contents: list[bytes]) -> None:
        self.path = path
        self.contents = contents

    def resolve(self) -> Path:
        if not self.path.exists():
            self.path.write_bytes(self.contents.pop(0))
        return self.path


class FakeContext:
    """Enough of jgo's context to fetch one jar."""

    def __init__(self, artifact: FakeArtifact, cache: Path) -> None:
        self._artifact = artifact
        self.repo_cache = cache

    def project(self, group: str, artifact: str) -> FakeContext:
        return self

    def at_version(self, version: str) -> FakeContext:
        return self

    def artifact(self) -> FakeArtifact:
        return self._artifact


RIGHT = b"the right jar"


def one_jar(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, contents: list[bytes]) -> Path:
    jar = LockedJar("org.example", "thing", "1", hashlib.sha256(RIGHT).hexdigest())
    context = FakeContext(FakeArtifact(tmp_path / "thing-1.jar", contents), tmp_path)
    monkeypatch.setattr(jars, "locked_jars", lambda: [jar])
    monkeypatch.setattr(jars, "_context", lambda: context)
    return tmp_path / "thing-1.jar"


def test_the_list_names_each_jar_of_kafka_once_with_its_sum() -> None:
    listed = locked_jars()
    assert ("org.apache.kafka", "kafka_2.13", "4.1.0") in {(jar.group, jar.artifact, jar.version) for jar in listed}
    assert len({(jar.group, jar.artifact) for jar in listed}) == len(listed) >= 45
    assert {len(jar.sha256) for jar in listed} == {64}


def test_half_a_download_is_fetched_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = one_jar(monkeypatch, tmp_path, [RIGHT])
    path.write_bytes(RIGHT[:5])
    seen: list[tuple[int, int]] = []
    assert fetch_jars(lambda have, want: seen.append((have, want))) == [path]
    assert path.read_bytes() == RIGHT
    assert seen == [(1, 1)]


def test_a_jar_that_is_another_one_twice_is_refused_and_deleted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = one_jar(monkeypatch, tmp_path, [b"forged", b"forged again"])
    with pytest.raises(StackError, match=r"org\.example:thing:1 does not have the SHA-256"):
        fetch_jars()
    assert not path.exists()
