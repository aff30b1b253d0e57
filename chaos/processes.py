"""Processes of a rehearsal that are forked instead of started anew (see ``forge``): same signals, same logs, faster."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from mlc_cli.rehearsal import Process, Rehearsal, RehearsalError

_LOOK_S = 0.01
_STOP_S = 15.0


class Forge:
    """The process that forks; an async context manager."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._ids = itertools.count()
        self._asked: dict[int, asyncio.Future[tuple[int, asyncio.Future[int]]]] = {}
        self._ended: dict[int, asyncio.Future[int]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "chaos.forge",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                cwd=Path(__file__).parents[1],
            )
        if not await self._line():
            raise RehearsalError(f"the forge did not come up; see {self._log}")
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        await process.wait()
        if self._reading is not None:
            await self._reading

    async def fork(
        self, arguments: list[str], environment: dict[str, str], *, folder: Path, out: Path, log: Path
    ) -> tuple[int, asyncio.Future[int]]:
        """The process id of a new process, and a future of its exit status."""
        process = self._process
        if process is None or process.stdin is None:
            raise RehearsalError("the forge is not running")
        number = next(self._ids)
        self._asked[number] = asyncio.get_running_loop().create_future()
        asked = {
            "id": number,
            "arguments": arguments,
            "environment": environment,
            "folder": str(folder),
            "out": str(out),
            "log": str(log),
        }
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        return await self._asked[number]

    async def _line(self) -> dict[str, Any] | None:
        if self._process is None or self._process.stdout is None:
            return None
        line = await self._process.stdout.readline()
        said: dict[str, Any] | None = json.loads(line) if line else None
        return said

    async def _read(self) -> None:
        while (said := await self._line()) is not None:
            if "ended" in said:
                end = self._ended.pop(said["pid"])
                if not end.done():  # whoever waited for it may have been told to end
                    end.set_result(said["ended"])
            else:
                begun = self._ended[said["pid"]] = asyncio.get_running_loop().create_future()
                self._asked.pop(said["id"]).set_result((said["pid"], begun))


@dataclass
class ForgedProcess(Process):
    """A process from the forge."""

    forge: Forge = field(kw_only=True)
    folder: Path = field(kw_only=True)
    frozen: bool = field(default=False, kw_only=True)
    _pid: int = 0
    _end_of: asyncio.Future[int] | None = None

    @property
    def pid(self) -> int:
        """See ``Process``."""
        if not self._pid:
            raise RehearsalError(f"{self.name} is not running")
        return self._pid

    @property
    def running(self) -> bool:
        """See ``Process``."""
        return self._end_of is not None and not self._end_of.done()

    @property
    def out(self) -> Path:
        """Where its standard output goes."""
        return self.log.with_suffix(".out")

    @property
    def was_up(self) -> bool:
        """Whether it ever said that it can work; why it cannot is said in the same place."""
        said = self.out.read_bytes() if self.out.exists() else b""
        return said.endswith(b"\n") and (b'"parts"' in said or b'"sandbox"' in said)

    async def launch(self) -> None:
        """See ``Process``."""
        self.out.unlink(missing_ok=True)
        self.frozen = False
        self._pid, self._end_of = await self.forge.fork(
            self.arguments, self.environment, folder=self.folder, out=self.out, log=self.log
        )

    async def ended(self) -> int:
        """See ``Process``."""
        if self._end_of is None:
            raise RehearsalError(f"{self.name} is not running")
        return await asyncio.shield(self._end_of)

    async def freeze(self) -> None:
        """Stop it where it stands, and wait until it does stand."""
        if self.running:
            self.send(signal.SIGSTOP)
            self.frozen = True

    def send(self, number: signal.Signals) -> None:
        """See ``Process``. One that has just ended, and of which nobody has heard yet, hears nothing any more."""
        with suppress(ProcessLookupError):
            super().send(number)

    def thaw(self) -> None:
        """Let it go on."""
        self.frozen = False
        if self.running:
            self.send(signal.SIGCONT)

    def stands_still(self) -> bool:
        """Whether it was stopped, by somebody else or by itself at a named point."""
        with suppress(FileNotFoundError, ProcessLookupError):
            return Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        return False

    async def _line(self) -> bytes:
        while self.running:
            if self.was_up:
                return self.out.read_bytes()
            await asyncio.sleep(_LOOK_S)
        raise RehearsalError(f"{self.name} ended with {await self.ended()}: {self._tail()}")

    async def _end(self, number: signal.Signals) -> int:
        if self._end_of is None:
            return 0
        if self.running:
            with suppress(ProcessLookupError):
                if number != signal.SIGKILL:  # which must not let a frozen process do one thing more
                    os.kill(self._pid, signal.SIGCONT)
                os.kill(self._pid, number)
        try:
            async with asyncio.timeout(_STOP_S):
                return await self.ended()
        except TimeoutError:
            os.kill(self._pid, signal.SIGKILL)
            return await self.ended()


@dataclass
class ForgedRehearsal(Rehearsal):
    """A rehearsal whose parts and commands come from the forge."""

    forge: Forge = field(kw_only=True)

    def part(self, name: str, **environment: str) -> ForgedProcess:
        """See ``Rehearsal``. ``poster-deltek:2`` is a second process of that part."""
        process = ForgedProcess(
            name,
            ["-m", "mlc_cli", "run", name.partition(":")[0], "--json"],
            self.environment | environment,
            self.folder / f"{name.replace(':', '-')}.log",
            forge=self.forge,
            folder=self.folder,
        )
        self.parts[name] = process
        return process

    async def mlc(self, *arguments: str) -> Any:
        """See ``Rehearsal``."""
        stem = self.folder / f"command-{next(_commands)}"
        out, log = stem.with_suffix(".out"), stem.with_suffix(".log")
        _, end = await self.forge.fork(
            ["-m", "mlc_cli", *arguments, "--json"], self.environment, folder=self.folder, out=out, log=log
        )
        status = await end
        if status != 0:
            said = (log.read_text(errors="replace") + out.read_text(errors="replace"))[-1500:]
            raise RehearsalError(f"mlc {' '.join(arguments)} ended with {status}: {said}")
        return json.loads(out.read_text())


_commands = itertools.count()
