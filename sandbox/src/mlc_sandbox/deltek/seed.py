"""The tenant's master data at the start: one company, three years of periods, a chart, tax codes, firms, projects.

Invented names and codes, those of the facts sheet's samples where they have one. It must hold no postings: a test that
needs history makes it through the calls.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from decimal import Decimal
from typing import Any

from mlc_sandbox.deltek import columns, dates
from mlc_sandbox.deltek.columns import Entity
from mlc_sandbox.deltek.countries import master_list
from mlc_sandbox.deltek.firms import add_firm
from mlc_sandbox.deltek.masterdata import account_row
from mlc_sandbox.deltek.projects import add_project
from mlc_sandbox.deltek.tables import Table
from mlc_sandbox.deltek.tenant import Tenant, User
from mlc_sandbox.deltek.wire import Row

COMPANY, ORG = "00", "00.WEB"
FIRST_OPEN_PERIOD = 202610
YEARS = (2025, 2026, 2027)
ONLINE_CUSTOMERS = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
NORTHWIND_LTD = "3f0c9a51e2b94c0b8a7d6e5f4c3b2a10"
NORTHWIND_LLC = "91b7d2c4f0a64c7e9d3e2f1a0b9c8d7e"
CONTOSO = "5be1f3a7c09d4e6fa2b4c6d8e0f1a3b5"
MARKETPLACE = "c0ffee00d15ea5e0badc0de0decade01"

_ACCOUNTS = (
    ("101.00", "Operating account", 1),
    ("102.00", "Marketplace bank", 1),
    ("105.00", "Operating account JPY", 1),
    ("111.00", "Accounts receivable", 1),
    ("122.00", "Unbilled services", 1),
    ("123.00", "Uninvoiced revenue", 1),
    ("131.00", "Reserve held by marketplace", 1),
    ("135.00", "Store clearing", 1),
    ("201.00", "Accounts payable", 2),
    ("211.00", "Gift card liability", 2),
    ("221.00", "Sales tax payable", 2),
    ("221.10", "Sales tax payable New York", 2),
    ("222.00", "Consumption tax payable Japan", 2),
    ("235.00", "Store credit and gift cards", 2),
    ("301.00", "Retained earnings", 3),
    ("401.00", "Product sales", 4),
    ("402.00", "Accessory sales", 4),
    ("403.00", "Service sales", 4),
    ("404.00", "Shipping income", 4),
    ("405.00", "Fee income", 4),
    ("406.00", "Other product sales", 4),
    ("407.00", "Digital sales", 4),
    ("408.00", "Rounding differences", 4),
    ("409.00", "Sales discounts", 4),
    ("410.00", "Refunds", 4),
    ("499.00", "Rounding of web orders", 4),
    ("521.00", "Payment and selling fees", 7),
)
_TAX_CODES = (
    ("IL_STATE", "Illinois", "8.0", "221.00"),
    ("NY_STATE", "New York State", "4.0", "221.10"),
    ("NY_CITY", "New York City", "4.5", "221.10"),
    ("SALES_TAX", "Sales tax of other places", "0.0", "221.00"),
    ("JP_CT", "Japan consumption tax", "10.0", "222.00"),
)
_FIRMS: tuple[tuple[str, str, str, str], ...] = (
    (ONLINE_CUSTOMERS, "C00001", "Online customers", ""),
    (NORTHWIND_LTD, "C00042", "Northwind Traders Ltd", "WC01:42"),
    (NORTHWIND_LLC, "C00043", "Northwind Traders LLC", ""),
    (CONTOSO, "C00131", "Contoso Wholesale Inc", ""),
)
_PROJECTS: tuple[tuple[str, str, str, str], ...] = (
    ("STORE.WEB01", "Web store 01 sales", ONLINE_CUSTOMERS, "USD"),
    ("STORE.JP01", "Web store 01 sales Japan", ONLINE_CUSTOMERS, "JPY"),
    ("STORE.AMZ01", "Marketplace 01 sales", ONLINE_CUSTOMERS, "USD"),
    ("STORE.B2B01", "Northwind Traders Ltd web orders", NORTHWIND_LTD, "USD"),
    ("STORE.B2B02", "Northwind Traders LLC web orders", NORTHWIND_LLC, "USD"),
    ("STORE.B2B03", "Contoso Wholesale web orders", CONTOSO, "USD"),
)


def seed(tenant: Tenant) -> None:
    """Fill an empty tenant; users always, the rest where `default_data` is on."""
    add_company(tenant, COMPANY, "Acme LLC")
    for year in YEARS:
        for month in range(1, 13):
            add_period(tenant, year * 100 + month, closed=year * 100 + month < FIRST_OPEN_PERIOD)
    _add_code_table(tenant, "FW_CFGCountry", master_list())
    _add_code_table(tenant, "CFGOrgCodes", {COMPANY: "Acme LLC", "WEB": "Web"})
    if tenant.config.default_data:
        _seed_chart(tenant)
        _seed_firms(tenant)
        _seed_others(tenant)
    for name, given in tenant.config.users.items():
        add_user(tenant, name, given)


def add_user(tenant: Tenant, name: str, given: Any) -> User:
    """A login, with the period of the sandbox's clock (else the first open one) as its active period."""
    now = tenant.clock.now()
    current = now.year * 100 + now.month
    opened = [p["Period"] for p in tenant.periods if p["ActiveCompanyClosed"] == "N"]
    first = current if current in opened else next(iter(opened), current)
    user = User(
        name=name,
        password=str(given["password"]),
        active_period=int(given.get("active_period", first)),
        active_company=str(given.get("active_company", COMPANY)),
        denied=set(given.get("denied", ())),
    )
    tenant.users[name] = user
    return user


