"""Companies, periods and the login state that goes with a user, not with a token (facts sheet §7, §10).

Two workers on one login move each other's active period; that is why it lives on the user.
"""

from __future__ import annotations

from mlc_sandbox.deltek import refusals
from mlc_sandbox.deltek.calls import Call
from mlc_sandbox.deltek.routing import Router
from mlc_sandbox.deltek.tenant import Tenant
from mlc_sandbox.deltek.wire import Answer, Row


def add_routes(router: Router) -> None:
    """Register the paths of this module."""
    router.add("GET", "api/Settings/Company", lambda call: call.listed(call.tenant.companies))
    router.add("GET", "api/Settings/ActiveCompany", active_company)
    router.add("PUT", "api/Settings/ActiveCompany/{Company}", set_company)
    router.add("GET", "api/Settings/Period", lambda call: call.listed(call.tenant.periods))
    router.add("GET", "api/Settings/ActivePeriod", active_period)
    router.add("PUT", "api/Settings/ActivePeriod/{Period}", set_period)


def active_company(call: Call) -> Answer:
    """GET Settings/ActiveCompany."""
    row = call.tenant.companies.get(call.user.active_company)
    return call.single(row, "Company", call.user.active_company)


def set_company(call: Call) -> Answer:
    """PUT Settings/ActiveCompany/{Company}: for every token of this user."""
    row = call.tenant.companies.get(call.keys[0])
    if row is None:
        raise refusals.absent("Company", call.keys[0])
    call.user.active_company = row["Company"]
    return Answer([row])


def active_period(call: Call) -> Answer:
    """GET Settings/ActivePeriod."""
    row = call.tenant.periods.get(call.user.active_period)
    return call.single(row, "Period", str(call.user.active_period))


def set_period(call: Call) -> Answer:
    """PUT Settings/ActivePeriod/{yyyypp}: for every token of this user; a closed one may be chosen, not used."""
    row = call.tenant.periods.get(call.keys[0])
    if row is None:
        raise refusals.absent("Period", call.keys[0])
    call.user.active_period = row["Period"]
    return Answer([{"Period": row["Period"], "FmtPeriod": row["FmtPeriod"]}])


def is_closed(tenant: Tenant, period: int) -> bool:
    """Whether the period is closed for this user's role."""
    row = tenant.periods.get(period)
    return row is not None and row["ActiveCompanyClosed"] == "Y"


def check_period(tenant: Tenant, period: int) -> Row:
    """The period's row.

    Raises:
        Refusal: there is no such period.
    """
    row = tenant.periods.get(period)
    if row is None:
        raise refusals.same_detail(f"Period {period} does not exist")
    return row
