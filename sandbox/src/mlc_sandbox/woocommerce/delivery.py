"""The background queue that delivers webhooks: coalescing, late bodies, one at a time, never a second try.

At the end of a request each (webhook, object) becomes a job, unless one is still waiting; its body is read when it is
delivered. Jobs run when told to, or at once where the sandbox runs by itself. What became of each delivery is kept for
tests. Facts sheet §14 to §17.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mlc_sandbox.woocommerce.hookshot import Answered
from mlc_sandbox.woocommerce.serial import write
from mlc_sandbox.woocommerce.store import Store
from mlc_sandbox.woocommerce.webhooks import Webhook, Webhooks
from mlc_sandbox.woocommerce.wire import Sender, delivery_headers

KEPT = 10_000


@dataclass(frozen=True)
class Job:
    """A delivery that waits: which webhook, about what."""

    id: int
    webhook_id: int
    topic: str
    argument: int


@dataclass(frozen=True)
class Delivery:
    """What became of a job or a ping."""

    kind: str  # delivery, ping, dropped, or gone (its webhook was deleted)
    webhook_id: int
    topic: str
    argument: int
    at: str
    status: int | None = None
    error: str = ""
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)

    def describe(self, *, with_body: bool) -> dict[str, Any]:
        """The delivery for the dump."""
        shown: dict[str, Any] = {
            "kind": self.kind,
            "webhook_id": self.webhook_id,
            "topic": self.topic,
            "argument": self.argument,
            "at": self.at,
            "answered": self.status,
            "error": self.error,
            "body_sha256": hashlib.sha256(self.body).hexdigest(),
        }
        if with_body:
            shown |= {"headers": self.headers, "body": self.body.decode()}
        return shown


@dataclass
class Mischief:
    """What goes wrong on purpose with the next deliveries of a topic (empty = any)."""

    kind: str  # drop or duplicate
    left: int
    topic: str = ""


class Queue:
    """The delivery queue of one store.

    Args:
        store: Its tables, for events, time and settings.
        read: The object of a topic and id as its REST body, read as the webhook's user.
    """

    def __init__(self, store: Store, read: Callable[[Webhook, str, int], Any]) -> None:
        self.store = store
        self.sender = Sender(store)
        self.webhooks = Webhooks(store, self._ping)
        self.log: deque[Delivery] = deque(maxlen=KEPT)
        self.mischief: list[Mischief] = []
        self._read = read
        self._pending: dict[tuple[int, int], Job] = {}
        self._last_job = 0
        self._turn = asyncio.Semaphore(1)
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._runner: asyncio.Task[None] | None = None

    @property
    def pending(self) -> list[Job]:
        """What waits, in the order it will run."""
        return list(self._pending.values())

    def take_events(self) -> None:
        """Queue what happened in the request that ends now; what already waits is not queued twice."""
        events, self.store.events = self.store.events, []
        for topic, argument in events:
            for webhook in self.webhooks.listening_to(topic):
                if (webhook.id, argument) not in self._pending:
                    self._last_job += 1
                    self._pending[webhook.id, argument] = Job(self._last_job, webhook.id, topic, argument)
        if self._pending and self.store.settings.auto_run:
            self._idle.clear()
            self._work.set()
            self._start()

    def reorder(self, order: str, seed: int = 0) -> None:
        """Change the order of what waits: "reverse" or "shuffle"."""
        jobs = list(self._pending.items())
        if order == "reverse":
            jobs.reverse()
        elif order == "shuffle":
            random.Random(seed).shuffle(jobs)
        else:
            raise ValueError('order is "reverse" or "shuffle"')
        self._pending = dict(jobs)

    def discard(self) -> int:
        """Forget what waits, as a broken cron does; returns how much it was."""
        lost = len(self._pending)
        self._pending.clear()
        return lost

    async def run(self, limit: int | None = None) -> int:
        """Deliver what waits now, or ``limit`` of it, one after the other; returns how many jobs ran.

        What is queued while it runs is delivered too, when there is no limit.
        """
        done = 0
        async with self._turn:
            while self._pending and (limit is None or done < limit):
                width = max(1, min(self.store.settings.delivery_concurrency, (limit or len(self._pending)) - done))
                jobs = [self._pop() for _ in range(min(width, len(self._pending)))]
                await asyncio.gather(*(self._run_job(job) for job in jobs))
                done += len(jobs)
        return done

    async def settle(self) -> None:
        """Wait until nothing waits and nothing is on the wire, where the sandbox runs by itself.

        Raises:
            Exception: what ended the background run, which must never end.
        """
        idle = asyncio.create_task(self._idle.wait())
        waited: set[asyncio.Task[Any]] = {idle} if self._runner is None else {idle, self._runner}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        if self._runner is not None and self._runner.done():
            self._runner.result()

    async def close(self) -> None:
        """Stop the background run."""
        if self._runner is not None:
            self._runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._runner
            self._runner = None

    def _start(self) -> None:
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run_forever())

    async def _run_forever(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            await self.run()
            if not self._pending:
                self._idle.set()

    def _pop(self) -> Job:
        key = next(iter(self._pending))
        return self._pending.pop(key)

    async def _run_job(self, job: Job) -> None:
        webhook = self.webhooks.by_id.get(job.webhook_id)
        if webhook is None:
            self._note("gone", job.webhook_id, job.topic, job.argument)
            return
        kind = self._mischief_for(webhook.topic)
        if kind == "drop":
            self._note("dropped", webhook.id, webhook.topic, job.argument)
            return
        for _ in range(2 if kind == "duplicate" else 1):
            await self._deliver(webhook, job.argument)

    async def _deliver(self, webhook: Webhook, argument: int) -> None:
        body = write(self._read(webhook, webhook.topic, argument))
        headers = delivery_headers(self.store, webhook, body)
        answered = await self.sender.deliver(webhook, headers, body)
        self._note("delivery", webhook.id, webhook.topic, argument, answered=answered, body=body, headers=headers)
        if webhook.id in self.webhooks.by_id:
            await self.webhooks.count_result(webhook, delivered=answered.delivered)

    async def _ping(self, webhook: Webhook) -> bool:
        answered = await self.sender.ping(webhook)
        self._note("ping", webhook.id, webhook.topic, webhook.id, answered=answered)
        return answered.status == 200

    def _mischief_for(self, topic: str) -> str:
        for planned in self.mischief:
            if planned.left > 0 and planned.topic in ("", topic):
                planned.left -= 1
                return planned.kind
        return ""

    def _note(
        self,
        kind: str,
        webhook_id: int,
        topic: str,
        argument: int,
        *,
        answered: Answered | None = None,
        body: bytes = b"",
        headers: list[tuple[str, str]] | None = None,
    ) -> None:
        status, error = (answered.status, answered.error) if answered is not None else (None, "")
        at = self.store.clock.now().isoformat()
        self.log.append(Delivery(kind, webhook_id, topic, argument, at, status, error, body, headers or []))
