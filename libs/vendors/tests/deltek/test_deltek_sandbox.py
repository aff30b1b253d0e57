"""The client against the sandbox tenant: money is asserted on the tenant's own tables, not on what the client says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from mlc_common.clock import SystemClock
from mlc_common.errors import Rejected, Retryable, Unconfirmed
from mlc_sandbox.deltek import control
from mlc_sandbox.deltek.app import create_app
from mlc_sandbox.deltek.dump import dump
from mlc_sandbox.server import serve
from mlc_vendors.deltek import (
    Condition,
    DeltekClient,
    DeltekCredentials,
    DuplicateRecord,
    InvoiceFile,
    InvoiceLine,
    LookupMismatch,
    NewAddress,
    NewContact,
    NewFirm,
    PeriodClosed,
    RecordAbsent,
    RecordInactive,
    RightsMissing,
    SignInRefused,
    ValidationRefused,
    load_contract,
)

pytestmark = pytest.mark.contract

INVOICE = InvoiceFile(
    batch="IN-WC01-1001",
    invoice="WA01001",
    description="1001 WC01",
    comment="Order 1001 WC01",
    period=202611,
    company="00",
    trans_date=date(2026, 11, 20),
    wbs1="STORE.WEB01",
    lines=(
        InvoiceLine(kind="line", account="401.00", amount=Decimal(100)),
        InvoiceLine(kind="line", account="402.00", amount=Decimal(50)),
        InvoiceLine(kind="shipping", account="404.00", amount=Decimal(10)),
        InvoiceLine(kind="discount", account="409.00", amount=Decimal(-15)),
        InvoiceLine(kind="tax", account="221.00", amount=Decimal("11.60"), tax_code="IL_STATE", tax_basis=Decimal(145)),
    ),
)
CREDIT = replace(
    INVOICE,
    batch="CM-WC01-1001-R77",
    credit_memo_ref="WAR00077",
    lines=(
        InvoiceLine(kind="line", account="402.00", amount=Decimal(-50)),
        InvoiceLine(kind="discount", account="409.00", amount=Decimal(5)),
        InvoiceLine(kind="tax", account="221.00", amount=Decimal("-3.60"), tax_code="IL_STATE", tax_basis=Decimal(-45)),
    ),
)


class Recorder:
    """Outcomes per endpoint, as metrics would count them."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def attempted(self, *, client: str, method: str, template: str, outcome: str, seconds: float) -> None:
        self.heard.append((template, outcome))


class Sandbox:
    """A running tenant, its faults and its truth."""

    def __init__(self, url: str, app: Any) -> None:
        self.url = url
        self.app = app
        self.recorder = Recorder()

    def fault(self, kind: str, method: str, path: str, **more: Any) -> None:
        self.app.state.faults.add({"kind": kind, "method": method, "path": path, "times": 1, **more})

    def act(self, action: Callable[..., Any], **given: Any) -> Any:
        return action(self.app.state.api, given)

    @property
    def truth(self) -> dict[str, Any]:
        found: dict[str, Any] = dump(self.app.state.tenant, {}, self.app.state.api.concurrency)
        return found

    @property
    def drafts(self) -> list[str]:
        return [file["batch"] for file in self.truth["drafts"]]

    def open_amount(self, file: InvoiceFile) -> Decimal:
        return Decimal(self.truth["ar"][f"{file.wbs1}|{file.invoice}"]["Balance"])

    def calls_of(self, method: str, template: str) -> int:
        found: int = self.app.state.faults.calls[method, template]
        return found


Opened = tuple[Sandbox, DeltekClient]
Open = Callable[..., Any]


