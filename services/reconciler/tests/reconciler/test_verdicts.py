"""The verdicts over single orders: equal to the cent, or why not, or by how much; and damage of any kind is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_common.reconciling import BookFact, SaleFact
from mlc_reconciler.evidence import SALE, Case, Judged, Piece, Recorded, Rule, Ruling, Verdict
from mlc_reconciler.verdicts import judge

from .stories import LONG_AGO, NOW, PATIENCE, booked, credit, invoice, sale

CANCELLED = Ruling(sale=Rule("cancelled", "the order's status is cancelled"))


def verdicts(
    one: SaleFact | None, books: list[BookFact], ruling: Ruling | None = None, **recorded: Piece
) -> list[Judged]:
    """Judge; pieces are called ``sale`` and ``r25``."""
    pieces = {SALE if name == "sale" else name.removeprefix("r"): piece for name, piece in recorded.items()}
    return of_pieces(one, books, pieces, ruling)


def of_pieces(
    one: SaleFact | None, books: list[BookFact], pieces: Mapping[str, Piece], ruling: Ruling | None = None
) -> list[Judged]:
    return judge(
        Case(
            order=one.id if one else "17",
            sale=one,
            ruling=ruling or Ruling(),
            books=tuple(books),
            recorded=Recorded(pieces=pieces),
            now=NOW,
            patience=PATIENCE,
        )
    )


def words(found: list[Judged]) -> list[tuple[str, str, str]]:
    return [(one.kind, one.id, one.verdict.value) for one in found]


def held(reason: str = "project_inactive", detail: str = "STORE.WEB01 is dormant") -> Piece:
    return Piece(state="held", since=LONG_AGO, reason=reason, detail=detail)


SETTLED = Piece(state="settled", since=LONG_AGO)


def test_an_order_whose_documents_say_what_the_store_says_is_posted() -> None:
    one = sale(refunds={"25": "30.00", "26": "5.00"})
    found = verdicts(one, booked(one))
    assert words(found) == [("order", "17", "posted"), ("refund", "25", "posted"), ("refund", "26", "posted")]
    assert [each.store for each in found] == [each.books for each in found] == [100, -30, -5]


def test_an_order_that_is_not_in_the_books_is_missing_with_its_amount() -> None:
    (found,) = verdicts(sale(), [])
    assert found.verdict is Verdict.MISSING
    assert found.sentence == (
        "order 17, 100.00 USD, is not in the books, and nothing was ever recorded of it: neither a webhook nor a poll "
        "brought it"
    )


def test_a_document_that_we_posted_and_somebody_removed_is_missing_and_says_so() -> None:
    (found,) = verdicts(sale(), [], sale=SETTLED)
    assert found.sentence.endswith("though we settled it on 2026-11-10: find out who removed it")


def test_a_refund_without_its_credit_is_missing_and_its_order_is_not() -> None:
    found = verdicts(sale(refunds={"25": "30.00"}), [invoice()])
    assert words(found) == [("order", "17", "posted"), ("refund", "25", "missing")]


def test_a_cent_too_much_differs_by_that_cent() -> None:
    (found,) = verdicts(sale(), [invoice(amount="100.01")])
    assert found.verdict is Verdict.DIFFERS
    assert found.sentence == (
        "order 17: the store says 100.00 USD, the books 100.01 USD, 0.01 USD too much (IN-WC01-17 100.01)"
    )


def test_an_invoice_that_is_posted_twice_differs_and_says_twice() -> None:
    (found,) = verdicts(sale(), [invoice(), invoice(run="202611/2")])
    assert found.verdict is Verdict.DIFFERS
    assert "IN-WC01-17 is posted 2 times" in found.sentence
    assert found.books == 200


def test_a_refund_that_is_credited_twice_is_credited_too_much() -> None:
    found = verdicts(sale(refunds={"25": "30.00"}), [invoice(), credit(), credit(run="202611/2")])[1]
    assert found.sentence == (
        "refund 25 of order 17: the store says 30.00 USD, the books 60.00 USD, 30.00 USD too much "
        "(CM-WC01-17-R25 -30.00, CM-WC01-17-R25 -30.00); CM-WC01-17-R25 is posted 2 times"
    )


def test_the_same_amount_in_another_currency_differs() -> None:
    (found,) = verdicts(sale(), [invoice(currency="CAD")])
    assert (found.verdict, found.sentence) == (
        Verdict.DIFFERS,
        "order 17 is in USD and posted in CAD (IN-WC01-17 100.00)",
    )


def test_an_erp_with_one_currency_need_not_name_it() -> None:
    assert words(verdicts(sale(), [invoice(currency="")])) == [("order", "17", "posted")]


def test_credits_that_were_mixed_up_are_both_named() -> None:
    one = sale(refunds={"25": "30.00", "26": "5.00"})
    found = verdicts(one, [invoice(), credit(refund="25", amount="-5.00"), credit(refund="26", amount="-30.00")])
    assert words(found) == [("order", "17", "posted"), ("refund", "25", "differs"), ("refund", "26", "differs")]


def test_a_chain_of_adjustments_that_comes_to_the_stores_total_is_posted() -> None:
    adjusted = [invoice(amount="20.00", reference=f"IN-WC01-17-A{seq}", derived=True) for seq in (3, 4)]
    assert words(verdicts(sale(total="140.00"), [invoice(), *adjusted])) == [("order", "17", "posted")]
    (found,) = verdicts(sale(total="140.01"), [invoice(), *adjusted])
    assert found.verdict is Verdict.DIFFERS


def test_a_cancelled_order_whose_invoice_was_taken_back_is_left_out_by_its_rule() -> None:
    one = sale(refunds={"25": "30.00"}, status="cancelled")
    books = [invoice(), credit(), invoice(amount="-70.00", reference="IN-WC01-17-X3", derived=True)]
    ruling = replace(CANCELLED, refunds={"25": Rule("refund_after_cancellation")})
    found = verdicts(one, books, ruling)
    assert words(found) == [("order", "17", "excluded"), ("refund", "25", "excluded")]
    assert "what was posted for it is taken back" in found[0].sentence
    assert words(verdicts(one, books[:2], ruling))[0] == ("order", "17", "differs")


def test_a_cancelled_order_that_kept_the_money_says_so() -> None:
    (found,) = verdicts(sale(status="cancelled"), [], CANCELLED)
    assert found.verdict is Verdict.EXCLUDED
    assert found.sentence.endswith("it was paid on 2026-11-10, and 100.00 USD of it was not refunded")


def test_an_order_that_was_sold_and_is_open_again_stays_in_the_books() -> None:
    """The rule looks at the present status; the mapper, that knows its history, still wants it there."""
    ruling = Ruling(sale=Rule("not_paid", "the order's status is on-hold"))
    assert words(verdicts(sale(), [invoice()], ruling, sale=SETTLED)) == [("order", "17", "posted")]
    (found,) = verdicts(sale(), [invoice()], ruling)
    assert found.verdict is Verdict.DIFFERS
    assert found.sentence.startswith("by rule not_paid nothing of order 17 should be in the books: 100.00 USD too much")


def test_an_order_that_was_invoiced_stays_in_the_books_when_the_cut_over_is_moved() -> None:
    rule = Rule("before_cut_over")
    one = sale(refunds={"25": "30.00"})
    moved = Ruling(sale=rule, refunds={"25": rule})
    assert words(verdicts(one, booked(one), moved, sale=SETTLED)) == [
        ("order", "17", "posted"),
        ("refund", "25", "posted"),
    ]
    withdrawn = replace(SETTLED, wanted=False)
    assert words(verdicts(one, booked(one), moved, sale=withdrawn))[0] == ("order", "17", "differs")


def test_a_refund_of_before_the_cut_over_is_left_out_and_a_later_one_is_not() -> None:
    rule = Rule("before_cut_over")
    one = sale(refunds={"25": "30.00", "26": "5.00"})
    found = verdicts(one, [], Ruling(sale=rule, refunds={"25": rule}), r26=held("no_invoice", "refund 26"))
    assert words(found) == [("order", "17", "excluded"), ("refund", "25", "excluded"), ("refund", "26", "held")]


def test_a_rule_that_only_perhaps_applies_gives_way_to_what_was_recorded() -> None:
    ruling = Ruling(perhaps=Rule("before_cut_over"))
    assert words(verdicts(sale(refunds={"25": "30.00"}), [], ruling)) == [
        ("order", "17", "excluded"),
        ("refund", "25", "excluded"),
    ]
    assert words(verdicts(sale(), [], ruling, sale=SETTLED)) == [("order", "17", "missing")]
    assert words(verdicts(sale(), [invoice()], ruling)) == [("order", "17", "posted")]


def test_what_is_held_says_why_and_what_to_do() -> None:
    (found,) = verdicts(sale(), [], sale=held())
    assert found.verdict is Verdict.HELD
    assert found.sentence.startswith("project_inactive: STORE.WEB01 is dormant. Activate the project in the ERP")


def test_a_hold_does_not_explain_a_difference_of_another_piece() -> None:
    found = verdicts(sale(refunds={"25": "30.00"}), [invoice(amount="90.00")], r25=held())
    assert words(found) == [("order", "17", "differs"), ("refund", "25", "held")]


def test_what_is_equal_is_posted_whatever_our_records_say() -> None:
    assert words(verdicts(sale(), [invoice()], sale=held())) == [("order", "17", "posted")]


def test_what_a_person_settled_names_the_person() -> None:
    piece = Piece(state="resolved", since=LONG_AGO, by="mira", why="credited by hand, CM-991")
    (found,) = verdicts(sale(), [], sale=piece)
    assert found.verdict is Verdict.EXCLUDED
    assert found.sentence == "settled by hand by mira on 2026-11-10: credited by hand, CM-991"


def test_an_order_of_a_moment_ago_is_on_its_way_and_an_older_one_is_missing() -> None:
    young = sale(changed=NOW - PATIENCE + timedelta(seconds=1))
    assert words(verdicts(young, [])) == [("order", "17", "waiting")]
    assert words(verdicts(replace(young, changed=NOW - PATIENCE), [])) == [("order", "17", "missing")]


def test_being_young_explains_nothing_that_we_had_already_settled() -> None:
    changed = NOW - timedelta(minutes=5)
    piece = Piece(state="settled", since=changed + timedelta(seconds=2))
    assert words(verdicts(sale(changed=changed), [], sale=piece)) == [("order", "17", "missing")]
    earlier = replace(piece, since=changed - timedelta(seconds=2))
    assert words(verdicts(sale(total="120.00", changed=changed), [invoice()], sale=earlier)) == [
        ("order", "17", "waiting")
    ]


def test_what_is_in_the_queue_is_on_its_way_however_old() -> None:
    piece = Piece(state="waiting", since=LONG_AGO)
    (found,) = verdicts(sale(), [], sale=piece)
    assert (found.verdict, found.sentence) == (Verdict.WAITING, "in the posting queue since 2026-11-10 12:00 UTC")
    queued = judge(
        Case(order="17", sale=sale(), recorded=Recorded(queued=True), now=NOW, patience=PATIENCE),
    )
    assert words(queued) == [("order", "17", "waiting")]


def test_a_document_of_somebody_else_under_our_number_is_named_and_the_order_is_still_posted() -> None:
    stray = invoice(amount="7.00", reference="HAND-0001", ours=False)
    found = verdicts(sale(), [invoice(), stray])
    assert words(found) == [("order", "17", "posted"), ("document", "HAND-0001", "differs")]
    assert found[1].sentence == ("HAND-0001, not posted by us, puts 7.00 USD on invoice WA00017, which is order 17")


def test_what_a_person_corrected_by_hand_makes_the_order_right() -> None:
    stray = invoice(amount="7.00", reference="HAND-0001", ours=False)
    found = verdicts(sale(total="107.00"), [invoice(), stray])
    assert words(found) == [("order", "17", "posted"), ("document", "HAND-0001", "posted")]
    assert sum(one.books for one in found) == 107


def test_a_document_of_our_number_on_another_project_is_none_of_ours() -> None:
    stray = invoice(amount="7.00", reference="HAND-0001", ours=False, place="CONSULTING")
    assert words(verdicts(sale(), [invoice(), stray])) == [("order", "17", "posted")]


def test_a_credit_of_a_refund_that_is_gone_has_no_sale() -> None:
    found = verdicts(sale(), [invoice(), credit()])
    assert words(found) == [("order", "17", "posted"), ("document", "CM-WC01-17-R25", "without_sale")]
    taken_back = credit(amount="30.00", reference="CM-WC01-17-R25-A5", derived=True)
    found = verdicts(sale(), [invoice(), credit(), taken_back])
    assert words(found) == [("order", "17", "posted"), ("document", "CM-WC01-17-R25", "excluded")]
    assert found[1].sentence.startswith("rule refund_deleted: the store no longer has refund 25")


def test_documents_of_an_order_that_the_store_does_not_have_are_without_a_sale() -> None:
    found = verdicts(None, [invoice(), credit()])
    assert words(found) == [("document", "IN-WC01-17", "without_sale"), ("document", "CM-WC01-17-R25", "without_sale")]
    assert found[0].sentence == "IN-WC01-17 is posted with 100.00 USD, and the store has no order 17"
    cancelled = verdicts(None, [invoice(), invoice(amount="-100.00", reference="IN-WC01-17-X2", derived=True)])
    assert {one.verdict for one in cancelled} == {Verdict.EXCLUDED}


def test_a_deleted_order_that_waits_for_a_person_is_held() -> None:
    (found,) = verdicts(None, [invoice()], sale=held("order_deleted", "order 17 no longer exists in the store"))
    assert found.verdict is Verdict.HELD


def test_a_missing_order_says_that_its_draft_lies_unposted() -> None:
    draft = invoice(posted=False)
    (found,) = judge(Case(order="17", sale=sale(), drafts=(draft,), now=NOW, patience=PATIENCE))
    assert (found.verdict, found.books) == (Verdict.MISSING, Decimal(0))
    assert "it lies in transaction entry unposted (IN-WC01-17)" in found.sentence


def test_an_order_that_cannot_be_read_is_never_posted() -> None:
    broken = sale(defect="an amount of it cannot be read (AmountError)")
    assert words(verdicts(broken, [invoice()])) == [("order", "17", "differs")]
    assert words(verdicts(broken, [], sale=held("bad_data", "the order's total"))) == [("order", "17", "held")]


def test_a_refund_of_nothing_needs_no_credit() -> None:
    found = verdicts(sale(refunds={"25": "0.00"}), [invoice()])
    assert words(found) == [("order", "17", "posted"), ("refund", "25", "excluded")]


# -- properties

cents = st.integers(min_value=1, max_value=1_000_000).map(lambda value: Decimal(value) / 100)


@st.composite
def right_orders(draw: st.DrawFn) -> tuple[SaleFact, list[BookFact]]:
    """An order with some refunds, and the books that are right for it."""
    amounts = draw(st.lists(cents, max_size=4))
    total = sum(amounts, Decimal(0)) + draw(cents)
    one = sale(total=str(total), refunds={str(100 + number): str(each) for number, each in enumerate(amounts)})
    return one, booked(one)


@given(right_orders())
def test_right_books_have_no_unexplained_verdict_and_equal_sums(right: tuple[SaleFact, list[BookFact]]) -> None:
    one, books = right
    found = verdicts(one, books)
    assert {each.verdict for each in found} == {Verdict.POSTED}
    assert len(found) == 1 + len(one.refunds)
    assert all(each.store == each.books for each in found)


@given(right_orders(), st.data())
def test_a_removed_document_is_named_and_nothing_else(
    right: tuple[SaleFact, list[BookFact]], data: st.DataObject
) -> None:
    one, books = right
    gone = data.draw(st.sampled_from(books))
    found = verdicts(one, [each for each in books if each is not gone])
    odd = [each for each in found if each.verdict is not Verdict.POSTED]
    assert [(each.verdict, each.id) for each in odd] == [(Verdict.MISSING, gone.refund or one.id)]


@given(right_orders(), st.data())
def test_a_doubled_document_is_named_and_nothing_else(
    right: tuple[SaleFact, list[BookFact]], data: st.DataObject
) -> None:
    one, books = right
    twice = data.draw(st.sampled_from(books))
    found = verdicts(one, [*books, replace(twice, run="202611/9")])
    odd = [each for each in found if each.verdict is not Verdict.POSTED]
    assert [(each.verdict, each.id) for each in odd] == [(Verdict.DIFFERS, twice.refund or one.id)]
    assert odd[0].books - odd[0].store == twice.amount
    assert "is posted 2 times" in odd[0].sentence


@given(right_orders(), st.data(), cents, st.sampled_from([1, -1]))
def test_an_altered_document_is_named_by_how_much(
    right: tuple[SaleFact, list[BookFact]], data: st.DataObject, by: Decimal, sign: int
) -> None:
    one, books = right
    place = data.draw(st.integers(min_value=0, max_value=len(books) - 1))
    altered = [*books]
    altered[place] = replace(books[place], amount=books[place].amount + sign * by)
    odd = [each for each in verdicts(one, altered) if each.verdict is not Verdict.POSTED]
    assert [(each.verdict, each.id) for each in odd] == [(Verdict.DIFFERS, books[place].refund or one.id)]
    assert odd[0].books - odd[0].store == sign * by


@given(right_orders(), st.data())
def test_a_document_under_a_foreign_order_is_named_on_both_sides(
    right: tuple[SaleFact, list[BookFact]], data: st.DataObject
) -> None:
    one, books = right
    found = verdicts(None, data.draw(st.permutations(books)))
    total = sum(each.amount for each in books)
    assert {each.verdict for each in found} == {Verdict.WITHOUT_SALE}
    assert sum(each.books for each in found) == total
    assert {each.verdict for each in verdicts(one, [])} == {Verdict.MISSING}


@given(right_orders(), st.sampled_from(["held", "waiting", "resolved", "settled"]), st.data())
def test_our_records_never_hide_a_difference_of_what_we_settled(
    right: tuple[SaleFact, list[BookFact]], state: str, data: st.DataObject
) -> None:
    """Whatever is recorded of one piece, a difference of another is still named."""
    one, books = right
    sale_off = [replace(books[0], amount=books[0].amount + 1), *books[1:]]
    pieces = {
        refund.id: Piece(state=state, since=LONG_AGO)  # type: ignore[arg-type]  # one of the four words
        for refund in one.refunds
    }
    found = of_pieces(one, sale_off, {SALE: SETTLED, **pieces})
    assert [each.kind for each in found if each.unexplained] == ["order"]


@pytest.mark.parametrize("verdict", list(Verdict))
def test_exactly_three_verdicts_are_unexplained(verdict: Verdict) -> None:
    one = Judged(kind="order", id="1", order="1", verdict=verdict, currency="USD", store=Decimal(1), books=Decimal(1))
    assert one.unexplained == (verdict.value in ("missing", "differs", "without_sale"))


def test_what_a_persons_word_alone_explains_is_told_from_what_the_books_say_themselves() -> None:
    """R1's other side: whoever resolves holds must not be able to hide what is not in the books."""
    word = Piece(state="resolved", since=LONG_AGO, by="mira", why="booked by hand")
    one = sale(refunds={"25": "30.00"})
    assert [each.by_hand for each in verdicts(one, [credit()], sale=word)] == [True, False]
    assert [each.by_hand for each in verdicts(one, [invoice(), credit()], sale=word)] == [False, False]
    assert [each.by_hand for each in verdicts(one, [], Ruling(sale=Rule("not_paid"), refunds={"25": Rule("x")}))] == [
        False,
        False,
    ]
    assert [each.by_hand for each in verdicts(one, [credit()])] == [False, False]
