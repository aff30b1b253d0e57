"""Does the steps of a schedule: as the shopper, as the network, as whoever pulls plugs.

What the shop refuses (a refund of more than is left) is no deed. Steps wait for nothing but what their schedule says,
save that a server that restarts goes on meanwhile and is waited for before the next one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import asyncpg
import httpx

from chaos.crew import Crew
from chaos.diary import Diary
from chaos.processes import ForgedRehearsal
from chaos.schedule import Step
from chaos.stand import Stand
from mlc_cli.rehearsal import STORE, RehearsalError
from mlc_localstack import KafkaServer

_WEBHOOK_S = 3.0


class Deeds:
    """All that can be done in one run.

    Attributes:
        diary: What the shopper did.
        counts: What was done to whom.
        wrong: What must never happen and did, seen while it was done.
    """

    def __init__(self, stand: Stand, rig: ForgedRehearsal, crew: Crew) -> None:
        self.diary = Diary()
        self.counts: Counter[str] = crew.counts
        self.wrong: list[str] = []
        self._stand, self._rig, self._crew = stand, rig, crew
        self._restarting: asyncio.Task[None] | None = None
        self._asked: set[asyncio.Task[Any]] = set()
        self._acts: dict[str, Callable[..., Awaitable[None]]] = {
            "buy": self._buy,
            "status": self._status,
            "edit": self._edit,
            "refund": self._refund,
            "delete refund": self._delete_refund,
            "trash": self._trash,
            "restore": self._restore,
            "kill": crew.kill,
            "freeze": crew.freeze,
            "thaw": crew.thaw,
            "arm": crew.arm,
            "fault": self._fault,
            "mischief": self._mischief,
            "hold webhooks": self._hold_webhooks,
            "deliver webhooks": self._deliver_webhooks,
            "resend": self._resend,
            "tamper": self._tamper,
            "disable": self._disable,
            "broker": self._broker,
            "database": self._database,
            "clock": self._clock,
            "replay": self._replay,
        }

    async def do(self, step: Step) -> None:
        """Do one step."""
        with suppress(_Refused):
            await self._acts[step.act](**step.what)
        if step.pause_s:
            await asyncio.sleep(step.pause_s)

    async def heal(self) -> None:
        """Everything outside works again, and nobody is frozen."""
        await self._restarted()
        await self._answered()
        await self._crew.heal()
        for url in (self._rig.shop_url, self._rig.erp_url):
            faults = (await self._rig.http.get(f"{url}/_sandbox/faults")).json()["faults"]
            for fault in faults:
                self.counts[f"calls hit: {fault['kind']}"] += fault["hits"]
            await self._rig.http.delete(f"{url}/_sandbox/faults")
        await self._rig.act("settings", auto_run=True)

    # -- the shopper and the merchant

    async def _buy(self, order: int, wish: dict[str, Any]) -> None:
        self.diary.bought(order, await self._shop("orders", **wish))

    async def _status(self, order: int, status: str) -> None:
        self.diary.changed(status, await self._shop(self._path(order, "status"), status=status))

    async def _edit(self, order: int, line: int, quantity: int) -> None:
        lines = [{"index": line, "quantity": quantity}]
        self.diary.changed("edit", await self._shop(self._path(order, "edit"), lines=lines))

    async def _trash(self, order: int) -> None:
        self.diary.changed("trash", await self._shop(self._path(order, "trash")))

    async def _restore(self, order: int) -> None:
        self.diary.changed("restore", await self._shop(self._path(order, "restore")))

    async def _refund(self, order: int, reason: str, **how: Any) -> None:
        wish: dict[str, Any] = {"reason": reason}
        if "share" in how:
            wish["amount"] = await self._part_of(self.diary.ids[order], Decimal(str(how["share"])))
        elif "line" in how:
            wish["lines"] = [{"index": how["line"], "quantity": how["quantity"]}]
        else:
            wish["everything"] = True
        refund = await self._shop(self._path(order, "refunds"), **wish)
        self.diary.refunds.setdefault(self.diary.ids[order], []).append(int(refund["id"]))
        self.diary.orders[self.diary.ids[order]].acts.append("refund")

    async def _delete_refund(self, order: int) -> None:
        order_id = self.diary.ids[order]
        known = self.diary.refunds.get(order_id)
        if known:
            url = f"{self._rig.shop_url}/_sandbox/orders/{order_id}/refunds/{known.pop()}"
            (await self._rig.http.delete(url)).raise_for_status()
            self.diary.orders[order_id].acts.append("delete refund")

    async def _part_of(self, order_id: int, share: Decimal) -> str:
        """A part of an order's total, in its currency's units."""
        dump = await self._rig.shop_truth()
        (order,) = (each for each in dump["orders"] if each["id"] == order_id)
        unit = Decimal(1) if order["currency"] == "JPY" else Decimal("0.01")
        return str((Decimal(order["total"]) * share).quantize(unit, ROUND_HALF_UP))

    def _path(self, order: int, act: str) -> str:
        if order not in self.diary.ids:
            raise _Refused
        return f"orders/{self.diary.ids[order]}/{act}"

    async def _shop(self, path: str, **body: Any) -> dict[str, Any]:
        try:
            found: dict[str, Any] = await self._rig.act(path, **body)
        except RehearsalError:
            self.diary.refused += 1
            raise _Refused from None
        return found

    # -- outside systems and the network

    async def _fault(self, where: str, fault: dict[str, Any]) -> None:
        act = self._rig.act if where == "shop" else self._rig.tell_erp
        await act("faults", **fault)
        self.counts[f"faults: {where}"] += 1

    async def _clock(self, where: str, advance: float) -> None:
        await (self._rig.act if where == "shop" else self._rig.tell_erp)("clock", advance=advance)
        self.counts["clock jumps"] += 1

    async def _mischief(self, kind: str, count: int) -> None:
        await self._rig.act(f"queue/{kind}", count=count)
        self.counts[f"webhooks: {kind}"] += count

    async def _hold_webhooks(self) -> None:
        await self._rig.act("settings", auto_run=False)

    async def _deliver_webhooks(self, order: str, seed: int) -> None:
        found = await self._rig.act("queue/reorder", order=order, seed=seed)
        self.counts["webhooks: late and reordered"] += int(found["pending"])
        await self._rig.act("settings", auto_run=True)

    async def _resend(self, which: float) -> None:
        """Deliver an old webhook again, signed as it was."""
        sent = await self._sent(which)
        if sent is not None:
            self.counts["webhooks: sent again"] += 1
            await self._hook(sent["body"].encode(), dict(sent["headers"]))

    async def _tamper(self, which: float) -> None:
        """Deliver an old webhook with one bit of its body flipped, under the old signature."""
        sent = await self._sent(which)
        if sent is None or not sent["body"]:
            return
        body = bytearray(sent["body"].encode())
        body[int(which * len(body))] ^= 1
        answer = await self._hook(bytes(body), dict(sent["headers"]))
        self.counts["webhooks: tampered"] += 1
        if answer is not None and answer < 400:
            self.wrong.append(f"a tampered webhook about {sent['argument']} was answered {answer}")

    async def _disable(self, which: float) -> None:
        """A store switches a webhook off and tells nobody."""
        hooks = (await self._rig.http.get(f"{self._rig.shop_url}/_sandbox/webhooks")).json()
        if hooks:
            hook = hooks[int(which * len(hooks))]
            await self._rig.act(f"webhooks/{hook['id']}", status="disabled")
            self.counts["webhooks: disabled"] += 1

    async def _sent(self, which: float) -> dict[str, Any] | None:
        found = (await self._rig.http.get(f"{self._rig.shop_url}/_sandbox/deliveries?bodies=1")).json()
        sent = [one for one in found if one["kind"] == "delivery"]
        return sent[int(which * len(sent))] if sent else None

    async def _hook(self, body: bytes, headers: dict[str, str]) -> int | None:
        """The gateway's answer; None where there was none."""
        url = f"{self._rig.environment['MLC_PUBLIC_URL']}/hooks/{STORE}"
        try:
            return (await self._rig.http.post(url, content=body, headers=headers, timeout=_WEBHOOK_S)).status_code
        except httpx.HTTPError:
            return None

    # -- servers

    async def _broker(self, how: str) -> None:
        await self._restarted()
        act = self._stand.kafka.restart if how == "restart" else _killed(self._stand.kafka)
        self._restarting = asyncio.create_task(asyncio.to_thread(act))
        self.counts[f"broker: {how}"] += 1

    async def _database(self, how: str) -> None:
        await self._restarted()
        self.counts[f"database: {how}"] += 1
        if how == "cut":
            await self._cut()
        else:
            mode: Any = how
            self._restarting = asyncio.create_task(asyncio.to_thread(self._stand.postgres.restart, mode))

    async def _cut(self) -> None:
        """Cut every connection to the tenant's database."""
        name = self._rig.environment["DATABASE_URL"].rpartition("/")[2]
        connection = await asyncpg.connect(self._stand.postgres.dsn)
        try:
            await connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
        finally:
            await connection.close()

    async def _restarted(self) -> None:
        if self._restarting is not None:
            await self._restarting
            self._restarting = None

    async def _replay(self) -> None:
        """Ask for the whole log to be decided anew; nothing in the ERP may change by it."""
        self.counts["replays asked for"] += 1
        self._asked.add(asyncio.create_task(self._rig.mlc("replay", "--all", "--why", "chaos", "--no-wait")))

    async def _answered(self) -> None:
        """Until whoever asked for a replay knows whether the log took it: while a server is away it does not."""
        for done in await asyncio.gather(*self._asked, return_exceptions=True):
            if isinstance(done, RehearsalError):
                self.counts["replays that the log did not take"] += 1
            elif isinstance(done, BaseException):
                raise done


class _Refused(Exception):  # noqa: N818 - the shop's word
    """The shop did not take it."""


def _killed(kafka: KafkaServer) -> Callable[[], None]:
    def act() -> None:
        kafka.kill()
        kafka.start()

    return act