@pytest.fixture
async def start() -> AsyncIterator[Open]:
    """Start a tenant with these settings, and a client with these overrides of the contract."""
    async with AsyncExitStack() as stack:

        async def opened(
            config: Mapping[str, Any] | None = None, overrides: Mapping[str, Any] | None = None, **credentials: str
        ) -> Opened:
            app = create_app({"rate_limit": None, **(config or {})})
            running = await stack.enter_async_context(serve(app))
            sandbox = Sandbox(running.url, app)
            user = {
                "username": "ML_CONNECTOR",
                "password": "sandbox-password",
                "database": "ACMEPROD",
                "client_id": "sandbox-client",
                "client_secret": "sandbox-secret",
            }
            contract = load_contract({"http": {"max_rps": None}, **(overrides or {})}).at(f"{running.url}/Acme")
            client = DeltekClient.open(
                contract,
                DeltekCredentials.model_validate({**user, **credentials}),
                clock=SystemClock(),
                observer=sandbox.recorder,
                allow_private=True,
                allow_http=True,
            )
            await stack.enter_async_context(client)
            return sandbox, client

        yield opened


NO_FILES = {"use_files": False}
MODES = [({}, {}), (NO_FILES, {"transactions": NO_FILES})]


@pytest.mark.parametrize(("config", "overrides"), MODES, ids=["files", "no files"])
@pytest.mark.parametrize("answers", [{}, {"created_answer": "object", "absent_single": "empty", "refusal_status": 500}])
@pytest.mark.parametrize("posting", ["published", "json_string", "object"])
async def test_an_invoice_and_its_credit_are_created_posted_and_read_back(
    start: Any, config: Any, overrides: Any, answers: Any, posting: Any
) -> None:
    sandbox, client = await start({**config, **answers, "transfile_answer": posting}, overrides)
    assert await client.get_control(INVOICE.batch) is None
    assert await client.ledger_rows(INVOICE.batch) == []
    assert await client.ar_balance(INVOICE.wbs1, INVOICE.invoice) == []
    await client.set_company("00")
    await client.set_period(202611)
    for file in (INVOICE, CREDIT):
        created = await client.create_invoice(file)
        assert (created.batch, created.posted) == (file.batch, False)
        if created.has_header:
            assert (created.total, created.diff_total, created.period, created.company) == (
                file.total,
                0,
                file.period,
                "00",
            )
        assert await client.get_control(file.batch) == created
        (entry,) = await client.get_entries(file.batch)
        assert (entry.invoice, entry.wbs1, entry.trans_date) == (file.invoice, file.wbs1, file.trans_date)
        lines = await client.get_details(file.batch)
        assert {(line.account, line.amount, line.tax_code, line.tax_basis) for line in lines} == {
            (line.account, line.amount, line.tax_code, line.tax_basis) for line in file.lines
        }
        assert {line.credit_memo_ref for line in lines} == {file.credit_memo_ref}
        posted = await client.post_file(file.batch, period=file.period, company="00", description=file.description)
        assert (posted.state, posted.period) == ("posted", file.period)
        rows = await client.ledger_rows(file.batch)
        assert {(row.period, row.post_seq) for row in rows} == {(file.period, posted.post_seq)}
        assert sum(row.amount for row in rows) == 0
        assert sum(row.amount for row in rows if not row.auto) == -file.total
    balances = await client.ar_balance(INVOICE.wbs1, INVOICE.invoice)
    assert sum(one.balance for one in balances) == Decimal("108.00")
    assert sandbox.open_amount(INVOICE) == Decimal("108.00")


async def post(client: DeltekClient, file: InvoiceFile) -> None:
    await client.create_invoice(file)
    result = await client.post_file(file.batch, period=file.period, company=file.company)
    assert result.state == "posted"


@pytest.mark.parametrize("status", [400, 500])
async def test_a_second_file_of_the_same_name_is_refused_and_nothing_doubles(start: Any, status: Any) -> None:
    sandbox, client = await start({"refusal_status": status})
    await post(client, INVOICE)
    with pytest.raises(DuplicateRecord):
        await client.create_invoice(INVOICE)
    assert sandbox.open_amount(INVOICE) == Decimal("156.60")
    assert client.breaker.state == "closed"


