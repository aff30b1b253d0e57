"""Accounts, tax codes, banks, posting set-up, employees, organizations, code tables, key formats and metadata (§7).

Account codes look like decimals and stay text. Tax codes are upper-cased and cut at ten without a word, so that a
later call with the sent code finds nothing.
"""

from __future__ import annotations

from mlc_sandbox.deltek import columns, firms, refusals
from mlc_sandbox.deltek.calls import Call
from mlc_sandbox.deltek.columns import (
    ACCOUNT,
    TAX_CODE,
    Entity,
    check_fields,
    check_filled,
    check_mandatory,
    describe,
    stored,
)
from mlc_sandbox.deltek.routing import Router
from mlc_sandbox.deltek.tenant import Tenant
from mlc_sandbox.deltek.wire import Answer, Row, created

_ACCOUNT_LENGTH = 13


def add_routes(router: Router) -> None:
    """Register the paths of this module."""
    router.add("GET", "api/Accounts", lambda call: call.listed(call.tenant.accounts), area="settings")
    router.add("GET", "vision/Accounts", lambda call: call.listed(call.tenant.accounts), area="settings")
    router.add("POST", "vision/Accounts", create_account, area="settings")
    router.add("PUT", "vision/Accounts/{Account}", update_account, area="settings")
    router.add("GET", "api/TaxCodeEntity", lambda call: call.listed(call.tenant.tax_codes), area="settings")
    router.add("POST", "api/TaxCodeEntity", create_tax_code, area="settings")
    router.add("PUT", "api/TaxCodeEntity/{Code}", update_tax_code, area="settings")
    router.add("GET", "api/BankCode/CFGBANKS", lambda call: call.listed(call.tenant.banks), area="settings")
    router.add("GET", "vision/AccountConfiguration/CFGAutoPosting", auto_posting, area="settings")
    router.add("GET", "api/AccountingCompanyConfig/CFGAutoPosting", auto_posting, area="settings")
    router.add("GET", "api/KeyCvt/CFGFormat", key_format, area="settings")
    router.add("GET", "api/employee", lambda call: call.listed(call.tenant.employees), area="employee")
    router.add("GET", "api/employee/{Employee}", employee, area="employee")
    router.add("GET", "api/organization", lambda call: call.listed(call.tenant.organizations), area="settings")
    router.add("GET", "api/organization/{Org}", organization, area="settings")
    router.add("GET", "api/codeTable/{name}", code_table, area="settings")
    router.add("GET", "api/metadata/{table}", metadata)
    router.add("POST", "api/Utilities/InvokeCustom/{proc}", invoke_custom)


def create_account(call: Call) -> Answer:
    """POST vision/Accounts/: length first, as the database does it, then the columns that must be there."""
    tenant = call.tenant
    given = call.sent()
    check_fields(given, ACCOUNT)
    row = stored(given, ACCOUNT, tenant.config)
    check_mandatory(given, ACCOUNT)
    check_filled(row, ACCOUNT, ["Account", "Name", "Type", "Status"])
    if tenant.accounts.get(row["Account"]) is not None:
        raise refusals.duplicate(row["Account"])
    tenant.accounts.put(row)
    return created(call.shown(row), call.location(f"vision/Accounts/{row['Account']}"))


def update_account(call: Call) -> Answer:
    """PUT vision/Accounts/{Account}."""
    tenant = call.tenant
    account = tenant.accounts.get(call.keys[0])
    if account is None:
        raise refusals.absent("Account", call.keys[0])
    given = call.sent()
    check_fields(given, ACCOUNT)
    changes = stored(given, ACCOUNT, tenant.config, partial=True)
    return Answer(call.shown(tenant.accounts.change(account, {**changes, "Account": account["Account"]})))


def create_tax_code(call: Call) -> Answer:
    """POST TaxCodeEntity/: the code that is stored may be shorter than the one that was sent."""
    tenant = call.tenant
    given = call.sent()
    check_fields(given, TAX_CODE)
    check_mandatory(given, TAX_CODE)
    row = stored({**given, "Code": columns.tax_key(str(given["Code"]))}, TAX_CODE, tenant.config)
    if tenant.tax_codes.get(row["Code"]) is not None:
        raise refusals.duplicate(row["Code"])
    tenant.tax_codes.put(row)
    return created(call.shown(row), call.location(f"api/TaxCodeEntity/{row['Code']}"))


def update_tax_code(call: Call) -> Answer:
    """PUT TaxCodeEntity/{Code}: the stored code only."""
    tenant = call.tenant
    code = tenant.tax_codes.get(call.keys[0])
    if code is None:
        raise refusals.absent("Code", call.keys[0])
    given = call.sent()
    check_fields(given, TAX_CODE)
    changes = stored(given, TAX_CODE, tenant.config, partial=True)
    return Answer(call.shown(tenant.tax_codes.change(code, {**changes, "Code": code["Code"]})))


def auto_posting(call: Call) -> Answer:
    """The accounts that postings use by themselves; `company` narrows them."""
    company = call.query.params.get("company")
    table = call.tenant.auto_posting
    rows = [row for row in table if company is None or row["Company"] == company]
    return call.listed_rows(rows, table.columns)


def key_format(call: Call) -> Answer:
    """KeyCvt/CFGFormat: lengths and delimiters of an entity's key."""
    if call.query.params.get("entity", "").lower() != "account":
        return Answer([])
    return Answer([{"AccountLength": _ACCOUNT_LENGTH, "AccountDelimiter": ".", "AccountDelimiterPosition": 4}])


def employee(call: Call) -> Answer:
    """GET employee/{Employee}."""
    return call.single(call.tenant.employees.get(call.keys[0]), "Employee", call.keys[0])


def organization(call: Call) -> Answer:
    """GET organization/{Org}."""
    return call.single(call.tenant.organizations.get(call.keys[0]), "Org", call.keys[0])


def code_table(call: Call) -> Answer:
    """GET codeTable/{name}."""
    table = call.tenant.code_tables.get(call.keys[0].lower())
    if table is None:
        raise refusals.absent("CodeTable", call.keys[0])
    return call.listed(table)


def metadata(call: Call) -> Answer:
    """GET metadata/{table}: names with their letter case; the answer is an object, not an array."""
    described = _tables(call.tenant).get(call.keys[0])
    if described is None:
        raise refusals.absent("Table", call.keys[0])
    return Answer(describe(call.keys[0], described))


def invoke_custom(call: Call) -> Answer:
    """POST Utilities/InvokeCustom: this tenant has no procedures of its own."""
    raise refusals.Refusal(f"Could not find stored procedure '{call.keys[0]}'.", status=500)


def _tables(tenant: Tenant) -> dict[str, Entity]:
    return {
        "firm": firms.entity(tenant),
        "contact": columns.CONTACT,
        "employee": columns.EMPLOYEE,
        "project": columns.PROJECT,
        "organization": columns.ORGANIZATION,
        "INEntry": columns.extended(columns.IN_MASTER, tenant.config.invoice_external_key),
        "CREntry": columns.CR_MASTER,
        "JEEntry": columns.JE_MASTER,
        "APEntry": columns.AP_MASTER,
    }


def account_row(account: str, name: str, kind: int, status: str = "A") -> Row:
    """An account with its blank columns."""
    blank = {column.name: column.blank() for column in ACCOUNT.columns.values()}
    return {**blank, "Account": account, "Name": name, "Type": kind, "Status": status, "Detail": "1"}
