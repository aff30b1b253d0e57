"""What a sandbox tenant can be told before it starts, and while it runs.

Every switch is a fact that differs between real tenants or that nobody has published; the defaults follow the
assumptions of the Deltek facts sheet. It must never hold state: state lives in `tenant.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any, Literal, cast, get_args, get_type_hints

SANDBOX_USER = "ML_CONNECTOR"
SANDBOX_PASSWORD = "sandbox-password"


def _default_users() -> Mapping[str, Mapping[str, Any]]:
    return {SANDBOX_USER: {"password": SANDBOX_PASSWORD}}


@dataclass(frozen=True, slots=True)
class Config:
    """One tenant's settings; money never appears here, only rules."""

    # where it lives and who may come in
    prefix: str = "/Acme"  # mixed case on purpose: a client that lower-cases its base address gets 404
    database: str = "ACMEPROD"
    client_id: str = "sandbox-client"
    client_secret: str = "sandbox-secret"
    users: Mapping[str, Mapping[str, Any]] = field(default_factory=_default_users)
    token_lifetime_s: int = 1799
    token_calls: int | None = None  # an access token dies after so many calls; None = by time alone
    rate_limit: float | None = 5.0  # calls a second; None lifts it
    max_concurrent: int | None = None  # answers 429 above it; None only counts

    # reading
    default_rows: int = 20
    page_size_cap: int = 50
    absent_single: Literal["404", "empty"] = "404"
    unknown_filter_field: Literal["ignore", "refuse"] = "ignore"
    date_style: Literal["millis", "seconds", "date", "zulu", "offset"] = "millis"
    shuffle_seed: int = 20261120

    # hubs
    firm_external_key: bool = False
    firm_autonumber: bool = True
    created_answer: Literal["array", "object"] = "array"
    country_form: Literal["both", "code", "name"] = "both"

    # transaction entry
    use_files: bool = True
    invoice_external_key: bool = False
    refusal_status: Literal[400, 500] = 400
    duplicate_guard: Literal["always", "unposted"] = "always"
    inactive_project: Literal["create", "post"] = "create"
    closed_period: Literal["create", "post"] = "create"
    login_state: Literal["body", "login"] = "body"  # "login": the user's active period and company win over the body
    bank_autonumber: bool = False
    max_decimals: int = 2

    # posting
    ignore_control_totals: bool = False
    approvals_required: bool = False
    transfile_answer: Literal["published", "json_string", "object"] = "published"
    first_post_seq: int = 1
    exchange_rates: Mapping[str, str] = field(default_factory=dict)  # to the company's currency; missing = 1
    hide_settled_ar: bool = False

    # data and clock
    default_data: bool = True
    start: str | None = None  # ISO instant at which the sandbox clock starts; None = real time

    @classmethod
    def from_dict(cls, given: Mapping[str, Any] | None) -> Config:
        """Build a config from a JSON object.

        Raises:
            ValueError: a key is unknown or a value is not one of its choices.
        """
        return cls().changed(given or {})

    def changed(self, given: Mapping[str, Any]) -> Config:
        """Return this config with some settings changed; raises ValueError as `from_dict` does."""
        known = {f.name for f in fields(self)}
        for name, value in given.items():
            if name not in known:
                raise ValueError(f"Unknown sandbox setting {name!r}. Known: {', '.join(sorted(known))}.")
            _check_choice(name, value)
        changes: dict[str, Any] = {n: float(v) if isinstance(v, Decimal) else v for n, v in given.items()}
        if "prefix" in changes:
            changes["prefix"] = _tidy_prefix(changes["prefix"])
        return replace(self, **changes)


def _check_choice(name: str, value: Any) -> None:
    hint = get_type_hints(Config)[name]
    choices = get_args(hint) if getattr(hint, "__origin__", None) is Literal else None
    if choices and value not in choices:
        raise ValueError(f"Sandbox setting {name} must be one of {', '.join(map(repr, choices))}, not {value!r}.")
    if hint is bool and not isinstance(value, bool):
        raise ValueError(f"Sandbox setting {name} must be true or false, not {value!r}.")


def _tidy_prefix(prefix: object) -> str:
    text = cast(str, prefix).strip("/")
    return f"/{text}" if text else ""
