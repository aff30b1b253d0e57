"""Projects, phases and tasks (facts sheet §7), and whether an entry may be charged to one.

The billing firm of an invoice is the project's, so this table decides who owes. Without `wbstype` a list holds rows of
all levels, and phases repeat their project's billing client.
"""

from __future__ import annotations

from mlc_sandbox.deltek import refusals
from mlc_sandbox.deltek.calls import Call
from mlc_sandbox.deltek.columns import PROJECT, check_fields, check_filled, check_mandatory, stored
from mlc_sandbox.deltek.query import candidates
from mlc_sandbox.deltek.refusals import Refusal
from mlc_sandbox.deltek.routing import Router
from mlc_sandbox.deltek.tenant import Tenant
from mlc_sandbox.deltek.wire import Answer, Row, created

_LEVELS = {"wbs1": 1, "wbs2": 2, "wbs3": 3}
BLANK = " "


def add_routes(router: Router) -> None:
    """Register the paths of this module."""
    router.add("GET", "api/project", list_projects, area="project")
    router.add("POST", "api/project", create, area="project")
    router.add("GET", "api/project/{WBS1}", read, area="project")
    router.add("PUT", "api/project/{WBS1}", update, area="project")


def level_of(row: Row) -> int:
    """1 for a project, 2 for a phase, 3 for a task."""
    return 3 if row["WBS3"].strip() else 2 if row["WBS2"].strip() else 1


def list_projects(call: Call) -> Answer:
    """GET project, all levels or the one that `wbstype` names."""
    tenant = call.tenant
    level = _LEVELS.get(call.query.params.get("wbstype", "").lower())
    if level is None:
        return call.listed(tenant.projects)
    rows = [row for row in candidates(tenant.projects, call.query) if level_of(row) == level]
    return call.listed_rows(rows, tenant.projects.columns)


def read(call: Call) -> Answer:
    """GET project/{WBS1}: the project's own row, still in an array."""
    return call.single(call.tenant.projects.get(call.keys[0], BLANK, BLANK), "WBS1", call.keys[0])


def create(call: Call) -> Answer:
    """POST project, at any level; a phase makes its project one that cannot be charged itself."""
    tenant = call.tenant
    given = call.sent()
    check_fields(given, PROJECT)
    check_mandatory(given, PROJECT)
    row = _record(tenant, stored(given, PROJECT, tenant.config))
    if tenant.projects.get(row["WBS1"], row["WBS2"], row["WBS3"]) is not None:
        raise refusals.duplicate(row["WBS1"])
    add_project(tenant, row)
    return created(call.shown(row), call.location(f"api/project/{row['WBS1']}"))


def update(call: Call) -> Answer:
    """PUT project/{WBS1}."""
    tenant = call.tenant
    project = tenant.projects.get(call.keys[0], BLANK, BLANK)
    if project is None:
        raise refusals.absent("WBS1", call.keys[0])
    given = call.sent()
    check_fields(given, PROJECT)
    changes = stored(given, PROJECT, tenant.config, partial=True)
    _record(tenant, {**project, **changes})
    return Answer(call.shown(tenant.projects.change(project, changes)))


def add_project(tenant: Tenant, row: Row) -> Row:
    """Store a project level; its parent then has lower levels and takes no charges."""
    parents = {2: (row["WBS1"], BLANK, BLANK), 3: (row["WBS1"], row["WBS2"], BLANK)}
    parent = tenant.projects.get(*parents[level_of(row)]) if level_of(row) > 1 else None
    if parent is not None:
        tenant.projects.change(parent, {"SubLevel": "Y"})
        for name in ("Org", "ClientID", "BillingClientID", "BillingCurrencyCode", "ChargeType", "ReadyForProcessing"):
            row[name] = row[name] or parent[name]
    return tenant.projects.put(row)


def _record(tenant: Tenant, row: Row) -> Row:
    check_filled(row, PROJECT, ["WBS1", "Name", "ChargeType", "Status"])
    for name in ("WBS2", "WBS3"):
        row[name] = row[name].strip() or BLANK
    for name in ("ClientID", "BillingClientID"):
        if row[name] and tenant.firms.get(row[name]) is None:
            raise refusals.null_reference()
    row["SubLevel"] = row["SubLevel"] or "N"
    row["ReadyForProcessing"] = row["ReadyForProcessing"] or "Y"
    row["BillingCurrencyCode"] = row["BillingCurrencyCode"] or tenant.home()
    return row


def chargeable(tenant: Tenant, row: Row) -> Row:
    """The project level that an entry or a line names, if it may be charged at all.

    Raises:
        Refusal: there is no such level (an empty text or null is none either), it has lower levels, it is not ready
            for processing, or it is overhead. Whether it is active is asked apart, see `inactive`.
    """
    wbs = [row.get(name) for name in ("WBS1", "WBS2", "WBS3")]
    if any(part in (None, "") for part in wbs):
        raise refusals.null_reference()
    project = tenant.projects.get(*wbs)
    if project is None:
        raise refusals.same_detail(f"Project {label(row)} does not exist")
    if project["SubLevel"] == "Y":
        raise refusals.same_detail(f"Project {label(row)} has lower levels; charge the lowest level.")
    if project["ReadyForProcessing"] != "Y":
        raise refusals.same_detail(f"Project {label(row)} is not ready for processing.")
    return project


def inactive(tenant: Tenant, row: Row) -> str | None:
    """The sentence when the named level, or one above it, is not active; None when it is or does not exist."""
    first, second, third = (str(row.get(name) or BLANK) for name in ("WBS1", "WBS2", "WBS3"))
    for wbs in {(first, BLANK, BLANK), (first, second, BLANK), (first, second, third)}:
        project = tenant.projects.get(*wbs)
        if project is not None and project["Status"] != "A":
            return refusals.project_not_active(first)
    return None


def label(row: Row) -> str:
    """The project level as sentences name it."""
    return " / ".join(str(row[name]) for name in ("WBS1", "WBS2", "WBS3") if str(row.get(name) or "").strip())


def refuse_inactive(tenant: Tenant, rows: list[Row]) -> None:
    """Refuse rows of which one is charged to a level that is not active."""
    for row in rows:
        problem = inactive(tenant, row)
        if problem is not None:
            raise Refusal(problem)
