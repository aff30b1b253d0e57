"""Master data: firms, projects, accounts, tax codes (§7), and what the login is set to: company and period (§10).

Firms are never chosen by name alone (names are not unique). ``ActiveCompany`` and ``ActivePeriod`` belong to the API
user, not to the session: whoever sets them holds the company's lease and compares what came back.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlc_common.errors import ConfigurationError, ConnectorError, Unconfirmed
from mlc_vendors.deltek.bodies import NewAddress, NewContact, NewFirm, address_body, contact_body, firm_body
from mlc_vendors.deltek.calls import Call, Calls
from mlc_vendors.deltek.errors import RecordAmbiguous, UnknownShape
from mlc_vendors.deltek.models import (
    Account,
    AutoPosting,
    Company,
    Firm,
    FirmAddress,
    FirmContact,
    Period,
    Project,
    TaxCode,
)
from mlc_vendors.deltek.query import Condition, Lookup


class Firms:
    """Firms with their addresses and contacts."""

    _calls: Calls

    async def find_firm_by_external_key(self, key: str) -> Firm | None:
        """The firm that carries our key.

        Raises:
            ConfigurationError: the contract does not enable the column.
            RecordAmbiguous: several firms carry it.
        """
        column = self._calls.contract.fields.firm_external_key
        if not column.enabled:
            raise ConfigurationError(
                "firms carry no external key here; enable firm.external_key in the tenant contract"
            )
        firms = await self.find_firms([Condition(column.name, key)])
        if len(firms) > 1:
            raise RecordAmbiguous(f"{len(firms)} firms carry the key {key}; clear all but one in Deltek")
        return firms[0] if firms else None

    async def find_firms(self, where: Sequence[Condition]) -> list[Firm]:
        """All firms for which every condition holds."""
        identity = Firm.column("client_id")
        lookup = Lookup(where=where, key=(identity,), order=identity)
        return await self._calls.list_of(Call(endpoint="firm.list"), lookup, Firm, **self._firm_columns)

    async def get_firm(self, client_id: str) -> Firm | None:
        """The firm with this ClientID."""
        column = Firm.column("client_id")
        call = Call(endpoint="firm.one", values={column: client_id})
        return await self._calls.find_one(call, Firm, key=column, value=client_id, **self._firm_columns)

    async def create_firm(self, firm: NewFirm) -> Firm:
        """Create a firm and read it back (the number is filled in later).

        Raises:
            Unconfirmed: it may exist; look for its external key before anything else. Also when reading back fails.
            Rejected: refused.
        """
        reference = firm.external_key or firm.name
        call = Call(
            endpoint="firm.list", verb="POST", body=firm_body(firm, self._calls.contract), reference=reference
        )  # fmt: skip
        created = await self._calls.written_record(call, Firm, key=Firm.column("client_id"), **self._firm_columns)
        try:
            stored = await self.get_firm(created.client_id)
        except ConnectorError as error:
            raise Unconfirmed(reference, f"the firm was created but cannot be read back: {error}") from None
        if stored is None:
            raise Unconfirmed(reference, "the firm was created but cannot be found yet; look for it again")
        return stored

    async def ensure_address(self, client_id: str, address: NewAddress) -> bool:
        """Add the address unless the firm has one of this label (they have no other key); True where it was added."""
        values = {Firm.column("client_id"): client_id}
        identity = FirmAddress.column("address_id")
        there = await self._calls.list_of(
            Call(endpoint="firm.address", values=values), Lookup(key=(identity,), order=identity), FirmAddress
        )
        if any(one.label == address.label for one in there):
            return False
        await self._calls.write(
            Call(
                endpoint="firm.address", verb="POST", values=values, body=address_body(address),
                reference=f"{client_id} {address.label}",
            )
        )  # fmt: skip
        return True

    async def ensure_contact(self, client_id: str, contact: NewContact) -> bool:
        """Add the contact unless the firm has one of this name and e-mail; True where it was added."""
        column, identity = FirmContact.column("client_id"), FirmContact.column("contact_id")
        lookup = Lookup(where=[Condition(column, client_id)], key=(identity,), order=identity)
        for one in await self._calls.list_of(Call(endpoint="contact.list"), lookup, FirmContact):
            same_name = (one.first_name, one.last_name) == (contact.first_name, contact.last_name)
            if same_name and one.email.casefold() == contact.email.casefold():
                return False
        await self._calls.write(
            Call(
                endpoint="contact.list", verb="POST", body=contact_body(client_id, contact),
                reference=f"contact of {client_id}",
            )
        )  # fmt: skip
        return True

    async def firms_of_contact(self, email: str) -> list[str]:
        """ClientIDs of the firms that have a contact with this e-mail address, compared without letter case."""
        column, identity = FirmContact.column("email"), FirmContact.column("contact_id")
        lookup = Lookup(where=[Condition(column, email)], key=(identity,), order=identity)
        found = await self._calls.list_of(Call(endpoint="contact.list"), lookup, FirmContact)
        return sorted({one.client_id for one in found if one.client_id})

    async def field_names(self, table: str) -> frozenset[str]:
        """Columns of a table by the tenant's metadata, to probe whether a configured column exists.

        Raises:
            UnknownShape: metadata in an unknown form (its spelling is unverified, §7).
        """
        answer = await self._calls.read(Call(endpoint="metadata", values={"table": table}))
        body = answer.json()
        fields = body.get("Fields") if isinstance(body, dict) else body
        if not isinstance(fields, list) or not all(isinstance(one, dict) and "FieldName" in one for one in fields):
            raise UnknownShape(f"Deltek answered metadata of {table} in an unknown form; check the column by hand")
        return frozenset(str(one["FieldName"]) for one in fields)

    @property
    def _firm_columns(self) -> dict[str, str]:
        column = self._calls.contract.fields.firm_external_key
        return {"external_key": column.name} if column.enabled else {}


class Projects:
    """Projects, accounts and tax codes."""

    _calls: Calls

    async def projects_of_billing_client(self, client_id: str) -> list[Project]:
        """All projects (top level, any status) whose billing client is this firm."""
        column = self._calls.contract.fields.billing_client
        return await self._projects([Condition(column, client_id)], level=1)

    async def get_project(self, wbs1: str, wbs2: str = "", wbs3: str = "") -> Project | None:
        """A project, or its phase, or that one's task."""
        top = Project.column("wbs1")
        if not wbs2:
            call = Call(endpoint="project.one", values={top: wbs1})
            rows = await self._calls.find_rows(call, key=top, value=wbs1)
            found = [self._calls.typed(Project, row, call.what, **self._project_columns) for row in rows]
        else:
            where = [Condition(top, wbs1), Condition(Project.column("wbs2"), wbs2)]
            where += [Condition(Project.column("wbs3"), wbs3)] if wbs3 else []
            found = await self._projects(where, level=3 if wbs3 else 2)
        exact = [one for one in found if (one.wbs2, one.wbs3) == (wbs2, wbs3)]
        if len(exact) > 1:
            raise UnknownShape(f"Deltek answered {len(exact)} records for project {wbs1}; check the tenant")
        return exact[0] if exact else None

    async def get_account(self, account: str) -> Account | None:
        """An account by its code, every digit as it is."""
        column = Account.column("account")
        lookup = Lookup(where=[Condition(column, account)], key=(column,), order=column)
        # The code is the key, so one row is all there can be.
        found = await self._calls.list_of(Call(endpoint="account.list"), lookup, Account, lambda rows: len(rows) == 1)
        return found[0] if found else None

    async def get_tax_code(self, code: str) -> TaxCode | None:
        """A tax code as the tenant stores it (upper case, at most ten characters)."""
        column = TaxCode.column("code")
        found = await self._calls.list_of(Call(endpoint="taxcode.list"), Lookup(key=(column,), order=column), TaxCode)
        return next((one for one in found if one.code == code), None)

    async def auto_posting(self, company: str) -> AutoPosting | None:
        """Accounts that posting uses by itself, such as accounts receivable."""
        column = AutoPosting.column("company")
        call = Call(endpoint="autoposting", values={column: company})
        return await self._calls.find_one(call, AutoPosting, key=column, value=company)

    async def _projects(self, where: Sequence[Condition], *, level: int) -> list[Project]:
        query = self._calls.contract.query
        key = tuple(Project.column(name) for name in ("wbs1", "wbs2", "wbs3"))
        lookup = Lookup(where=where, key=key, order=key[level - 1], extra=[(query.level, query.levels[level - 1])])
        return await self._calls.list_of(Call(endpoint="project.list"), lookup, Project, **self._project_columns)

    @property
    def _project_columns(self) -> dict[str, str]:
        return {"billing_client_id": self._calls.contract.fields.billing_client}


