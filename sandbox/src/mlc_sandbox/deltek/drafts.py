"""From a sent body to an unposted entry file: fields, period, mandatory columns, stored forms, relations.

The order of the checks is the order in which the real server was seen, or is assumed, to complain. Reading a draft
changes nothing; whoever asked for it stores it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlc_sandbox.deltek import columns, kinds, projects, refusals, totals
from mlc_sandbox.deltek.columns import Entity, check_fields, check_filled, check_mandatory, stored
from mlc_sandbox.deltek.entry_rules import check_entries
from mlc_sandbox.deltek.kinds import Kind
from mlc_sandbox.deltek.refusals import Refusal
from mlc_sandbox.deltek.settings import check_period, is_closed
from mlc_sandbox.deltek.tables import fold
from mlc_sandbox.deltek.tenant import Tenant, TransFile, User
from mlc_sandbox.deltek.wire import Row

SHORTEST_INVOICE = 7


@dataclass(frozen=True, slots=True)
class Grids:
    """The nested arrays of a body, as sent."""

    masters: list[Row]
    details: list[Row]
    taxes: list[Row]


def master_entity(tenant: Tenant, kind: Kind) -> Entity:
    """The columns of an entry, with the external key where the tenant has defined it."""
    return columns.extended(kind.master, kind is kinds.INVOICE and tenant.config.invoice_external_key)


def read_file(tenant: Tenant, user: User, kind: Kind, given: Row) -> TransFile:
    """Read the body of `xxControl`: header, entries and lines in one.

    Raises:
        Refusal: the first thing that is wrong.
    """
    grid_names = (kind.master_grid, kind.detail_grid, kind.tax_grid)
    check_fields(given, kind.control, also=grid_names if kind.tax else grid_names[:2])
    grids = Grids(*(_grid(given, name) for name in grid_names))
    period, company = login_state(tenant, user, given)
    header = {k: v for k, v in given.items() if k not in grid_names} | {"Period": period, "Company": company}
    file = _read(tenant, kind, grids, given.get("Batch"), header)
    return _finished(file, user)


def read_entry(tenant: Tenant, user: User, kind: Kind, given: Row, batch: str) -> TransFile:
    """Read the body of `xxMaster/{Batch}|{key}`: one entry with nested lines, no header and no control total."""
    nested = (kind.detail_grid, kind.tax_grid) if kind.tax else (kind.detail_grid,)
    check_fields(given, master_entity(tenant, kind), also=nested)
    master = {k: v for k, v in given.items() if k not in nested}
    grids = Grids([master], _grid(given, kind.detail_grid), _grid(given, kind.tax_grid))
    period, company = login_state(tenant, user, {})
    file = _read(tenant, kind, grids, batch, {"Batch": batch, "Period": period, "Company": company})
    file.grouped = False
    return _finished(file, user)


def login_state(tenant: Tenant, user: User, given: Row) -> tuple[int, str]:
    """The period and company of a new file: sent ones, or the user's where none is sent or the login state wins.

    Raises:
        Refusal: one of them does not exist, or the period is closed and that is checked on creation.
    """
    sent = given if tenant.config.login_state == "body" else {}
    text = str(sent.get("Period") or user.active_period)
    period = check_period(tenant, int(text) if text.isascii() and text.isdigit() else 0)["Period"]
    if is_closed(tenant, period) and tenant.config.closed_period == "create":
        raise Refusal(refusals.period_closed(period))
    if "Company" in given and not str(given["Company"] or "").strip():
        raise refusals.same_detail("Cannot insert NULL into Company")
    company = str(sent.get("Company") or user.active_company)
    if tenant.companies.get(company) is None:
        raise refusals.same_detail(f"Company {company} does not exist")
    return period, company


def _read(tenant: Tenant, kind: Kind, grids: Grids, batch: Any, header: Row) -> TransFile:
    entity = master_entity(tenant, kind)
    for rows, of in ((grids.masters, entity), (grids.details, kind.detail), (grids.taxes, kind.tax)):
        for row in rows:
            check_fields(row, of or kind.detail)
    if tenant.config.inactive_project == "create":
        projects.refuse_inactive(tenant, [*grids.masters, *grids.details])
    if "Batch" not in header:
        raise refusals.same_detail(refusals.missing_column("Batch"))
    file = TransFile(
        kind=kind,
        control=stored(header, kind.control, tenant.config),
        masters=_rows(tenant, grids.masters, entity),
        details=_rows(tenant, grids.details, kind.detail),
        taxes=_rows(tenant, grids.taxes, kind.tax) if kind.tax else [],
        grouped=True,
    )
    check_filled(file.control, kind.control, ["Batch"])
    _pad_invoices(file)
    _relate(file, str(batch))
    check_entries(tenant, file)
    return file


def _finished(file: TransFile, user: User) -> TransFile:
    file.control["Posted"] = "N"
    file.control["Creator"] = file.control["Creator"] or user.name
    file.creator = file.control["Creator"]
    for master in file.masters:
        master["Posted"] = "N"
        master["Status"] = master["Status"] or "N"
    file.control = totals.with_sums(file.kind, file.control, file.details)
    return file


def _grid(given: Row, name: str) -> list[Row]:
    rows = given.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise refusals.unreadable()
    return rows


def _rows(tenant: Tenant, given: list[Row], of: Entity) -> list[Row]:
    rows: list[Row] = []
    for row in given:
        check_mandatory(row, of)
        rows.append(stored(row, of, tenant.config))
    return rows


def _pad_invoices(file: TransFile) -> None:
    if file.kind not in (kinds.INVOICE, kinds.RECEIPT):
        return
    for row in (*file.masters, *file.details):
        if row.get("Invoice"):
            row["Invoice"] = row["Invoice"].zfill(SHORTEST_INVOICE)


def _relate(file: TransFile, batch: str) -> None:
    """Lines must name an entry of the file, entries and lines the file itself, and line keys must differ."""
    key = file.kind.entry_key
    entries = {master[key] for master in file.masters}
    for row in (*file.masters, *file.details, *file.taxes):
        if fold(row["Batch"]) != fold(batch):
            raise refusals.null_reference()
    for master in file.masters:
        check_filled(master, file.kind.master, [key, "TransDate"])
    if len(entries) != len(file.masters):
        raise refusals.duplicate(f"{batch}|{file.masters[-1][key]}")
    seen: set[str] = set()
    for line in file.details:
        check_filled(line, file.kind.detail, ["PKey", "Account"])
        if line[key] not in entries:
            raise refusals.null_reference()
        if fold(line["PKey"]) in seen:
            raise refusals.duplicate(line["PKey"])
        seen.add(fold(line["PKey"]))