@pytest.mark.parametrize("status", [400, 500])
async def test_a_closed_period_is_refused_at_create_with_its_class(start: Any, status: Any) -> None:
    sandbox, client = await start({"refusal_status": status})
    with pytest.raises(PeriodClosed, match="Period 202509 is closed"):
        await client.create_invoice(replace(INVOICE, period=202509))
    assert sandbox.drafts == []


async def test_a_closed_period_is_refused_at_posting_with_its_class(start: Any) -> None:
    sandbox, client = await start({"closed_period": "post"})
    await client.create_invoice(replace(INVOICE, period=202509))
    result = await client.post_file(INVOICE.batch, period=202509, company="00")
    assert (result.state, result.rejection) == ("refused", "period")
    assert (sandbox.truth["ledger"], await client.ledger_rows(INVOICE.batch)) == ([], [])


@pytest.mark.parametrize("status", [400, 500])
async def test_an_inactive_project_is_refused_with_its_class(start: Any, status: Any) -> None:
    sandbox, client = await start({"refusal_status": status})
    sandbox.act(control.set_project_status, WBS1=INVOICE.wbs1, Status="I")
    with pytest.raises(RecordInactive, match=r"STORE\.WEB01"):
        await client.create_invoice(INVOICE)
    project = await client.get_project(INVOICE.wbs1)
    assert project is not None
    assert project.status == "I"


@pytest.mark.parametrize(
    "line",
    [
        InvoiceLine(kind="line", account="499.99", amount=Decimal(1)),
        InvoiceLine(kind="tax", account="221.00", amount=Decimal(1), tax_code="NO_SUCH"),
    ],
)
async def test_an_unknown_account_or_tax_code_is_a_validation(start: Any, line: Any) -> None:
    sandbox, client = await start({"refusal_status": 500})
    with pytest.raises(ValidationRefused, match="does not exist"):
        await client.create_invoice(replace(INVOICE, lines=(line,)))
    assert sandbox.drafts == []


async def test_missing_rights_are_told_apart(start: Any) -> None:
    sandbox, client = await start()
    await client.create_invoice(INVOICE)
    sandbox.act(control.set_user, denied=["post"])
    with pytest.raises(RightsMissing):
        await client.post_file(INVOICE.batch, period=INVOICE.period)


async def test_all_lines_of_a_long_invoice_are_read_although_pages_are_capped(start: Any) -> None:
    _, client = await start({"page_size_cap": 7})
    lines = tuple(InvoiceLine(kind="line", account="401.00", amount=Decimal(n)) for n in range(1, 61))
    await post(client, replace(INVOICE, lines=lines))
    details = await client.get_details(INVOICE.batch)
    rows = await client.ledger_rows(INVOICE.batch)
    assert (len(details), sum(line.amount for line in details)) == (60, Decimal(1830))
    assert sum(row.amount for row in rows if not row.auto) == Decimal(-1830)


@pytest.mark.parametrize("style", ["millis", "seconds", "date", "zulu", "offset"])
async def test_dates_are_read_in_every_form(start: Any, style: Any) -> None:
    _, client = await start({"date_style": style})
    await post(client, INVOICE)
    (entry,) = await client.get_entries(INVOICE.batch)
    rows = await client.ledger_rows(INVOICE.batch)
    assert entry.trans_date == INVOICE.trans_date
    assert {row.trans_date for row in rows} == {INVOICE.trans_date}
    period = next(one for one in await client.periods() if one.period == 202611)
    assert (period.start, period.end, period.closed) == (date(2026, 11, 1), date(2026, 11, 30), False)


async def test_all_periods_are_read_although_there_are_more_than_one_page(start: Any) -> None:
    sandbox, client = await start({"page_size_cap": 10})
    periods = await client.periods()
    assert len(periods) == len(sandbox.app.state.tenant.periods) == 36
    assert next(one for one in periods if one.period == 202609).closed