def add_company(tenant: Tenant, code: str, name: str, currency: str = "USD") -> None:
    """A company with its posting set-up and one organization."""
    tenant.companies.put(
        {"Company": code, "FirmName": name, "FunctionalCurrencyCode": currency, "Country": "US", "Status": "A"}
    )
    tenant.auto_posting.put(
        {
            "Company": code,
            "AcctsReceivable": "111.00",
            "UninvoicedRevenue": "123.00",
            "UnbilledServices": "122.00",
        }
    )
    tenant.organizations.put({"Org": f"{code}.WEB", "Name": "Web", "Status": "A"})


def add_period(tenant: Tenant, period: int, *, closed: bool = False) -> Row:
    """A calendar month as an accounting period."""
    year, month = divmod(period, 100)
    flag = "Y" if closed else "N"
    style = tenant.config.date_style
    return tenant.periods.put(
        {
            "Period": period,
            "FmtPeriod": f"{month:02d}/{year}",
            "AccountPdStart": dates.show(date(year, month, 1), style),
            "AccountPdEnd": dates.show(date(year, month, monthrange(year, month)[1]), style),
            "FYStart": dates.show(date(year, 1, 1), style),
            "FYEnd": dates.show(date(year, 12, 31), style),
            "ActiveCompanyClosed": flag,
            "AllCompaniesClosed": flag,
            "ApplytoAllCompanies": flag,
        }
    )


def blank(of: Entity) -> Row:
    """A record with every column blank."""
    return {column.name: column.blank() for column in of.columns.values()}


def firm_row(given: Row) -> Row:
    """A firm's row from the few fields that matter, for master data that appears without a call."""
    base = {"Status": "A", "ClientInd": "Y", "VendorInd": "N", "Org": ORG, "ReadyForProcessing": "Y"}
    return blank(columns.FIRM) | base | {"SortName": given["Name"][:100]} | given


def project_row(tenant: Tenant, given: Row) -> Row:
    """A project's row, likewise."""
    base: Row = {
        "WBS2": " ",
        "WBS3": " ",
        "ChargeType": "R",
        "Status": "A",
        "SubLevel": "N",
        "ReadyForProcessing": "Y",
        "Org": ORG,
        "BillingCurrencyCode": tenant.home(),
        "RevType": "N",
    }
    row = blank(columns.PROJECT) | base | given
    row["ClientID"] = row["ClientID"] or row["BillingClientID"]
    return row


def tax_code_row(code: str, description: str, rate: str, account: str) -> Row:
    """A tax code's row; the code is stored upper case and cut."""
    return {
        "Code": columns.tax_key(code),
        "Description": description,
        "Rate": Decimal(rate),
        "Status": "A",
        "CompoundOnTaxCode": "",
        "Account": account,
    }


def _add_code_table(tenant: Tenant, name: str, codes: dict[str, str]) -> None:
    table = Table(("Code", "Description"), key=("Code",))
    tenant.code_tables[name.lower()] = table
    for code, description in codes.items():
        table.put({"Code": code, "Description": description})


def _seed_chart(tenant: Tenant) -> None:
    for account, name, kind in _ACCOUNTS:
        tenant.accounts.put(account_row(account, name, kind))
    for code in _TAX_CODES:
        tenant.tax_codes.put(tax_code_row(*code))
    for bank, description, account, currency in (
        ("OPER", "Operating account", "101.00", "USD"),
        ("OPERJPY", "Operating account JPY", "105.00", "JPY"),
    ):
        tenant.banks.put(
            {
                "Code": bank,
                "Description": description,
                "Account": account,
                "Company": COMPANY,
                "AccountCurrencyCode": currency,
            }
        )
    tenant.liabilities.put({"Code": "TRADE", "Account": "201.00"})


def _seed_firms(tenant: Tenant) -> None:
    tenant.numbers["firm"] = 131
    for client_id, number, name, key in _FIRMS:
        add_firm(tenant, firm_row({"ClientID": client_id, "Client": number, "Name": name}), "SETUP")
        if tenant.config.firm_external_key and key:
            tenant.firms.change(tenant.firms.get(client_id) or {}, {columns.EXTERNAL_KEY: key})
    vendor = {"ClientID": MARKETPLACE, "Client": "C00056", "Name": "Marketplace Services LLC"}
    vendor |= {"ClientInd": "N", "VendorInd": "Y", "Vendor": "000056", "Category": "Trade"}
    add_firm(tenant, firm_row(vendor), "SETUP")
    for wbs1, name, client, currency in _PROJECTS:
        given = {"WBS1": wbs1, "Name": name, "BillingClientID": client, "BillingCurrencyCode": currency}
        add_project(tenant, project_row(tenant, given))
    for wbs2, name, status in (("ONLINE", "Online", "A"), ("PHONE", "Phone", "I")):
        inherited = {"BillingClientID": NORTHWIND_LLC}
        given = {"WBS1": "STORE.B2B02", "WBS2": wbs2, "Name": name, "Status": status}
        add_project(tenant, project_row(tenant, given | inherited))


def _seed_others(tenant: Tenant) -> None:
    person = blank(columns.EMPLOYEE) | {
        "Employee": "00123",
        "EmployeeCompany": COMPANY,
        "HomeCompany": COMPANY,
        "Org": ORG,
        "Status": "A",
        "FirstName": "Kim",
        "LastName": "Ito",
        "EMail": "kim@acme.example",
        "ReadyForProcessing": "Y",
    }
    tenant.employees.put(person)
