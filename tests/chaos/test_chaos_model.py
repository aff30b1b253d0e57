"""The judge of the chaos runs, judged: it finds what is missing, doubled, left over, a cent off, held for nothing."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from chaos.diary import Diary
from chaos.model import verdict

RULES = {"currencies": ["USD"], "after_posting": "adjust"}
HOLDING = RULES | {"after_posting": "hold"}


class Told:
    """One order of 108.00 with a refund of 27.00, and books that are right."""

    def __init__(self) -> None:
        self.diary = Diary()
        self.diary.bought(0, {"id": 17, "status": "processing", "total": "108.00"})
        self.shop: dict[str, Any] = {
            "orders": [{"id": 17, "status": "processing", "currency": "USD", "total": "108.00"}],
            "refunds": [{"id": 25, "parent_id": 17, "amount": "27.00"}],
            "deleted_refunds": [],
        }
        self.erp: dict[str, Any] = {"posted_files": [], "drafts": [], "trial_balance": {"USD": {}}, "ledger": []}
        self.post("IN-WC01-17", "108.00")
        self.post("CM-WC01-17-R25", "-27.00")

    def post(self, batch: str, amount: str) -> None:
        """Put a file into the books."""
        self.erp["posted_files"].append({"batch": batch, "details": [{"Amount": amount}]})
        self.book(batch, amount)

    def book(self, batch: str, amount: str) -> None:
        """Put rows into the ledger alone."""
        row = {"Batch": batch, "AutoEntry": "N", "TransactionAmount": str(-Decimal(amount))}
        self.erp["ledger"].append(row)

    def unpost(self, batch: str) -> None:
        """Take a file out of the books."""
        self.erp["posted_files"] = [file for file in self.erp["posted_files"] if file["batch"] != batch]
        self.erp["ledger"] = [row for row in self.erp["ledger"] if row["Batch"] != batch]

    def become(self, act: str, status: str, total: str) -> None:
        """Change the order in the shop."""
        order = {"id": 17, "status": status, "currency": "USD", "total": total}
        self.shop["orders"] = [order]
        self.diary.changed(act, order)

    def wrong(self, *held: str, rules: dict[str, Any] = RULES) -> str:
        """What the model says, in one text."""
        return "\n".join(verdict(self.shop, self.erp, [(17, reason) for reason in held], self.diary, rules))


@pytest.fixture
def told() -> Told:
    """Right books."""
    return Told()


def test_right_books_are_right(told: Told) -> None:
    assert told.wrong() == ""


@pytest.mark.parametrize("batch", ["IN-WC01-17", "CM-WC01-17-R25"])
def test_a_missing_document_is_found(told: Told, batch: str) -> None:
    told.unpost(batch)
    assert "the books must hold" in told.wrong()


def test_a_cent_is_found(told: Told) -> None:
    told.unpost("IN-WC01-17")
    told.post("IN-WC01-17", "108.01")
    assert "the books must hold" in told.wrong()


def test_a_document_posted_twice_is_found_by_its_file_and_by_the_ledger(told: Told) -> None:
    doubled = copy.deepcopy(told.erp)
    told.post("IN-WC01-17", "108.00")
    assert "IN-WC01-17 is posted 2 times" in told.wrong()
    told.erp = doubled
    told.book("IN-WC01-17", "108.00")
    assert "IN-WC01-17 is 108.00 in its file and 216.00 in the ledger" in told.wrong()


def test_a_draft_that_is_left_over_is_found(told: Told) -> None:
    told.erp["drafts"].append({"batch": "IN-WC01-17"})
    assert "the draft IN-WC01-17 is left over" in told.wrong()


def test_a_second_document_under_another_name_is_found(told: Told) -> None:
    told.post("IN-WC01-17-X9", "108.00")
    assert "the books must hold" in told.wrong()


def test_books_without_a_sale_and_out_of_balance_are_found(told: Told) -> None:
    told.post("IN-WC01-99", "5.00")
    told.erp["trial_balance"] = {"USD": {"401.00": "-5.00", "110.00": "5.01"}}
    assert "in the books without a sale: ['IN-WC01-99']" in told.wrong()
    assert "the trial balance in USD is not zero" in told.wrong()


@pytest.mark.parametrize("reason", ["internal_error", "changed_after_posting", "unknown_outcome"])
def test_a_hold_without_a_true_reason_is_found(told: Told, reason: str) -> None:
    assert "it is held without a true reason" in told.wrong(reason)


def test_a_hold_of_an_order_that_nobody_placed_is_found(told: Told) -> None:
    said = verdict(told.shop, told.erp, [(99, "bad_data")], told.diary, RULES)
    assert "and no such order was placed" in "\n".join(said)


def test_a_currency_that_the_mapping_does_not_post_must_be_held_and_not_posted(told: Told) -> None:
    rules = RULES | {"currencies": ["EUR"]}
    assert "nothing of it may be posted" in told.wrong("currency_not_mapped", rules=rules)
    told.unpost("IN-WC01-17")
    told.unpost("CM-WC01-17-R25")
    assert "it must be held as currency_not_mapped" in told.wrong(rules=rules)
    assert told.wrong("currency_not_mapped", rules=rules) == ""


def test_an_edit_after_posting_must_come_to_the_new_sum(told: Told) -> None:
    told.become("edit", "processing", "150.00")
    assert "the books must come to 123.00" in told.wrong()
    told.post("IN-WC01-17-A1", "42.00")
    assert told.wrong() == ""
    assert "without a true reason" in told.wrong("changed_after_posting")


def test_where_the_mapping_holds_changes_an_edit_waits_for_a_person_and_no_longer_than_it_is_true(told: Told) -> None:
    told.become("edit", "processing", "150.00")
    assert told.wrong("changed_after_posting", rules=HOLDING) == ""
    assert "the books must come to 123.00" in told.wrong(rules=HOLDING)
    told.become("edit", "processing", "108.00")
    assert "the books are right" in told.wrong("changed_after_posting", rules=HOLDING)


def test_a_changed_invoice_is_rightly_held_although_its_refund_makes_up_for_the_difference(told: Told) -> None:
    told.unpost("CM-WC01-17-R25")
    told.become("edit", "processing", "135.00")
    assert told.wrong("changed_after_posting", rules=HOLDING) == ""


def test_only_an_order_that_is_worth_less_than_its_refunds_may_be_held_for_that(told: Told) -> None:
    told.become("edit", "processing", "20.00")
    assert told.wrong("credit_exceeds_invoice") == ""
    told.become("edit", "processing", "30.00")
    assert "without a true reason" in told.wrong("credit_exceeds_invoice")


def test_a_cancelled_order_must_come_to_nothing(told: Told) -> None:
    told.become("cancelled", "cancelled", "108.00")
    assert "must come to nothing" in told.wrong()
    told.post("IN-WC01-17-X3", "-81.00")
    assert told.wrong() == ""


def test_an_order_that_was_never_paid_must_leave_the_books_alone(told: Told) -> None:
    told.diary.orders[17].statuses = ["pending"]
    assert "it was never sold" in told.wrong()