async def test_an_unposted_file_can_be_amended_and_removed_and_a_posted_one_cannot(start: Any) -> None:
    sandbox, client = await start()
    await client.create_invoice(INVOICE)
    changed = replace(INVOICE, lines=INVOICE.lines[:1])
    amended = await client.amend_invoice(changed)
    assert (amended.total, amended.diff_total) == (Decimal(100), 0)
    assert [line.amount for line in await client.get_details(INVOICE.batch)] == [Decimal(100)]
    assert await client.delete_file(INVOICE.batch) is True
    assert await client.delete_file(INVOICE.batch) is False
    with pytest.raises(RecordAbsent):
        await client.amend_invoice(INVOICE)
    await post(client, INVOICE)
    for attempt in (client.delete_file(INVOICE.batch), client.amend_invoice(changed)):
        with pytest.raises(Rejected):
            await attempt
    assert sandbox.open_amount(INVOICE) == Decimal("156.60")


async def test_without_files_an_unposted_entry_can_be_amended_and_removed(start: Any) -> None:
    sandbox, client = await start(NO_FILES, {"transactions": NO_FILES})
    await client.set_period(202611)
    await client.create_invoice(INVOICE)
    await client.amend_invoice(replace(INVOICE, lines=INVOICE.lines[:1]))
    assert [line.amount for line in await client.get_details(INVOICE.batch)] == [Decimal(100)]
    assert await client.delete_file(INVOICE.batch) is True
    assert await client.delete_file(INVOICE.batch) is False
    assert sandbox.drafts == []


async def test_without_files_a_posted_entry_vanishes_and_only_the_ledger_tells(start: Any) -> None:
    _, client = await start(NO_FILES, {"transactions": NO_FILES})
    await client.set_period(202611)
    await post(client, INVOICE)
    assert await client.get_control(INVOICE.batch) is None
    assert len(await client.ledger_rows(INVOICE.batch)) >= len(INVOICE.lines)


@pytest.mark.parametrize(("kind", "stored"), [("cut_before", False), ("cut_after", True), ("cut_during", True)])
async def test_a_create_whose_answer_is_lost_is_unconfirmed_and_sent_once(start: Any, kind: Any, stored: Any) -> None:
    sandbox, client = await start()
    await client.active_period()  # a connection that is reused
    sandbox.fault(kind, "POST", "inControl")
    with pytest.raises(Unconfirmed) as caught:
        await client.create_invoice(INVOICE)
    assert caught.value.reference == INVOICE.batch
    assert (await client.get_control(INVOICE.batch) is not None) is stored
    assert sandbox.calls_of("POST", "api/DataEntry/inControl") == 1


@pytest.mark.parametrize(("kind", "posted"), [("cut_before", False), ("cut_after", True)])
async def test_a_posting_whose_answer_is_lost_is_sent_once_although_it_is_a_put(
    start: Any, kind: Any, posted: Any
) -> None:
    sandbox, client = await start()
    await client.create_invoice(INVOICE)
    sandbox.fault(kind, "PUT", "PostTransFile")
    with pytest.raises(Unconfirmed):
        await client.post_file(INVOICE.batch, period=INVOICE.period)
    assert (await client.ledger_rows(INVOICE.batch) != []) is posted
    assert sandbox.calls_of("PUT", "api/DataEntry/PostTransFile") == 1


async def test_a_posting_that_hangs_is_unconfirmed_after_its_own_time_limit(start: Any) -> None:
    sandbox, client = await start(overrides={"http": {"max_rps": None, "post_timeout_s": 0.3}})
    await client.create_invoice(INVOICE)
    sandbox.fault("hang_after", "PUT", "PostTransFile")
    with pytest.raises(Unconfirmed):
        await client.post_file(INVOICE.batch, period=INVOICE.period)
    assert sum(row.amount for row in await client.ledger_rows(INVOICE.batch) if not row.auto) == -INVOICE.total


@pytest.mark.parametrize("answer", ["fault", "zero"])
async def test_a_posting_run_that_stops_is_not_believed(start: Any, answer: Any) -> None:
    sandbox, client = await start()
    await client.create_invoice(INVOICE)
    sandbox.act(control.stop_a_run, batch=INVOICE.batch, masters=0, answer=answer)
    try:
        state = (await client.post_file(INVOICE.batch, period=INVOICE.period)).state
    except Unconfirmed:
        state = "unknown"
    assert state != "posted"
    assert sandbox.truth["ledger"] == []


