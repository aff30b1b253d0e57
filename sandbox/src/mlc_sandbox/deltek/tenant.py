"""The whole state of one tenant: master data, users, transaction files, ledger.

One object, changed only by handlers that run to their end without awaiting, so that every call is one transaction.
It must never decide anything: rules live beside the calls they belong to.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import md5
from random import Random
from typing import Any

from mlc_sandbox.clock import SandboxClock
from mlc_sandbox.deltek import columns, dates
from mlc_sandbox.deltek.config import Config
from mlc_sandbox.deltek.kinds import Kind
from mlc_sandbox.deltek.ledger import Ledger
from mlc_sandbox.deltek.tables import Table, fold
from mlc_sandbox.deltek.wire import Row


@dataclass(slots=True)
class User:
    """A login: what it may do, and the period and company that every token of it shares."""

    name: str
    password: str
    active_period: int
    active_company: str
    disabled: bool = False
    password_expired: bool = False
    denied: set[str] = field(default_factory=set)


@dataclass(slots=True)
class TransFile:
    """An entry file (or, without files, a loose entry group of the same batch name)."""

    kind: Kind
    control: Row
    masters: list[Row]
    details: list[Row]
    taxes: list[Row]
    grouped: bool
    creator: str = ""
    post_seq: int = 0
    post_date: str = ""
    post_user: str = ""

    @property
    def batch(self) -> str:
        """The file's name."""
        return str(self.control["Batch"])

    @property
    def posted(self) -> bool:
        """Whether the whole file is in the ledger."""
        return bool(self.control["Posted"] == "Y")

    def lines_of(self, master: Row) -> list[Row]:
        """The detail rows of one entry."""
        key = self.kind.entry_key
        return [d for d in self.details if d[key] == master[key]]


@dataclass(slots=True)
class HalfPost:
    """An order to stop a posting run early.

    Args:
        batch: the file it hits; "" = the next one.
        masters: how many entries get posted before it stops.
        flags: whether the entries that were posted are marked so (else a second run posts them again).
        answer: "fault" answers 500, "zero" answers 200 with retList 0.
    """

    batch: str
    masters: int
    flags: bool = True
    answer: str = "fault"


class Tenant:
    """Master data, users, files and ledger of one Vantagepoint tenant."""

    def __init__(self, config: Config, clock: SandboxClock) -> None:
        self.config = config
        self.clock = clock
        self.rng = Random(config.shuffle_seed)
        self.users: dict[str, User] = {}
        self.firms = Table(
            (*columns.FIRM.names, columns.EXTERNAL_KEY),
            key=("ClientID",),
            indexed=("ClientID", "Client", "Vendor", "Name", columns.EXTERNAL_KEY),
        )
        self.addresses = Table(columns.ADDRESS.names, key=("CLAddressID",), indexed=("ClientID",))
        self.contacts = Table(columns.CONTACT.names, key=("ContactID",), indexed=("ContactID", "ClientID", "Email"))
        self.projects = Table(
            columns.PROJECT.names, key=("WBS1", "WBS2", "WBS3"), indexed=("WBS1", "BillingClientID", "ClientID")
        )
        self.accounts = Table(columns.ACCOUNT.names, key=("Account",), indexed=("Account",))
        self.tax_codes = Table(columns.TAX_CODE.names, key=("Code",), indexed=("Code",))
        self.banks = Table(("Code", "Description", "Account", "Company", "AccountCurrencyCode"), key=("Code",))
        self.liabilities = Table(("Code", "Account"), key=("Code",))
        self.auto_posting = Table(
            ("Company", "AcctsReceivable", "UninvoicedRevenue", "UnbilledServices"), key=("Company",)
        )
        self.companies = Table(("Company", "FirmName", "FunctionalCurrencyCode", "Country", "Status"), key=("Company",))
        self.periods = Table(PERIOD_COLUMNS, key=("Period",))
        self.employees = Table(columns.EMPLOYEE.names, key=("Employee",))
        self.organizations = Table(columns.ORGANIZATION.names, key=("Org",))
        self.code_tables: dict[str, Table] = {}
        self.vendor_accounting: list[Row] = []
        self.files: dict[tuple[str, str], TransFile] = {}
        self.landing = Table(LANDING_COLUMNS, key=("TransType", "Batch"), indexed=("Batch",))
        self.posted_loose: set[tuple[str, str]] = set()
        self.ledger = Ledger()
        self.half_posts: list[HalfPost] = []
        self.numbers: Counter[str] = Counter()
        self.reconfigure(config)

    def reconfigure(self, config: Config) -> None:
        """Take other settings at once; a column that the tenant has not defined cannot be filtered by."""
        self.config = config
        if config.firm_external_key:
            self.firms.spelling[fold(columns.EXTERNAL_KEY)] = columns.EXTERNAL_KEY
        else:
            self.firms.spelling.pop(fold(columns.EXTERNAL_KEY), None)

    def file(self, transtype: str, batch: str) -> TransFile | None:
        """The file of a type and name, posted or not."""
        return self.files.get((transtype, fold(batch)))

    def today(self) -> str:
        """Now, in the tenant's form."""
        return dates.show(self.clock.now().replace(tzinfo=None), self.config.date_style)

    def next_number(self, series: str) -> int:
        """The next number of a series (firm numbers, bank references …)."""
        self.numbers[series] += 1
        return self.numbers[series]

    def next_id(self, series: str) -> str:
        """A new 32-digit key, the same in every run of the same calls."""
        return md5(f"{series}:{self.next_number('id:' + series)}".encode(), usedforsecurity=False).hexdigest()

    def currency_of(self, wbs1: str) -> str:
        """The billing currency of a project, the company's where there is none."""
        project = self.projects.get(wbs1, " ", " ")
        return str(project["BillingCurrencyCode"]) if project and project["BillingCurrencyCode"] else self.home()

    def home(self) -> str:
        """The functional currency of the first company."""
        return next((str(c["FunctionalCurrencyCode"]) for c in self.companies), "USD")

    def in_home_currency(self, amount: Decimal, currency: str) -> Decimal:
        """An amount at the configured rate, to the cent; the same amount where no rate is configured."""
        rate = self.config.exchange_rates.get(currency)
        return amount if rate is None else (amount * Decimal(rate)).quantize(Decimal("0.01"))

    def project_name(self, *wbs: Any) -> str:
        """The name of a project level, blank where there is none."""
        project = self.projects.get(*wbs)
        return str(project["Name"]) if project else ""


PERIOD_COLUMNS = (
    "Period",
    "FmtPeriod",
    "AccountPdStart",
    "AccountPdEnd",
    "FYStart",
    "FYEnd",
    "ActiveCompanyClosed",
    "AllCompaniesClosed",
    "ApplytoAllCompanies",
)
LANDING_COLUMNS = (
    "TransType",
    "TransTypeDesc",
    "Batch",
    "Company",
    "Period",
    "RawPeriod",
    "TransDate",
    "RefNo",
    "Creator",
    "Description",
    "EndDate",
    "Total",
    "CurrencyCode",
    "ApprovalStatus",
    "ApprovalStatusDesc",
    "PostStatus",
    "PostStatusDesc",
    "PostComment",
    "PostDate",
    "PostUser",
    "PostSeq",
    "Posted",
    "EntryAccess",
    "PostAccess",
)
