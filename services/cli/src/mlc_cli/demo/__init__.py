"""`mlc demo`: a shop, an ERP and ourselves on this machine; fifty orders, and proof that every cent arrived."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn

from mlc_cli.demo import shopping
from mlc_cli.demo.connecting import connect
from mlc_cli.demo.drawing import drawn
from mlc_cli.demo.reconciling import Reconciliation, reconcile
from mlc_cli.output import Json, people, print_json, telling_errors
from mlc_cli.rehearsal import Rehearsal, rehearsal

_QUIET_S = 240.0
_LOOK_S = 0.5


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running until Ctrl-C, with the addresses printed.")
    ] = False,
    orders: Annotated[int, typer.Option(help="How many orders the shopper places.", min=1, max=500)] = 50,
    folder: Annotated[Path, typer.Option(help="Where data and logs go.")] = Path(".local"),
    picture: Annotated[Path | None, typer.Option(help="Also draw the result, as SVG.", hidden=True)] = None,
    as_json: Json = False,
) -> None:
    """Sell fifty orders, see them posted, to the cent.

    Starts Kafka, PostgreSQL, a sandbox shop and a sandbox ERP on this machine,
    loses some webhooks on purpose, refunds some orders, and compares the shop's
    own tables with the ERP's. Exit status 1 if a single cent is off.

    \b
    Example:
      mlc demo --keep
    """
    with telling_errors(as_json=as_json):
        try:
            result = asyncio.run(_demo(folder.resolve(), orders, keep=keep, quiet=as_json))
        except (KeyboardInterrupt, asyncio.CancelledError):
            people.print("Stopped.")
            raise typer.Exit(130) from None
    if as_json:
        print_json(result.as_json())
    else:
        result.show(people)
    if picture is not None:
        picture.write_text(drawn(result), encoding="utf-8")
    raise typer.Exit(0 if result.reconciles else 1)


async def _demo(folder: Path, orders: int, *, keep: bool, quiet: bool) -> Reconciliation:
    from mlc_localstack import LocalStack  # only the demo needs servers of its own

    _cancel_on_signals()
    tenant = f"demo-{secrets.token_hex(3)}"
    place = folder / "demo" / tenant
    with _progress(quiet=quiet) as progress:
        servers = {part: progress.add_task(f"{part}: starting", total=None) for part in ("kafka", "postgres")}

        def tell(part: str, what: str) -> None:
            progress.update(servers[part], description=f"{part}: {what}")

        async with AsyncExitStack() as stack:
            local = await stack.enter_async_context(LocalStack(folder / "stack", report=tell))
            stack.callback(shutil.rmtree, place, ignore_errors=True)
            rig = await stack.enter_async_context(
                rehearsal(
                    place,
                    kafka=local.bootstrap_servers,
                    server_dsn=local.dsn,
                    tenant=tenant,
                    shop={"auto_run": True},
                    erp={"rate_limit": None},
                    MLC_POLLER_INTERVAL_SECONDS="2",
                )
            )
            for task in servers.values():
                progress.update(task, total=1, completed=1)
            await _step(progress, "connecting shop and ERP", connect(rig))
            everything = rig.part("all")
            await _step(progress, "starting ingest, mapper, poller, poster", everything.start())
            await _step(progress, "waiting for the shop to know our webhooks", _webhooks(rig))
            await _shop(rig, orders, progress)
            result = await _settle(rig, progress)
            if keep:
                progress.stop()
                result.show(people)
                _addresses(rig, local.bootstrap_servers)
                await everything.ended()
            return result


class _Count(ProgressColumn):
    """How many of how many, where there are several."""

    def render(self, task: Task) -> str:
        """Nothing for a single step."""
        return f"{task.completed:.0f}/{task.total:.0f}" if task.total is not None and task.total > 1 else ""


def _cancel_on_signals() -> None:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: task.cancel() if task else None)


def _progress(*, quiet: bool) -> Progress:
    columns = (
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}"),
        BarColumn(),
        _Count(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=people, disable=quiet)


async def _step(progress: Progress, what: str, act: Any) -> None:
    task = progress.add_task(what, total=1)
    await act
    progress.update(task, completed=1)


async def _webhooks(rig: Rehearsal) -> None:
    """Until the poller has registered every webhook at the store."""
    async with asyncio.timeout(_QUIET_S):
        while len((await rig.shop_truth())["webhooks"]) < len(shopping.WEBHOOK_TOPICS):  # noqa: ASYNC110 - another process
            await asyncio.sleep(_LOOK_S)


async def _shop(rig: Rehearsal, orders: int, progress: Progress) -> None:
    task = progress.add_task("shopping", total=orders)
    async for _ in shopping.shop(rig, orders):
        progress.advance(task)


async def _settle(rig: Rehearsal, progress: Progress) -> Reconciliation:
    """Until every order is accounted for, or nothing moves any more."""
    task = progress.add_task("posting", total=None)
    try:
        async with asyncio.timeout(_QUIET_S):
            while True:
                result = reconcile(await rig.shop_truth(), await rig.erp_truth(), await rig.mlc("holds"))
                progress.update(task, total=result.expected, completed=result.accounted)
                if result.reconciles:
                    return result
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        return result


def _addresses(rig: Rehearsal, brokers: str) -> None:
    told = rig.parts["all"].told
    people.print(f"\nShop (WooCommerce sandbox)   {rig.shop_url}/_sandbox/dump")
    people.print(f"ERP (Deltek sandbox)         {rig.erp_url}/_sandbox/dump")
    people.print(f"Webhook gateway              {told.get('ingest')}/openapi.json")
    people.print(f"Health and metrics           {told.get('health')}/metrics")
    people.print(f"Kafka                        {brokers}")
    people.print(f"Settings of this tenant      {rig.folder / 'mlc.env'}")
    people.print(f"\nTry: cd {rig.folder} && {Path(sys.executable).parent / 'mlc'} holds\nCtrl-C ends everything.")
