"""Sums by verdict and currency, when the daily comparison is due, and what our own records are folded to."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from mlc_common.accounting import document_key
from mlc_common.errors import ConfigurationError
from mlc_common.store.reconciling import LedgerOrder, LedgerRow
from mlc_mapper.examples import text as example
from mlc_reconciler.comparing import Asked, period_of
from mlc_reconciler.evidence import SALE, Judged, Payment, Verdict
from mlc_reconciler.explaining import fold
from mlc_reconciler.rules import Rules
from mlc_reconciler.schedule import due_day, seconds_until_due
from mlc_reconciler.sentences import listed
from mlc_reconciler.tally import Tally

from .stories import LONG_AGO, invoice, sale

AT = time(4, 0)


def local_date(instant: datetime) -> date:
    return instant.astimezone(ZoneInfo("America/New_York")).date()


def one(verdict: Verdict, store: str, books: str, *, kind: str = "order", currency: str = "USD") -> Judged:
    paid = Payment(date(2026, 11, 10), Decimal(store), "txn") if kind == "order" else None
    return Judged(
        kind=kind,  # type: ignore[arg-type]  # one of its three words
        id="1",
        order="1",
        verdict=verdict,
        currency=currency,
        store=Decimal(store),
        books=Decimal(books),
        paid=paid,
    )


def test_sums_are_kept_by_verdict_and_currency_and_both_sides_are_totalled() -> None:
    tally = Tally()
    for each in (
        one(Verdict.POSTED, "100.00", "100.00"),
        one(Verdict.POSTED, "-30.00", "-30.00", kind="refund"),
        one(Verdict.MISSING, "20.00", "0.00"),
        one(Verdict.WITHOUT_SALE, "0", "7.00", kind="document"),
        one(Verdict.HELD, "1200", "0", currency="JPY"),
    ):
        tally.add(each)
    assert tally.counts == {
        "posted": 2, "held": 1, "waiting": 0, "excluded": 0, "missing": 1, "differs": 0, "without_sale": 1
    }  # fmt: skip
    assert tally.unexplained == 2
    usd = tally.totals["USD"]
    assert (usd.store, usd.books, usd.difference) == (Decimal(90), Decimal(77), Decimal(-13))
    assert [(row["verdict"], row["currency"], row["difference"]) for row in tally.as_json()["verdicts"]] == [
        ("posted", "USD", "0.00"),
        ("held", "JPY", "-1200"),
        ("missing", "USD", "-20.00"),
        ("without_sale", "USD", "7.00"),
    ]
    assert tally.as_json()["payments"] == [
        {"currency": "JPY", "amount": "1200", "by_verdict": {"held": 1}},
        {"currency": "USD", "amount": "120.00", "by_verdict": {"missing": 1, "posted": 1}},
    ]


@pytest.mark.parametrize(
    ("now", "due", "wait"),
    [
        ("2026-11-21T08:59:59", "2026-11-20", 1),
        ("2026-11-21T09:00:00", "2026-11-21", 86_400),
        ("2026-11-22T04:59:59", "2026-11-21", 14_401),  # one second to midnight in New York
        ("2026-11-22T05:00:00", "2026-11-21", 14_400),
    ],
)
def test_it_is_due_at_four_in_the_morning_of_the_store(now: str, due: str, wait: int) -> None:
    instant = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert due_day(instant, AT, local_date) == date.fromisoformat(due)
    assert seconds_until_due(instant, AT, local_date) == wait


INVOICE = document_key("web", "invoice", "17")
CREDIT = document_key("web", "credit_note", "25")


def row(key: UUID, state: str = "verified", *, unfinished: bool = False, **more: object) -> LedgerRow:
    plain = {
        "key": key, "adjusts": None, "state": state, "reason": "", "detail": "", "fix": "", "unfinished": unfinished,
        "since": LONG_AGO, "wish": "document", "refund": "", "by": "", "why": "",
    }  # fmt: skip
    return LedgerRow(**(plain | more))  # type: ignore[arg-type]


def test_rows_speak_for_the_sale_and_for_refunds_by_their_keys() -> None:
    rows = (row(INVOICE), row(CREDIT, "held", reason="no_invoice"))
    pieces = fold("web", "17", sale(refunds={"25": "30.00"}), LedgerOrder(rows)).pieces
    assert {name: piece.state for name, piece in pieces.items()} == {SALE: "settled", "25": "held"}


def test_a_credit_of_a_refund_that_the_store_has_no_more_is_known_by_its_document() -> None:
    pieces = fold("web", "17", sale(), LedgerOrder((row(uuid4(), "held", refund="26"),))).pieces
    assert pieces["26"].state == "held"


def test_an_adjustment_speaks_for_the_document_that_it_corrects() -> None:
    first, second = uuid4(), uuid4()
    rows = (row(INVOICE), row(first, adjusts=INVOICE), row(second, "held", adjusts=first, reason="period_closed"))
    pieces = fold("web", "17", sale(), LedgerOrder(rows)).pieces
    assert (list(pieces), pieces[SALE].state, pieces[SALE].reason) == ([SALE], "held", "period_closed")


def test_what_still_wants_something_explains_before_what_is_settled() -> None:
    rows = (row(INVOICE), row(uuid4(), "looking", unfinished=True, adjusts=INVOICE))
    recorded = fold("web", "17", sale(), LedgerOrder(rows, queued=True))
    assert (recorded.pieces[SALE].state, recorded.queued) == ("waiting", True)


def test_a_resolution_tells_who_and_why() -> None:
    piece = fold("web", "17", sale(), LedgerOrder((row(INVOICE, wish="resolved", by="mira", why="by hand"),))).pieces[
        SALE
    ]
    assert (piece.state, piece.by, piece.why) == ("resolved", "mira", "by hand")


def test_a_withdrawn_document_is_no_longer_wanted() -> None:
    assert not fold("web", "17", sale(), LedgerOrder((row(INVOICE, wish="withdrawn"),))).pieces[SALE].wanted


NIGHT = datetime(2026, 11, 22, 4, 30, tzinfo=UTC)
"""Half past eleven in the evening of the 21st in New York."""


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        (None, None, ("2026-11-15", "2026-11-21")),
        ("2026-11-01", None, ("2026-11-01", "2026-11-21")),
        ("2026-11-01", "2026-11-30", ("2026-11-01", "2026-11-21")),
        ("2026-11-01", "9999-12-31", ("2026-11-01", "2026-11-21")),
        (None, "2026-11-10", ("2026-11-04", "2026-11-10")),
    ],
)
def test_a_period_ends_today_at_the_latest_by_the_stores_calendar(
    first: str | None, last: str | None, days: tuple[str, str]
) -> None:
    asked = Asked(first=first and date.fromisoformat(first), last=last and date.fromisoformat(last))  # type: ignore[arg-type] # None stays
    period = period_of(asked, Rules.of(example()), NIGHT, 7)
    assert (period.first.isoformat(), period.last.isoformat()) == days


@pytest.mark.parametrize(
    ("first", "said"),
    [("2026-11-22", "in the store it is 2026-11-21"), ("0001-01-01", "give a day from 1970-01-01 on")],
)
def test_a_period_that_is_to_come_or_before_all_stores_is_refused(first: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        period_of(Asked(first=date.fromisoformat(first)), Rules.of(example()), NIGHT, 7)


def test_documents_are_listed_with_the_decimals_of_their_currency() -> None:
    assert listed([invoice(amount="2400.00", currency="JPY")]) == "IN-WC01-17 2400"
