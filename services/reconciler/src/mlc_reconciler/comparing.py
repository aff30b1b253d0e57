"""One comparison from end to end: opens both sides, walks the period, tells the log and the metrics what came of it.

Used by the scheduled part and, by entry point (group ``mlc.reconciling``), by the command. A reading that fails raises:
it is never reported as clean.
"""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from mlc_common.accounting import event_id
from mlc_common.errors import ConfigurationError
from mlc_common.events import ReconcileCompleted, encode
from mlc_common.reconciling import books_of, sales_of
from mlc_common.runtime import Runtime
from mlc_common.settings import load
from mlc_common.store import connections, mappings
from mlc_common.store.mappings import AppliedMapping
from mlc_common.telemetry import HttpMetrics
from mlc_reconciler.evidence import Judged, Verdict
from mlc_reconciler.explaining import Ledger
from mlc_reconciler.period import Period
from mlc_reconciler.rules import Rules, numberings_of
from mlc_reconciler.settings import ReconcilerSettings
from mlc_reconciler.tally import Tally
from mlc_reconciler.walk import Walk

MOST_DETAILS = 200
"""Sentences that the event holds; all of them are counted."""


@dataclass
class Asked:
    """What is to be compared.

    Attributes:
        flow: The flow; empty = the only one.
        first: First and ``last`` day in the store's own calendar; None = the last days up to today.
        by: Who asks.
        each: Told every verdict.
        begins: Told the first and the last day, before anything is read.
        day: Told each day that is through.
    """

    flow: str = ""
    first: date | None = None
    last: date | None = None
    by: str = field(default_factory=getpass.getuser)
    each: Callable[[Judged], None] = lambda _: None
    begins: Callable[[date, date], None] = lambda _, __: None
    day: Callable[[date], None] = lambda _: None


@dataclass(frozen=True)
class Result:
    """What came of it."""

    flow: str
    first: date
    last: date
    at: datetime
    tally: Tally

    def as_json(self) -> dict[str, Any]:
        """For machines; amounts are strings."""
        return {
            "flow": self.flow,
            "from": self.first.isoformat(),
            "to": self.last.isoformat(),
            "at": self.at.isoformat(timespec="seconds"),
            **self.tally.as_json(),
        }


async def compare(runtime: Runtime, **asked: Any) -> Result:
    """``compared``, for who may not import this package: takes the fields of ``Asked`` by name."""
    return await compared(runtime, Asked(**asked))


async def compared(runtime: Runtime, asked: Asked) -> Result:
    """Account for every order, refund and document of a period.

    Raises:
        ConfigurationError: there is no such flow, or its store or ERP cannot be read as it is configured.
        ConnectorError: a side could not be read whole.
    """
    applied = _chosen(await mappings.current(runtime.pool), asked.flow)
    settings = load(ReconcilerSettings)
    rules = Rules.of(applied.body)
    period = period_of(asked, rules, runtime.clock.now(), settings.reconciler_days)
    asked.begins(period.first, period.last)
    tally, details = Tally(), list[str]()
    async with AsyncExitStack() as stack:
        walk = await _opened(runtime, applied, rules, period, stack)
        walk.patience = timedelta(minutes=settings.reconciler_patience_minutes)
        walk.heard = asked.day
        async for judged in walk.verdicts():
            tally.add(judged)
            if judged.unexplained and len(details) < MOST_DETAILS:
                details.append(judged.sentence)
            asked.each(judged)
    result = Result(applied.flow, period.first, period.last, runtime.clock.now(), tally)
    await _tell(runtime, result, details, asked.by)
    return result


def period_of(asked: Asked, rules: Rules, now: datetime, days: int) -> Period:
    """The days that are asked for, up to today: of a day that is to come nothing can be said.

    Without a first day, ``days`` days.
    """
    today = rules.mapping.local_date(now)
    last = min(asked.last or today, today)
    if asked.first and asked.first > today:
        raise ConfigurationError(f"the period begins on {asked.first}, and in the store it is {today}")
    return Period(asked.first or last - timedelta(days=days - 1), last, rules.mapping.local_date)


def _chosen(known: Sequence[AppliedMapping], flow: str) -> AppliedMapping:
    names = ", ".join(mapping.flow for mapping in known)
    if not known:
        raise ConfigurationError("no mapping has been applied; there is nothing to compare")
    if not flow and len(known) > 1:
        raise ConfigurationError(f"there are several flows; say which with --flow: {names}")
    chosen = [mapping for mapping in known if mapping.flow == (flow or known[0].flow)]
    if not chosen:
        raise ConfigurationError(f"there is no flow {flow!r}; known are {names}")
    return chosen[0]


async def _opened(
    runtime: Runtime, applied: AppliedMapping, rules: Rules, period: Period, stack: AsyncExitStack
) -> Walk:
    store = await connections.get(runtime.pool, applied.store)
    erp = await connections.get(runtime.pool, applied.erp)
    observer = HttpMetrics(runtime.metrics)
    open_sales, open_books = sales_of(store.kind.value), books_of(erp.kind.value)
    sales = await stack.enter_async_context(open_sales(store, runtime.vault, runtime.clock, observer))
    numberings = numberings_of(await mappings.bodies(runtime.pool, applied.flow))
    books = await stack.enter_async_context(open_books(erp, runtime.vault, runtime.clock, observer, numberings))
    ledger = Ledger(runtime.pool, applied.flow, applied.store)
    return Walk(period, sales, books, rules, ledger.of, runtime.clock)


async def _tell(runtime: Runtime, result: Result, details: list[str], by: str) -> None:
    """Append the result to the audit topic; the metrics show the last one."""
    counts = result.tally.counts
    event = ReconcileCompleted(
        flow=result.flow,
        since=result.first,
        until=result.last,
        counts=counts,
        unexplained=result.tally.unexplained,
        details=details,
        by=by,
        at=result.at,
    )
    envelope = encode(
        event,
        event_id=event_id("reconcile", result.flow, str(result.first), str(result.last), result.at.isoformat()),
        subject=f"flow:{result.flow}",
        source=f"/{runtime.topics.tenant}/reconciler",
        time=result.at,
    )
    await runtime.log.publish(runtime.topics.audit, envelope)
    for verdict in Verdict:
        runtime.metrics.reconciled.labels(result.flow, verdict.value).set(counts[verdict.value])
    runtime.metrics.reconcile_unexplained.labels(result.flow).set(result.tally.unexplained)
    runtime.metrics.reconciled_at.labels(result.flow).set(result.at.timestamp())
