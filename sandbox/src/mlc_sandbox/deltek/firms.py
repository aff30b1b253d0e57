"""Firms, their addresses and contacts (facts sheet §6, §7).

Names are not unique and sub-resources have no natural key: every POST adds one more. With numbering on, the number of
a new firm is blank in the answer and there on the next read.
"""

from __future__ import annotations

from mlc_sandbox.deltek import refusals
from mlc_sandbox.deltek.calls import Call
from mlc_sandbox.deltek.columns import (
    ADDRESS,
    CONTACT,
    FIRM,
    Entity,
    check_fields,
    check_filled,
    check_mandatory,
    extended,
    stored,
)
from mlc_sandbox.deltek.countries import is_accepted
from mlc_sandbox.deltek.routing import Router
from mlc_sandbox.deltek.tables import fold
from mlc_sandbox.deltek.tenant import Tenant
from mlc_sandbox.deltek.wire import Answer, Row, created

_NUMBER_IGNORED = "Firm Number value ignored, autonumber enabled and override is not allowed"
_VENDOR_DIGITS = 6
_PRIMARY = ("Address1", "Address2", "City", "State", "Zip", "Country", "Phone", "Email")


def add_routes(router: Router) -> None:
    """Register the paths of this module."""
    router.add("GET", "api/firm", lambda call: call.listed(call.tenant.firms), area="firm")
    router.add("POST", "api/firm", create, area="firm")
    router.add("GET", "api/firm/{ClientID}", read, area="firm")
    router.add("PUT", "api/firm/{ClientID}", update, area="firm")
    router.add("DELETE", "api/firm/{ClientID}", delete, area="firm")
    router.add("GET", "api/firm/{ClientID}/address", addresses, area="firm")
    router.add("POST", "api/firm/{ClientID}/address", add_address, area="firm")
    router.add("GET", "api/contact", lambda call: call.listed(call.tenant.contacts), area="firm")
    router.add("POST", "api/contact", add_contact, area="firm")
    router.add("GET", "api/contact/{ContactID}", read_contact, area="firm")
    router.add("PUT", "api/contact/{ContactID}", update_contact, area="firm")
    router.add("POST", "vision/firm/VendorAccountingInfo", add_vendor_accounting, area="firm")


def entity(tenant: Tenant) -> Entity:
    """The firm's columns, with the external key where the tenant has defined it."""
    return extended(FIRM, tenant.config.firm_external_key)


def read(call: Call) -> Answer:
    """GET firm/{ClientID}."""
    return call.single(call.tenant.firms.get(call.keys[0]), "ClientID", call.keys[0])


def create(call: Call) -> Answer:
    """POST firm: the number that autonumbering gives is not in the answer yet."""
    tenant = call.tenant
    given = call.sent()
    check_fields(given, entity(tenant), also=("CLAddress",))
    _check_numbers(tenant, given)
    check_mandatory(given, entity(tenant))
    row = stored(given, entity(tenant), tenant.config)
    _check_record(row)
    add_firm(tenant, row, call.user.name)
    for address in given.get("CLAddress", []):
        _put_address(tenant, row["ClientID"], address)
    answered = {**row, "Client": row["Client"] if given.get("Client") else ""}
    return created(call.shown(answered), call.location(f"api/firm/{row['ClientID']}"))


def add_firm(tenant: Tenant, row: Row, user: str) -> Row:
    """Store a new firm, numbering it where the tenant does so."""
    row["ClientID"] = row.get("ClientID") or tenant.next_id("firm")
    if not row["Client"] and tenant.config.firm_autonumber:
        row["Client"] = _free_number(tenant)
    if row["Vendor"].isdigit():
        row["Vendor"] = row["Vendor"].zfill(_VENDOR_DIGITS)
    now = tenant.today()
    row.update(CreateUser=user, CreateDate=now, ModUser=user, ModDate=now)
    if tenant.config.firm_external_key:
        row.setdefault("custMLKey", "")
    return tenant.firms.put(row)


def update(call: Call) -> Answer:
    """PUT firm/{ClientID}: fields sent are changed, then the whole record is validated again."""
    tenant = call.tenant
    firm = tenant.firms.get(call.keys[0])
    if firm is None:
        raise refusals.absent("ClientID", call.keys[0])
    given = call.sent()
    check_fields(given, entity(tenant), also=("CLAddress",))
    changes = stored(given, entity(tenant), tenant.config, partial=True)
    _check_record({**firm, **changes})
    tenant.firms.change(firm, {**changes, "ModUser": call.user.name, "ModDate": tenant.today()})
    for address in given.get("CLAddress", []):
        _put_address(tenant, firm["ClientID"], address)
    return Answer(call.shown(firm))


def delete(call: Call) -> Answer:
    """DELETE firm/{ClientID}; a firm that a project bills cannot go."""
    tenant = call.tenant
    if tenant.firms.get(call.keys[0]) is None:
        raise refusals.absent("ClientID", call.keys[0])
    if tenant.projects.where("BillingClientID", call.keys[0]):
        raise refusals.same_detail(f"Record {call.keys[0]} is in use and cannot be deleted.")
    tenant.firms.remove(call.keys[0])
    return Answer([])


