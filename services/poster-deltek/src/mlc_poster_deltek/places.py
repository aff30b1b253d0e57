"""Where a document goes: project by the mapping's rule, period by the ERP's calendar. Resolved live, then frozen.

Master data that let a document through are remembered for a minute, so that an order costs no extra calls. What would
hold one is never taken from memory: a person may have corrected it just now.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from functools import partial
from typing import TypeVar

from mlc_common.accounting import HoldReason, Placement, Tax
from mlc_common.clock import Clock
from mlc_common.errors import Held
from mlc_common.posting.gateway import BillingDocument
from mlc_vendors.deltek import DeltekClient
from mlc_vendors.deltek.models import Account, Period, Project, TaxCode

ValueT = TypeVar("ValueT")

_REMEMBER_S = 60.0
_MOST = 5_000


class Places:
    """Looks up projects, periods, accounts and tax codes of one tenant."""

    def __init__(self, client: DeltekClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[tuple[str, ...], tuple[float, object]] = {}

    async def project(self, placement: Placement, firm: str, currency: str) -> Project:
        """The project (phase, task) that a document is charged to.

        Raises:
            Held: none, several, not active, not the lowest level, or of another currency.
        """
        wbs1 = placement.project if placement.rule == "fixed" else (await self._of_firm(firm)).wbs1
        levels = (wbs1, placement.phase, placement.task)
        found = await self._asked(
            ("project", *levels),
            partial(self._client.get_project, *levels),
            lambda project: project is not None and not self._unusable(project),
        )
        if found is None:
            raise Held(HoldReason.PROJECT_MISSING, f"There is no project {_name(*levels)}.")
        if why := self._unusable(found):
            raise Held(HoldReason.PROJECT_INACTIVE, why)
        if found.billing_currency and found.billing_currency != currency:
            raise Held(
                HoldReason.CURRENCY_NOT_MAPPED,
                f"Project {found.wbs1} bills in {found.billing_currency}, the document is in {currency}.",
            )
        return found

    async def period(self, day: date, policy: str) -> int:
        """The fiscal period (``yyyypp``) of a day; under ``next_open`` the first open one from there on.

        Raises:
            Held: the calendar has no such period, or it is closed.
        """
        periods = await self._asked(("periods",), self._client.periods, lambda known: _open(known, day, policy) != 0)
        found = _open(periods, day, policy)
        if not found:
            own = _own(periods, day)
            if own is None:
                fix = "Create the period in the ERP, then release."
                raise Held(HoldReason.PERIOD_CLOSED, f"The calendar has no period for {day}.", fix=fix)
            raise Held(HoldReason.PERIOD_CLOSED, f"Period {own.period} of {day} is closed.")
        return found

    async def check_codes(self, document: BillingDocument) -> None:
        """See that the ERP knows every account and tax code of the document, before anything is sent.

        Raises:
            Held: it does not.
        """
        for account in sorted({line.account for line in document.lines} | {t.account for t in _taxes(document)}):
            ask = partial(self._client.get_account, account)
            if not _active(await self._asked(("account", account), ask, _active)):
                raise Held(HoldReason.ACCOUNT_UNKNOWN, f"Account {account!r} is not an active account of the ERP.")
        for code in sorted({tax.code for tax in _taxes(document)}):
            look = partial(self._client.get_tax_code, code)
            if not _active(await self._asked(("tax", code), look, _active)):
                raise Held(HoldReason.TAX_CODE_UNKNOWN, f"Tax code {code!r} is not an active tax code of the ERP.")

    def forget(self) -> None:
        """Look everything up afresh: the ERP refused what was remembered to be fine."""
        self._known.clear()

    async def _of_firm(self, firm: str) -> Project:
        """The one active project that is billed to the firm."""
        if not firm:
            raise Held(HoldReason.PARTY_MISSING, "The mapping takes the project from the firm, and there is no firm.")
        ask = partial(self._client.projects_of_billing_client, firm)
        active = self._active_ones(await self._asked(("of", firm), ask, lambda all_: len(self._active_ones(all_)) == 1))
        if not active:
            raise Held(HoldReason.PROJECT_MISSING, f"No active project is billed to firm {firm}.")
        if len(active) > 1:
            names = ", ".join(p.wbs1 for p in active[:5])
            raise Held(
                HoldReason.PROJECT_AMBIGUOUS, f"{len(active)} active projects are billed to firm {firm}: {names}."
            )
        return active[0]

    def _active_ones(self, projects: Sequence[Project]) -> list[Project]:
        return [p for p in projects if p.status == self._client.contract.fields.project_active]

    def _unusable(self, project: Project) -> str:
        """Why nothing can be charged to a project, in words for a bookkeeper; empty where it can."""
        name = _name(project.wbs1, project.wbs2, project.wbs3)
        if not self._active_ones([project]):
            return f"Project {name} is not active (status {project.status!r})."
        if not project.ready:
            return f"Project {name} is not ready for processing."
        if project.has_sublevel:
            return f"Project {name} has lower levels; the lowest must be charged."
        return ""

    async def _asked(
        self, key: tuple[str, ...], ask: Callable[[], Awaitable[ValueT]], good: Callable[[ValueT], bool]
    ) -> ValueT:
        """What is remembered where it is young and good, else what the tenant says now."""
        now = self._clock.monotonic()
        known = self._known.get(key)
        if known is not None and now - known[0] < _REMEMBER_S:
            value: ValueT = known[1]  # type: ignore[assignment] # stored under this key by this method
            if good(value):
                return value
        value = await ask()
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[key] = (now, value)
        return value


def _own(periods: Sequence[Period], day: date) -> Period | None:
    return next((p for p in periods if p.start and p.end and p.start <= day <= p.end), None)


def _open(periods: Sequence[Period], day: date, policy: str) -> int:
    """The period to post in; 0 where there is none."""
    own = _own(periods, day)
    if own is None:
        return 0
    if not _closed(own):
        return own.period
    later = [p.period for p in periods if p.period > own.period and not _closed(p)] if policy == "next_open" else []
    return min(later, default=0)


def _closed(period: Period) -> bool:
    return period.closed or period.closed_everywhere


def _active(record: Account | TaxCode | None) -> bool:
    return record is not None and record.status in ("", "A")


def _taxes(document: BillingDocument) -> list[Tax]:
    return [tax for line in document.lines for tax in line.taxes]


def _name(*levels: str) -> str:
    return "/".join(filter(None, levels))
