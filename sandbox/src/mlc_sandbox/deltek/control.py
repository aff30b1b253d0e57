"""The control API's extras for this tenant: act as other people and other systems would (brief of the sandbox).

Master data changes, periods closing, another worker on the same login, a foreign invoice with our number, a posting
run that stops half-way. None of these is a call of the vendor's API, none is counted.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import fields
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mlc_sandbox.control import BadControl, guarded, json_answer, json_body
from mlc_sandbox.deltek import kinds, seed, tampering
from mlc_sandbox.deltek.api import Double, VendorApi
from mlc_sandbox.deltek.drafts import read_file
from mlc_sandbox.deltek.entry import forget, store_new
from mlc_sandbox.deltek.firms import add_firm
from mlc_sandbox.deltek.ledger import as_text
from mlc_sandbox.deltek.masterdata import account_row
from mlc_sandbox.deltek.posting import POSTED, post_one
from mlc_sandbox.deltek.projects import add_project
from mlc_sandbox.deltek.refusals import Refusal
from mlc_sandbox.deltek.tables import Table
from mlc_sandbox.deltek.tenant import HalfPost, User
from mlc_sandbox.deltek.wire import Row

Action = Callable[[VendorApi, dict[str, Any]], dict[str, Any]]
OTHER_PERSON = "BOOKKEEPER"


def extra_routes(api: VendorApi) -> list[Route]:
    """The routes under `/_sandbox/`; every one takes and gives a JSON object."""
    actions: dict[str, Action] = {
        "/firms": add_a_firm,
        "/projects": add_a_project,
        "/projects/status": set_project_status,
        "/accounts": add_an_account,
        "/taxcodes": add_a_tax_code,
        "/companies": add_a_company,
        "/periods": set_period,
        "/users": set_user,
        "/settings": change_settings,
        "/tokens/revoke": revoke_tokens,
        "/drafts/delete": delete_draft,
        "/half-posts": stop_a_run,
        "/doubles": double_calls,
        "/foreign-invoices": post_foreign_invoice,
        "/books/remove": tampering.remove_posting,
        "/books/repeat": tampering.repeat_posting,
        "/books/alter": tampering.alter_posting,
    }
    routes = [Route(path, guarded(_handler(api, action)), methods=["POST"]) for path, action in actions.items()]
    return [*routes, Route("/tenant", guarded(_tenant(api)), methods=["GET"])]


def _handler(api: VendorApi, action: Action) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        try:
            return json_answer(action(api, await json_body(request)))
        except Refusal as refusal:
            raise BadControl(refusal.message) from None

    return handle


def _tenant(api: VendorApi) -> Callable[[Request], Awaitable[Response]]:
    async def tell(request: Request) -> Response:
        """How to reach and sign in to this tenant; its secrets are invented."""
        config = api.tenant.config
        return json_answer(
            {
                "path": f"{config.prefix}/",
                "tenant_root": f"{str(request.base_url).rstrip('/').removesuffix('/_sandbox')}{config.prefix}/",
                "database": config.database,
                "client_id": config.client_id,
                "client_secret": config.client_secret,
                "users": {name: user.password for name, user in api.tenant.users.items()},
            }
        )

    return tell


def add_a_firm(api: VendorApi, given: Row) -> Row:
    """A firm, however alike to others: {"Name", "ClientID"?, "Client"?, "custMLKey"?, "Status"?, …}."""
    _check_columns(given, api.tenant.firms)
    return as_text(add_firm(api.tenant, seed.firm_row({"Name": given["Name"], **given}), OTHER_PERSON))


def add_a_project(api: VendorApi, given: Row) -> Row:
    """A project level: {"WBS1", "Name"?, "BillingClientID"?, "WBS2"?, "BillingCurrencyCode"?, …}."""
    _check_columns(given, api.tenant.projects)
    row = seed.project_row(api.tenant, {"Name": given["WBS1"], **given})
    return as_text(add_project(api.tenant, row))


def _check_columns(given: Row, table: Table) -> None:
    unknown = set(given) - set(table.columns)
    if unknown:
        raise BadControl(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(table.columns)}")


def set_project_status(api: VendorApi, given: Row) -> Row:
    """Change a level: {"WBS1", "WBS2"?, "WBS3"?, "Status"?: "A"|"I"|"D", or any other column}."""
    _check_columns(given, api.tenant.projects)
    key = (given["WBS1"], given.get("WBS2", " "), given.get("WBS3", " "))
    project = api.tenant.projects.get(*key)
    if project is None:
        raise KeyError(" / ".join(key))
    return as_text(api.tenant.projects.change(project, given))


def add_an_account(api: VendorApi, given: Row) -> Row:
    """An account, or another status of one: {"Account", "Name"?, "Type"?: 4, "Status"?: "A"}."""
    code, status = str(given["Account"]), str(given.get("Status", "A"))
    row = account_row(code, str(given.get("Name", code)), int(given.get("Type", 4)), status)
    return as_text(api.tenant.accounts.put(row))


def add_a_tax_code(api: VendorApi, given: Row) -> Row:
    """A tax code, or another status of one: {"Code", "Description"?, "Rate"?, "Account"?, "Status"?}."""
    row = seed.tax_code_row(
        given["Code"], given.get("Description", ""), str(given.get("Rate", "0")), given.get("Account", "221.00")
    )
    return as_text(api.tenant.tax_codes.put(row | {"Status": given.get("Status", "A")}))


def add_a_company(api: VendorApi, given: Row) -> Row:
    """A company: {"Company", "Name"?, "Currency"?}."""
    seed.add_company(api.tenant, given["Company"], given.get("Name", "Second LLC"), given.get("Currency", "USD"))
    return {"Company": given["Company"]}


def set_period(api: VendorApi, given: Row) -> Row:
    """Open, close or add a period: {"Period": 202611, "closed": true|false}."""
    return as_text(seed.add_period(api.tenant, int(given["Period"]), closed=bool(given.get("closed", False))))


def set_user(api: VendorApi, given: Row) -> Row:
    """Change or add a login: {"name", "password"?, "active_period"?, "active_company"?, "disabled"?,
    "password_expired"?, "denied"?: ["entry", "post", "firm", "project", "ledger", "settings", "employee"]}.

    Setting `active_period` is what another worker on the same login does.
    """
    changes = dict(given)
    name = str(changes.pop("name", next(iter(api.tenant.users))))
    user = api.tenant.users.get(name) or seed.add_user(api.tenant, name, {"password": "", **changes})
    unknown = set(changes) - {f.name for f in fields(User)}
    if unknown:
        raise BadControl(f"unknown: {', '.join(sorted(unknown))}")
    for key, value in changes.items():
        setattr(user, key, set(value) if key == "denied" else value)
    return {"name": name, "active_period": user.active_period, "active_company": user.active_company}


def change_settings(api: VendorApi, given: Row) -> Row:
    """Change settings of the running tenant, as in the config file."""
    api.tenant.reconfigure(api.tenant.config.changed(given))
    return {"changed": sorted(given)}


def revoke_tokens(api: VendorApi, given: Row) -> Row:
    """Drop tokens: {"access"?: true, "refresh"?: true}."""
    dropped = api.tokens.revoke(access=bool(given.get("access", True)), refresh=bool(given.get("refresh", True)))
    return {"dropped": dropped}


def delete_draft(api: VendorApi, given: Row) -> Row:
    """A person throws an unposted file away: {"transtype"?: "IN", "batch"}."""
    file = api.tenant.file(given.get("transtype", "IN"), given["batch"])
    if file is None or file.posted:
        raise KeyError(given["batch"])
    forget(api.tenant, file)
    return {"deleted": file.batch}


def stop_a_run(api: VendorApi, given: Row) -> Row:
    """Stop the next posting run (of a batch) early: {"batch"?, "masters": 1, "flags"?: true,
    "answer"?: "fault"|"zero"}."""
    half = HalfPost(
        batch=given.get("batch", ""),
        masters=int(given.get("masters", 0)),
        flags=bool(given.get("flags", True)),
        answer=given.get("answer", "fault"),
    )
    if half.answer not in {"fault", "zero"}:
        raise BadControl('answer must be "fault" or "zero"')
    api.tenant.half_posts.append(half)
    return {"waiting": len(api.tenant.half_posts)}


def double_calls(api: VendorApi, given: Row) -> Row:
    """A gateway delivers matching calls twice: {"method": "POST", "path": regex, "times"?: 1}."""
    api.doubles.append(Double(given["method"].upper(), re.compile(given["path"]), int(given.get("times", 1))))
    return {"waiting": sum(double.times for double in api.doubles)}


def post_foreign_invoice(api: VendorApi, given: Row) -> Row:
    """A person posts an invoice of their own, with our number if asked so: {"WBS1", "Invoice", "Amount", "Batch"?,
    "Account"?: "401.00", "Period"?, "post"?: true}."""
    tenant = api.tenant
    user = tenant.users.get(OTHER_PERSON) or seed.add_user(tenant, OTHER_PERSON, {"password": ""})
    batch = given.get("Batch") or f"HAND-{tenant.next_number('hand'):04d}"
    body = _foreign_body(batch, given, int(given.get("Period") or user.active_period))
    file = read_file(tenant, user, kinds.INVOICE, body)
    store_new(tenant, file)
    if not given.get("post", True):
        return {"batch": batch, "posted": False}
    parm = {"batch": batch, "transtype": "IN", "period": file.control["Period"]}
    outcome = post_one(tenant, user, parm)
    return {"batch": batch, "posted": outcome.result == POSTED, "message": outcome.message}


def _foreign_body(batch: str, given: Row, period: int) -> Row:
    year, month = divmod(period, 100)
    amount = Decimal(str(given["Amount"]))
    entry = {"Batch": batch, "Invoice": given["Invoice"], "WBS1": given["WBS1"]}
    entry |= {"WBS2": given.get("WBS2", " "), "WBS3": given.get("WBS3", " ")}
    master = entry | {"TransDate": f"{year}-{month:02d}-01", "TransComment": "Entered by hand", "Status": "A"}
    line = entry | {"PKey": f"{batch}-1"[-32:], "Seq": 1, "InvoiceSection": "F", "Amount": amount}
    line |= {"Account": given.get("Account", "401.00")}
    return {"Batch": batch, "Total": amount, "Period": period, "inMaster": [master], "inDetail": [line]}
