"""Kafka's jars: fetched by jgo, held to a checked-in list of coordinates and SHA-256 sums.

A jar whose sum differs is deleted and never put on a class path. The list is written by `make lock`, from what jgo
resolves; fetching resolves nothing, so the same commit always runs the same bytes. Where jars are fetched from and
cached is jgo's own configuration (`~/.config/jgo.conf`, `M2_REPO`). jgo is imported late: it takes a third of a second,
which every test run would pay.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlc_localstack.errors import StackError

if TYPE_CHECKING:
    from jgo.maven import MavenContext

# The broker, and the binding without which it would swallow its own error messages. They are resolved one after the
# other: together, the second one's managed versions would replace the versions that Kafka was released with.
ENDPOINTS = ("org.apache.kafka:kafka_2.13:4.1.0", "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3")
LOCK_FILE = Path(__file__).with_name("kafka-jars.lock")
DOWNLOADS_AT_ONCE = 8

Progress = Callable[[int, int], None]
"""Called with how many jars are here and how many there will be."""


@dataclass(frozen=True, order=True)
class LockedJar:
    """One jar, named by its coordinate and its content."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def name(self) -> str:
        """The coordinate in the notation of Maven and jgo."""
        return f"{self.group}:{self.artifact}:{self.version}"


def locked_jars() -> list[LockedJar]:
    """The jars of the checked-in list, in class path order."""
    lines = [line for line in LOCK_FILE.read_text().splitlines() if line and not line.startswith("#")]
    return [_parse(line) for line in lines]


def _parse(line: str) -> LockedJar:
    name, digest = line.split()
    group, artifact, version = name.split(":")
    return LockedJar(group, artifact, version, digest.removeprefix("sha256:"))


def fetch_jars(progress: Progress | None = None) -> list[Path]:
    """All jars of the list, from jgo's cache or fetched into it.

    Raises:
        StackError: a jar could not be fetched, or is not the one in the list.
    """
    context = _context()
    jars = locked_jars()
    with _cache_lock(context.repo_cache), ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        paths = {pool.submit(_fetch, context, jar): jar for jar in jars}
        found = {}
        try:
            for done in as_completed(paths):
                found[paths[done]] = done.result()
                if progress is not None:
                    progress(len(found), len(jars))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [found[jar] for jar in jars]


def write_lock() -> int:
    """Resolve Kafka anew and write the list; the number of jars in it."""
    import jgo

    jars: dict[tuple[str, str], LockedJar] = {}
    for endpoint in ENDPOINTS:
        for artifact in jgo.resolve(endpoint):
            digest = hashlib.sha256(artifact.resolve().read_bytes()).hexdigest()
            jar = LockedJar(artifact.groupId, artifact.artifactId, artifact.version, digest)
            jars.setdefault((jar.group, jar.artifact), jar)
    header = "# Kafka's jars, resolved by jgo. Written by `make lock`; do not edit.\n"
    LOCK_FILE.write_text(header + "".join(f"{jar.name} sha256:{jar.sha256}\n" for jar in sorted(jars.values())))
    return len(jars)


def _context() -> MavenContext:
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    settings = GlobalSettings.load()
    # A mirror that the user configured under the same name takes the place of the default.
    return MavenContext(
        repo_cache=Path(settings.repo_cache),
        remote_repos={"central": MAVEN_CENTRAL_URL, **settings.repositories},
        timeout=60,
    )


@contextmanager
def _cache_lock(cache: Path) -> Iterator[None]:
    """jgo writes jars in place: two processes that fetch at once would read each other's halves."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / ".ml-connector.lock").open("a")
    except OSError as error:
        raise StackError(
            f"cannot write to the jar cache {cache}: set M2_REPO to a folder of yours ({error})"
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(context: MavenContext, jar: LockedJar) -> Path:
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    for last_try in (False, True):
        try:
            path = Path(artifact.resolve())
        except (OSError, RuntimeError) as error:  # what requests raises is an OSError too
            if last_try:
                raise StackError(
                    f"cannot fetch {jar.name}: check the network or your proxy and try again ({error})"
                ) from error
            continue
        if hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256:
            return path
        # Half a download of an interrupted run, most likely; a second wrong one is refused below.
        path.unlink()
    raise StackError(
        f"{jar.name} does not have the SHA-256 of {LOCK_FILE.name}: somebody between you and the repository changed it"
    )