@pytest.mark.parametrize("body", ["", "<html>login</html>", '"{}"', '{"retList": "1"}'])
async def test_a_posting_with_a_strange_answer_is_unknown(start: Any, body: Any) -> None:
    sandbox, client = await start()
    await client.create_invoice(INVOICE)
    sandbox.fault("replace_body", "PUT", "PostTransFile", body=body)
    assert (await client.post_file(INVOICE.batch, period=INVOICE.period)).state == "unknown"
    assert await client.ledger_rows(INVOICE.batch) != []


async def test_reads_survive_gateways_throttles_and_cuts(start: Any) -> None:
    sandbox, client = await start()
    for fault in (
        {"kind": "status", "status": 502, "body": "<html>502 Bad Gateway</html>"},
        {"kind": "status", "status": 429, "headers": {"Retry-After": "0"}},
        {"kind": "cut_before"},
    ):
        sandbox.fault(method="GET", path="ActivePeriod", **fault)
    assert (await client.active_period()).period > 202600
    outcomes = [outcome for template, outcome in sandbox.recorder.heard if template == "period.active"]
    assert outcomes == ["502", "429", "unreachable", "200"]


async def test_a_throttled_create_is_retryable_with_its_pause_and_was_not_taken_up(start: Any) -> None:
    sandbox, client = await start()
    sandbox.fault("status", "POST", "inControl", status=429, headers={"Retry-After": "7"})
    with pytest.raises(Retryable) as caught:
        await client.create_invoice(INVOICE)
    assert (caught.value.after, sandbox.drafts) == (7.0, [])


async def test_sessions_that_live_for_two_calls_do_not_disturb_reads(start: Any) -> None:
    sandbox, client = await start({"token_calls": 2})
    for _ in range(7):
        await client.active_period()
    tokens = [outcome for template, outcome in sandbox.recorder.heard if template == "auth.token"]
    assert tokens == ["200"] * 4


async def test_a_session_that_ends_at_a_write_leaves_it_open_and_nothing_there(start: Any) -> None:
    sandbox, client = await start()
    await client.active_period()
    sandbox.act(control.revoke_tokens, refresh=False)
    with pytest.raises(Unconfirmed):
        await client.create_invoice(INVOICE)
    assert sandbox.drafts == []
    await client.create_invoice(INVOICE)
    assert sandbox.drafts == [INVOICE.batch]


async def test_revoked_refresh_tokens_fall_back_to_the_password(start: Any) -> None:
    sandbox, client = await start()
    await client.active_period()
    sandbox.act(control.revoke_tokens)
    assert (await client.active_period()).period > 202600
    assert [outcome for template, outcome in sandbox.recorder.heard if template == "auth.token"] == [
        "200",
        "400",
        "200",
    ]


@pytest.mark.parametrize("wrong", [{"password": "nope-nope"}, {"database": "OTHER"}, {"client_secret": "nope-nope"}])
async def test_a_wrong_credential_is_tried_once(start: Any, wrong: Any) -> None:
    sandbox, client = await start(**wrong)
    for _ in range(2):
        with pytest.raises(SignInRefused) as caught:
            await client.active_period()
        assert "nope-nope" not in str(caught.value)
    assert sandbox.calls_of("POST", "api/token") == 1


KEYED = ({"firm_external_key": True}, {"fields": {"firm.external_key": {"enabled": True}}})


async def test_a_firm_is_created_with_our_key_numbered_by_the_tenant_and_found_again(start: Any) -> None:
    sandbox, client = await start(*KEYED)
    assert await client.find_firm_by_external_key("WC01:77") is None
    made = await client.create_firm(NewFirm(name="Contoso Retail Inc", external_key="WC01:77"))
    assert made.number != ""
    assert await client.find_firm_by_external_key("WC01:77") == made
    assert [firm["Client"] for firm in sandbox.truth["firms"] if firm["custMLKey"] == "WC01:77"] == [made.number]
    assert "custMLKey" in await client.field_names("firm")


