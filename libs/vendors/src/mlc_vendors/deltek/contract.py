"""The tenant contract: every path, query word, field name, limit and refusal sentence that a tenant may spell its way.

The default ships beside this module; a tenant file overrides any leaf of it, so that a real tenant is fitted without
code. A key that nobody reads is refused by name: a typing error must not pass as a setting.
Source: fact sheet of Vantagepoint, §3, §5, §9, §13, §17 (which of it is seen, inferred or assumed).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mlc_common import exactjson
from mlc_common.errors import ConfigurationError, Undecodable

Root = Literal["api", "vision"]
TransactionKind = Literal["invoice", "cash_receipt", "journal", "voucher"]
LineKind = Literal["line", "shipping", "discount", "tax"]
Operator = Literal["eq", "ge", "lt", "like"]


class _Section(BaseModel):
    """A part of the contract; ``grade``, ``assumed`` and ``comment`` are notes for people."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    grade: str = ""
    assumed: tuple[str, ...] = ()
    comment: str = ""


class Base(_Section):
    """Where the tenant lives: one full URL, its path in the tenant's own letter case, and the two prefixes (§3)."""

    tenant_root: str
    roots: dict[Root, str]

    def url(self, root: Root, path: str) -> str:
        """The absolute address of ``path``; a pasted API address counts as the tenant's root.

        Raises:
            ConfigurationError: the tenant's own address was never set.
        """
        tenant = self.tenant_root.strip()
        if not tenant or "{" in tenant:
            raise ConfigurationError("the tenant's address is not set; put its full URL into base.tenant_root")
        tenant = tenant.rstrip("/") + "/"
        for prefix in self.roots.values():
            if tenant.lower().endswith("/" + prefix.lower().strip("/") + "/"):
                tenant = tenant[: -len(prefix.strip("/")) - 1]
                break
        return tenant + self.roots[root] + path


class Endpoint(_Section):
    """One address. ``path`` and ``query`` hold ``{Name}`` places; ``method`` overrides the client's own."""

    root: Root = "api"
    path: str
    method: str | None = None
    query: dict[str, str] = Field(default_factory=dict)

    def filled_path(self, values: Mapping[str, str]) -> str:
        """The path with each value percent-encoded whole, slashes and pipes too."""
        return self.path.format_map({name: quote(value, safe="") for name, value in values.items()})

    def filled_query(self, values: Mapping[str, str]) -> list[tuple[str, str]]:
        """The endpoint's own query parameters."""
        return [(name, template.format_map(dict(values))) for name, template in self.query.items()]


class TokenForm(_Section):
    """How the token endpoint spells its fields (§4; the server ignores case, we send the published spelling)."""

    username: str
    password: str
    grant_type: str
    integrated: str
    database: str
    client_id: str
    client_secret: str
    refresh_token: str


class Auth(_Section):
    """Sign-in rules (§4)."""

    token: Endpoint
    form: TokenForm
    integrated_value: str
    send_database_on_refresh: bool
    refresh_margin_s: float = Field(ge=0)
    refresh_single_use: bool


class Filter(_Section):
    """``filterHash``: the names of its parts in the order name, value, type, operator, condition, sequence."""

    prefix: str
    parts: tuple[str, str, str, str, str, str]
    ops: dict[Operator, str]


class Query(_Section):
    """How lists are asked for (§5)."""

    page: str
    page_size: str
    page_base: int
    default_page_size: int = Field(gt=0)
    fields: str
    order: str
    order_asc: str
    order_desc: str
    filter: Filter
    max_rows: str
    limit_forbidden_on: tuple[str, ...]
    post_as_get_header: str
    level: str = "wbstype"
    levels: tuple[str, str, str] = ("wbs1", "wbs2", "wbs3")

    def wants_max_rows(self, path: str) -> bool:
        """Whether lists under ``path`` take a row cap instead of ``limit`` (which they answer with 500)."""
        return any(path.startswith(prefix) for prefix in self.limit_forbidden_on)


class TransactionType(_Section):
    """A kind of transaction file (§8)."""

    prefix: str
    transtype: str
    entry_key: str


class Sections(_Section):
    """``InvoiceSection`` per kind of line (assumed A7)."""

    line: str
    shipping: str
    discount: str
    tax: str


class CreditMemo(_Section):
    """How a credit refers to its invoice (assumed A18)."""

    same_invoice: bool
    ref_field: str


class Signs(_Section):
    """Which way amounts point (assumed A15)."""

    invoice_line_raises_ar: Literal[1, -1]
    receipt_line_reduces_ar: Literal[1, -1]
    ledger_debit: Literal[1, -1]


class Transactions(_Section):
    """Transaction entry and posting (§8). ``post_refused_value`` is assumed A8; anything else is an unknown outcome."""

    use_files: bool
    types: dict[TransactionKind, TransactionType]
    blank_wbs: str
    entry_status_on_create: str
    creator: str
    je_type: str
    je_update_billed: str
    sections: Sections
    credit_memo: CreditMemo
    post_body_form: Literal["array", "object"]
    post_ok_value: str
    post_refused_value: str = "0"
    signs: Signs


class OptionalField(_Section):
    """A column that a tenant may have added for us."""

    name: str
    enabled: bool


class NamedField(_Section):
    """A column that tenants may name differently."""

    name: str