class LoginState:
    """Company and period of the API user. Setting them twice does no harm, so these writes may be repeated."""

    _calls: Calls

    async def periods(self) -> list[Period]:
        """All fiscal periods, as the active company sees them."""
        column = Period.column("period")
        return await self._calls.list_of(Call(endpoint="period.list"), Lookup(key=(column,), order=column), Period)

    async def active_period(self) -> Period:
        """The period that entries go to now; also the cheapest proof that the connection works."""
        call = Call(endpoint="period.active")
        return self._calls.typed(Period, await self._calls.one_record(call, Period.column("period")), call.what)

    async def set_period(self, period: int) -> None:
        """Make ``period`` the active one.

        Raises:
            UnknownShape: the tenant says that another one is active.
            PeriodClosed: refused.
        """
        column = Period.column("period")
        await self._set("period.set", column, str(period))

    async def set_company(self, company: str) -> None:
        """Make ``company`` the active one.

        Raises:
            UnknownShape: the tenant says that another one is active.
        """
        await self._set("company.set", Company.column("company"), company)

    async def _set(self, endpoint: str, column: str, value: str) -> None:
        call = Call(endpoint=endpoint, verb="PUT", values={column: value}, reference=value, repeatable=True)
        stored = await self._calls.one_record(call, column)
        if str(stored[column]) != value:
            raise UnknownShape(f"Deltek set {column} to {stored[column]} instead of {value}; check the API user")