async def test_where_the_tenant_lacks_the_key_column_a_look_up_is_an_error_and_not_a_miss(start: Any) -> None:
    _, client = await start({}, KEYED[1])
    assert "custMLKey" not in await client.field_names("firm")
    with pytest.raises(LookupMismatch):
        await client.find_firm_by_external_key("WC01:77")
    with pytest.raises(ValidationRefused, match="custMLKey does not exist"):
        await client.create_firm(NewFirm(name="Contoso Retail Inc", external_key="WC01:77"))


async def test_names_are_not_unique_and_every_firm_of_a_name_is_told(start: Any) -> None:
    sandbox, client = await start({"page_size_cap": 3})
    for _ in range(6):
        sandbox.act(control.add_a_firm, Name="Twin & Sons")
    found = await client.find_firms([Condition("Name", "twin & sons")])
    assert (len(found), len({firm.client_id for firm in found})) == (6, 6)
    assert len(await client.find_firms([Condition("Name", "Northwind", "like")])) == 2


async def test_addresses_and_contacts_are_added_once(start: Any) -> None:
    sandbox, client = await start()
    (firm,) = await client.find_firms([Condition("Name", "Northwind Traders LLC")])
    address = NewAddress(label="Billing", address1="1 Main St", city="Springfield", state="IL", country="US")
    contact = NewContact(last_name="Reyes", first_name="Ana", email="ana@contoso.example")
    before = (len(sandbox.truth["addresses"]), len(sandbox.truth["contacts"]))
    added = [await client.ensure_address(firm.client_id, address) for _ in range(2)]
    added += [await client.ensure_contact(firm.client_id, contact) for _ in range(2)]
    assert added == [True, False, True, False]
    assert (len(sandbox.truth["addresses"]), len(sandbox.truth["contacts"])) == (before[0] + 1, before[1] + 1)


async def test_projects_accounts_and_codes_are_found(start: Any) -> None:
    sandbox, client = await start()
    (firm,) = await client.find_firms([Condition("Name", "Northwind Traders Ltd")])
    assert [one.wbs1 for one in await client.projects_of_billing_client(firm.client_id)] == ["STORE.B2B01"]
    sandbox.act(control.add_a_project, WBS1="STORE.WEB01", WBS2="ONLINE", Name="Online")
    phase = await client.get_project("STORE.WEB01", "ONLINE")
    assert phase is not None
    assert (phase.wbs2, phase.wbs3) == ("ONLINE", "")
    assert await client.get_project("STORE.NONE") is None
    assert await client.get_project("STORE.WEB01", "NONE") is None
    account, missing = await client.get_account("401.00"), await client.get_account("401.0")
    assert account is not None
    assert (account.account, account.type, missing) == ("401.00", 4, None)
    tax = await client.get_tax_code("IL_STATE")
    assert tax is not None
    assert (tax.rate, await client.get_tax_code("NONE")) == (Decimal("8.0"), None)
    posting = await client.auto_posting("00")
    assert posting is not None
    assert posting.accounts_receivable == "111.00"


async def test_the_posting_state_of_a_file_is_told(start: Any) -> None:
    _, client = await start()
    await client.create_invoice(INVOICE)
    (waiting,) = await client.landing(INVOICE.batch)
    await client.post_file(INVOICE.batch, period=INVOICE.period)
    (posted,) = await client.landing(INVOICE.batch)
    assert (waiting.posted, posted.posted, posted.period) == (False, True, INVOICE.period)
    assert await client.landing("IN-NONE") == []


async def test_our_unposted_files_are_listed_and_nobody_elses(start: Any) -> None:
    sandbox, client = await start()
    sandbox.act(control.post_foreign_invoice, WBS1=INVOICE.wbs1, Invoice="HAND001", Amount="5.00", post=False)
    await client.create_invoice(INVOICE)
    await client.create_invoice(CREDIT)
    await client.post_file(INVOICE.batch, period=INVOICE.period)
    assert [(one.trans_type, one.batch) for one in await client.unposted_files()] == [("IN", CREDIT.batch)]


