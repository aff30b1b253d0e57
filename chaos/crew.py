"""The parts of one run as a supervisor of production keeps them: whatever ends is started again.

It knows which ends it caused. A part may end by itself when it cannot start because a server is away, and for nothing
else: what was up waits everything out.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from chaos.processes import ForgedProcess, ForgedRehearsal
from chaos.tasks import ASK

_LOOK_S = 0.05
_AGAIN_S = 0.3
_SAID = 700
_TELLING_S = 1.0


@dataclass
class Crew:
    """All parts of one tenant.

    Attributes:
        counts: What was done to them.
        exits: Parts that were up and ended by themselves, with the end of their logs.
        healed: From now on nobody stays frozen.
    """

    rig: ForgedRehearsal
    names: list[str]
    counts: Counter[str]
    exits: list[str] = field(default_factory=list)
    healed: bool = False
    _expected: set[int] = field(default_factory=set)
    _frozen_at: dict[str, float] = field(default_factory=dict)
    _watching: asyncio.Task[None] | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self) -> None:
        """Start everybody and wait until all can work."""
        await asyncio.gather(*(self.rig.part(name).start() for name in self.names))
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Watch no longer."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching

    def check(self) -> None:
        """Raise what ended the watch, which must not end."""
        if self._watching is not None and self._watching.done():
            self._watching.result()

    async def kill(self, part: str) -> None:
        """As a machine that loses power does; it is started again."""
        self.counts["kills"] += 1
        await self._end(self._of(part))

    async def freeze(self, part: str) -> None:
        """Let it stand still; nobody is told."""
        process = self._of(part)
        if process.running and not process.frozen:
            self.counts["freezes"] += 1
            self._frozen_at[part] = time.monotonic()
            await process.freeze()

    async def thaw(self, part: str, after_s: float) -> None:
        """Let it go on, once it has stood still for so long."""
        frozen_at = self._frozen_at.pop(part, None)
        if frozen_at is not None:
            await asyncio.sleep(max(0.0, frozen_at + after_s - time.monotonic()))
        elif self._of(part).stands_still():  # at a named point, since when nobody knows
            self.counts["freezes at a point"] += 1
            await asyncio.sleep(after_s)
        self._of(part).thaw()

    async def arm(self, part: str, point: str, how: str) -> None:
        """Start it anew, to die or stand still at a named point."""
        self.counts["armed"] += 1
        async with self._turn:
            await self._end(self._of(part))
            await self._launch(part, **{how: point})

    async def heal(self) -> None:
        """Wake everybody."""
        self.healed = True
        for name in self.names:
            self._of(name).thaw()

    async def tell_tasks(self) -> None:
        """Let every process write into its log where its tasks stand."""
        for name in self.names:
            self._of(name).send(ASK)
        await asyncio.sleep(_TELLING_S)

    def _of(self, part: str) -> ForgedProcess:
        process = self.rig.parts[part]
        assert isinstance(process, ForgedProcess)
        return process

    async def _end(self, process: ForgedProcess) -> None:
        if process.running:
            self._expected.add(process.pid)
            await process.kill()

    async def _launch(self, name: str, **environment: Any) -> None:
        self._frozen_at.pop(name, None)
        await self.rig.part(name, **environment).launch()

    async def _watch(self) -> None:
        while True:
            for name in self.names:
                process = self._of(name)
                if self.healed and process.running and process.stands_still():
                    self.counts["freezes at a point"] += 1
                    process.thaw()
                if not process.running:
                    async with self._turn:
                        await self._again(name, self._of(name))
            await asyncio.sleep(_LOOK_S)

    async def _again(self, name: str, process: ForgedProcess) -> None:
        if process.running:  # somebody was faster
            return
        status = await process.ended()
        if process.pid in self._expected:
            pass
        elif status == -signal.SIGKILL and "CRASH_AT" in process.environment:
            self.counts["deaths at a point"] += 1
        else:
            self._note(name, status, process)
            await asyncio.sleep(_AGAIN_S)
        await self._launch(name)

    def _note(self, name: str, status: int, process: ForgedProcess) -> None:
        said = process.log.read_text(errors="replace")[-_SAID:]
        if process.was_up:
            self.exits.append(f"{name} ended by itself with {status}: … {said}")
        else:  # a server that it needs for its start is away
            self.counts["starts in vain"] += 1