def addresses(call: Call) -> Answer:
    """GET firm/{ClientID}/address: 404 before the first insert."""
    rows = call.tenant.addresses.where("ClientID", call.keys[0])
    if not rows:
        raise refusals.absent("ClientID", call.keys[0])
    return call.listed_rows(rows, ADDRESS.names)


def add_address(call: Call) -> Answer:
    """POST firm/{ClientID}/address: always one more."""
    tenant = call.tenant
    if tenant.firms.get(call.keys[0]) is None:
        raise refusals.absent("ClientID", call.keys[0])
    given = call.sent()
    check_mandatory(given, ADDRESS)
    row = _put_address(tenant, call.keys[0], given)
    return created(call.shown(row), call.location(f"api/firm/{call.keys[0]}/address"))


def add_contact(call: Call) -> Answer:
    """POST contact."""
    tenant = call.tenant
    row = _contact(tenant, call.sent())
    row["ContactID"] = tenant.next_id("contact")
    tenant.contacts.put(row)
    return created(call.shown(row), call.location(f"api/contact/{row['ContactID']}"))


def read_contact(call: Call) -> Answer:
    """GET contact/{ContactID}."""
    return call.single(call.tenant.contacts.get(call.keys[0]), "ContactID", call.keys[0])


def update_contact(call: Call) -> Answer:
    """PUT contact/{ContactID}."""
    tenant = call.tenant
    contact = tenant.contacts.get(call.keys[0])
    if contact is None:
        raise refusals.absent("ContactID", call.keys[0])
    given = call.sent()
    check_fields(given, CONTACT)
    changes = stored(given, CONTACT, tenant.config, partial=True)
    check_filled({**contact, **changes}, CONTACT, ["LastName"])
    return Answer(call.shown(tenant.contacts.change(contact, changes)))


def add_vendor_accounting(call: Call) -> Answer:
    """POST vision/firm/VendorAccountingInfo: without its firm and company it fails as the real one does."""
    given = call.sent()
    firm = call.tenant.firms.get(given.get("ClientID", ""))
    if firm is None or call.tenant.companies.get(given.get("Company", "")) is None:
        raise refusals.null_reference()
    call.tenant.vendor_accounting.append(given)
    return created(call.shown(given), call.location("vision/firm/VendorAccountingInfo"))


def _contact(tenant: Tenant, given: Row) -> Row:
    check_fields(given, CONTACT)
    check_mandatory(given, CONTACT)
    row = stored(given, CONTACT, tenant.config)
    check_filled(row, CONTACT, ["LastName"])
    if row["ClientID"] and tenant.firms.get(row["ClientID"]) is None:
        raise refusals.null_reference()
    return row


def _check_numbers(tenant: Tenant, given: Row) -> None:
    number, vendor = str(given.get("Client") or ""), str(given.get("Vendor") or "")
    vendor = vendor.zfill(_VENDOR_DIGITS) if vendor.isdigit() else vendor
    problems: list[str] = []
    if number and tenant.firms.where("Client", number):
        problems.append(f"Firm Number already exists: {number}.")
    if vendor and tenant.firms.where("Vendor", vendor):
        problems.append(f"Vendor Number already exists: {vendor}.")
    if len(problems) > 1:
        raise refusals.joined(problems)
    if problems:
        raise refusals.same_detail(problems[0])
    if number and tenant.config.firm_autonumber:
        raise refusals.same_detail(_NUMBER_IGNORED)


def _check_record(row: Row) -> None:
    check_filled(row, FIRM, ["Name", "Status"])
    if row["Status"] not in {"A", "I", "D"}:
        raise refusals.same_detail(f"Status {row['Status']} does not exist")
    if row["VendorInd"] == "Y" and not row["Category"].strip():
        raise refusals.same_detail("Please provide a Vendor Type for table Firm")


def _free_number(tenant: Tenant) -> str:
    while True:
        number = f"C{tenant.next_number('firm'):05d}"
        if not tenant.firms.where("Client", number):
            return number


def _put_address(tenant: Tenant, client_id: str, given: Row) -> Row:
    check_fields(given, ADDRESS)
    country = str(given.get("Country") or "")
    if not is_accepted(country, tenant.config.country_form):
        raise refusals.same_detail(f"Country {country} does not exist")
    known = tenant.addresses.get(given.get("CLAddressID", ""))
    if known is not None:
        row = tenant.addresses.change(known, stored(given, ADDRESS, tenant.config, partial=True))
    else:
        row = stored(given, ADDRESS, tenant.config)
        row.update(CLAddressID=tenant.next_id("address"), ClientID=client_id)
        tenant.addresses.put(row)
    if fold(row["PrimaryInd"]) in {"true", "y"}:
        firm = tenant.firms.get(client_id)
        if firm is not None:
            tenant.firms.change(firm, {f"Primary{name}": row[name] for name in _PRIMARY})
    return row