async def test_the_login_state_is_set_and_a_file_follows_it_where_the_tenant_says_so(start: Any) -> None:
    sandbox, client = await start({"login_state": "login"})
    await client.set_period(202612)
    await client.set_company("00")
    assert (await client.active_period()).period == 202612
    created = await client.create_invoice(INVOICE)
    assert created.period == 202612  # what comes back is what the caller must compare
    with pytest.raises(RecordAbsent):
        await client.set_company("99")
    assert sandbox.truth["users"]["ML_CONNECTOR"] == {"period": 202612, "company": "00"}


async def test_an_invoice_number_that_a_person_used_shows_in_the_open_balance(start: Any) -> None:
    sandbox, client = await start()
    sandbox.act(control.post_foreign_invoice, WBS1=INVOICE.wbs1, Invoice=INVOICE.invoice, Amount="20.00")
    (foreign,) = await client.ar_balance(INVOICE.wbs1, INVOICE.invoice)
    assert (foreign.balance, await client.ledger_rows(INVOICE.batch)) == (Decimal("20.00"), [])


async def test_a_settled_invoice_of_our_number_still_shows_in_the_ledger(start: Any) -> None:
    sandbox, client = await start({"hide_settled_ar": True})
    for amount in ("20.00", "-20.00"):
        sandbox.act(control.post_foreign_invoice, WBS1=INVOICE.wbs1, Invoice=INVOICE.invoice, Amount=amount)
    sandbox.act(control.post_foreign_invoice, WBS1="STORE.B2B01", Invoice=INVOICE.invoice, Amount="5.00")
    assert await client.ar_balance(INVOICE.wbs1, INVOICE.invoice) == []
    rows = await client.ledger_rows_of_invoice(INVOICE.wbs1, INVOICE.invoice)
    assert sorted(row.amount for row in rows) == [Decimal(-20), Decimal(20)]
    assert await client.ledger_rows_of_invoice("STORE.B2B02", INVOICE.invoice) == []


@pytest.mark.parametrize(("proves", "calls"), [(True, 1), (False, 2)])
async def test_rows_that_prove_to_be_whole_spare_the_look_at_an_empty_page(
    start: Any, proves: bool, calls: int
) -> None:
    sandbox, client = await start()
    await post(client, INVOICE)
    assert len(await client.get_details(INVOICE.batch, whole=lambda _: proves)) == len(INVOICE.lines)
    rows = await client.ledger_rows(INVOICE.batch, whole=lambda rows: proves and sum(row.billed for row in rows) == 0)
    assert sum(row.amount for row in rows if not row.auto) == -INVOICE.total
    assert sandbox.calls_of("GET", "api/PSALedger/{TransType}") == calls
    assert sandbox.calls_of("GET", "api/DataEntry/inDetail/{Batch}") == calls


async def test_a_first_page_that_is_full_is_never_taken_for_all(start: Any) -> None:
    _, client = await start(None, {"query": {"default_page_size": 2}})
    await client.create_invoice(INVOICE)
    assert len(await client.get_details(INVOICE.batch, whole=lambda _: True)) == len(INVOICE.lines)


async def test_the_books_are_read_in_the_currency_of_the_document(start: Any) -> None:
    _, client = await start({"exchange_rates": {"JPY": "0.0067"}})
    await post(client, replace(INVOICE, wbs1="STORE.JP01"))
    rows = await client.ledger_rows(INVOICE.batch)
    assert sum(row.billed for row in rows if not row.auto) == -INVOICE.total
    assert sum(row.amount for row in rows if not row.auto) != -INVOICE.total


async def test_every_call_is_counted_by_the_contracts_name(start: Any) -> None:
    sandbox, client = await start()
    await post(client, INVOICE)
    assert sandbox.recorder.heard == [("auth.token", "200"), ("trans.control.create", "201"), ("trans.post", "200")]
