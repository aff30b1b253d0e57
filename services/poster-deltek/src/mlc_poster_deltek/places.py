"""Where a document goes: project by the mapping's rule, period by the ERP's calendar. Resolved live, then frozen.

Master data are remembered for a minute: an order costs no extra calls, and a correction by a person works soon.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from functools import partial
from typing import TypeVar

from mlc_common.accounting import HoldReason, Placement, Tax
from mlc_common.clock import Clock
from mlc_common.errors import Held
from mlc_common.posting.gateway import BillingDocument
from mlc_vendors.deltek import DeltekClient
from mlc_vendors.deltek.models import Period, Project

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
        """The project that a document is charged to.

        Raises:
            Held: none, several, not active, not the lowest level, or of another currency.
        """
        if placement.rule == "by_firm":
            found = await self._of_firm(firm)
        else:
            found = await self._fixed(placement)
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
        periods = sorted(await self._periods(), key=lambda period: period.period)
        own = next((p for p in periods if p.start and p.end and p.start <= day <= p.end), None)
        if own is None:
            raise Held(HoldReason.PERIOD_CLOSED, f"The calendar has no period for {day}.", fix="Create it in the ERP.")
        if not _closed(own):
            return own.period
        later = next((p for p in periods if p.period > own.period and not _closed(p)), None)
        if policy == "next_open" and later is not None:
            return later.period
        raise Held(HoldReason.PERIOD_CLOSED, f"Period {own.period} of {day} is closed.")

    async def check_codes(self, document: BillingDocument) -> None:
        """See that the ERP knows every account and tax code of the document, before anything is sent.

        Raises:
            Held: it does not.
        """
        for account in sorted({line.account for line in document.lines} | {t.account for t in _taxes(document)}):
            found = await self._remember(("account", account), partial(self._client.get_account, account))
            if found is None or found.status not in ("", "A"):
                raise Held(HoldReason.ACCOUNT_UNKNOWN, f"Account {account!r} is not an active account of the ERP.")
        for code in sorted({tax.code for tax in _taxes(document)}):
            tax_code = await self._remember(("tax", code), partial(self._client.get_tax_code, code))
            if tax_code is None or tax_code.status not in ("", "A"):
                raise Held(HoldReason.TAX_CODE_UNKNOWN, f"Tax code {code!r} is not an active tax code of the ERP.")

    def forget(self) -> None:
        """Look everything up afresh (after a refusal: a person may have changed master data)."""
        self._known.clear()

    async def _fixed(self, placement: Placement) -> Project:
        key = ("project", placement.project, placement.phase, placement.task)
        found = await self._remember(key, lambda: self._client.get_project(*key[1:]))
        if found is None:
            raise Held(HoldReason.PROJECT_MISSING, f"There is no project {'/'.join(filter(None, key[1:]))}.")
        return self._usable(found)

    async def _of_firm(self, firm: str) -> Project:
        if not firm:
            raise Held(HoldReason.PARTY_MISSING, "The mapping takes the project from the firm, and there is no firm.")
        projects = await self._remember(("of", firm), lambda: self._client.projects_of_billing_client(firm))
        active = [p for p in projects if p.status == self._client.contract.fields.project_active]
        if not active:
            raise Held(HoldReason.PROJECT_MISSING, f"No active project is billed to firm {firm}.")
        if len(active) > 1:
            names = ", ".join(p.wbs1 for p in active[:5])
            raise Held(
                HoldReason.PROJECT_AMBIGUOUS, f"{len(active)} active projects are billed to firm {firm}: {names}."
            )
        return self._usable(active[0])

    def _usable(self, project: Project) -> Project:
        name = "/".join(filter(None, (project.wbs1, project.wbs2, project.wbs3)))
        if project.status != self._client.contract.fields.project_active:
            raise Held(HoldReason.PROJECT_INACTIVE, f"Project {name} is not active (status {project.status!r}).")
        if not project.ready:
            raise Held(HoldReason.PROJECT_INACTIVE, f"Project {name} is not ready for processing.")
        if project.has_sublevel:
            raise Held(HoldReason.PROJECT_INACTIVE, f"Project {name} has lower levels; the lowest must be charged.")
        return project

    async def _periods(self) -> list[Period]:
        return await self._remember(("periods",), self._client.periods)

    async def _remember(self, key: tuple[str, ...], ask: Callable[[], Awaitable[ValueT]]) -> ValueT:
        now = self._clock.monotonic()
        known = self._known.get(key)
        if known is not None and now - known[0] < _REMEMBER_S:
            return known[1]  # type: ignore[return-value] # stored under this key by this call
        value = await ask()
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[key] = (now, value)
        return value


def _closed(period: Period) -> bool:
    return period.closed or period.closed_everywhere


def _taxes(document: BillingDocument) -> list[Tax]:
    return [tax for line in document.lines for tax in line.taxes]