class Fields(_Section):
    """Names and values that tenants set."""

    firm_external_key: OptionalField = Field(alias="firm.external_key")
    entry_external_key: OptionalField = Field(alias="inMaster.external_key")
    entry_comment: NamedField = Field(alias="inMaster.comment")
    firm_active: str = Field(alias="firm.status.active")
    project_active: str = Field(alias="project.status.active")
    billing_client: str = Field(alias="project.billing_client")


class Limits(_Section):
    """Longest values in characters (§13); ``InvoiceMin`` is the shortest number that is not padded by the tenant."""

    batch: int = Field(alias="Batch", gt=0)
    invoice: int = Field(alias="Invoice", gt=0)
    invoice_min: int = Field(alias="InvoiceMin", ge=0)
    ref_no: int = Field(alias="RefNo", gt=0)
    description: int = Field(alias="Description", gt=0)
    entry_comment: int = Field(alias="TransComment", gt=0)
    pkey: int = Field(alias="PKey", gt=0)
    account: int = Field(alias="Account", gt=0)
    tax_code: int = Field(alias="TaxCode", gt=0)


class Refusals(_Section):
    """Sentences by which refusals are told apart (§9); compared without letter case, anywhere in the text."""

    duplicate: tuple[str, ...]
    validation: tuple[str, ...]
    permanent_server: tuple[str, ...]
    period: tuple[str, ...]
    inactive: tuple[str, ...]
    absent: tuple[str, ...] = ("Record not found",)
    no_endpoint: tuple[str, ...] = ("No HTTP resource",)


class Http(_Section):
    """Budgets (assumed A11, A12). ``max_rps`` null = no limit, for tests and benchmarks against the sandbox.

    ``queue_timeout_s`` is how long a call waits for its turn before it is given up unsent; ``breaker_failures`` in a
    row stop all calls for ``breaker_open_s``, then one probe decides.
    """

    read_timeout_s: float = Field(gt=0)
    post_timeout_s: float = Field(gt=0)
    queue_timeout_s: float = Field(default=10.0, gt=0)
    breaker_failures: int = Field(default=5, gt=0)
    breaker_open_s: float = Field(default=30.0, gt=0)
    max_concurrent: int = Field(gt=0)
    max_rps: float | None = Field(gt=0)
    writers_per_company: int = Field(gt=0)
    absence_checks: int = Field(gt=0)
    absence_gap_s: float = Field(ge=0)
    poll_overlap_h: float = Field(ge=0)


class Policies(_Section):
    """What the tenant's accountants decided (§15)."""

    period: Literal["park", "next_open"]
    grain: Literal["order", "daily"]
    create_firm: bool
    name_match: Literal["never"]


class TenantContract(_Section):
    """The whole contract of one tenant."""

    version: Literal[1]
    base: Base
    auth: Auth
    query: Query
    endpoints: dict[str, Endpoint]
    transactions: Transactions
    fields: Fields
    limits: Limits
    errors: Refusals
    http: Http
    policies: Policies

    @model_validator(mode="after")
    def _known_endpoints_only(self) -> Self:
        unknown = sorted(set(self.endpoints) - set(_default_endpoints()))
        if unknown:
            raise ValueError(f"unknown endpoints: {', '.join(unknown)}")
        return self

    def at(self, tenant_root: str) -> TenantContract:
        """The same contract for the tenant at this address."""
        return self.model_copy(update={"base": self.base.model_copy(update={"tenant_root": tenant_root})})


def load_contract(overrides: Mapping[str, Any] | None = None) -> TenantContract:
    """The default contract with a tenant's overrides laid over it, leaf by leaf (a list replaces a list).

    Raises:
        ConfigurationError: a key that the contract does not know, or a value it cannot have; the message names each.
    """
    try:
        return TenantContract.model_validate(_laid_over(_default(), overrides or {}))
    except ValidationError as error:
        problems = "; ".join(_said(problem["loc"], problem["type"], problem["msg"]) for problem in error.errors())
        raise ConfigurationError(f"tenant contract: {problems}") from None


def load_contract_file(path: Path) -> TenantContract:
    """The contract of a tenant file.

    Raises:
        ConfigurationError: the file cannot be read, is no JSON object, or does not fit.
    """
    try:
        overrides = exactjson.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"tenant contract {path}: {error.strerror}; check the path") from None
    except Undecodable as error:
        raise ConfigurationError(f"tenant contract {path}: {error}") from None
    if not isinstance(overrides, dict):
        raise ConfigurationError(f"tenant contract {path}: must be a JSON object")
    return load_contract(overrides)


def _said(place: tuple[int | str, ...], kind: str, message: str) -> str:
    where = ".".join(str(part) for part in place) or "contract"
    if kind == "extra_forbidden":
        return f"unknown key {where}; remove it or correct its spelling"
    return f"{where}: {message.removeprefix('Value error, ')}"


def _laid_over(below: Any, above: Any) -> Any:
    if not (isinstance(below, Mapping) and isinstance(above, Mapping)):
        return above
    merged = dict(below)
    for key, value in above.items():
        merged[key] = _laid_over(below[key], value) if key in below else value
    return merged


@cache
def _default_text() -> str:
    return resources.files(__package__).joinpath("tenant_contract.default.json").read_text(encoding="utf-8")


def _default() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(_default_text())
    return loaded


@cache
def _default_endpoints() -> frozenset[str]:
    return frozenset(_default()["endpoints"])
