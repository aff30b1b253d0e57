"""Refusals: by their sentence first, then by status; open outcomes of writes stay open."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from mlc_common.errors import ConnectorError, Rejected, Retryable, Unconfirmed
from mlc_vendors.deltek import (
    DuplicateRecord,
    InvoiceFile,
    InvoiceLine,
    PeriodClosed,
    RecordAbsent,
    RecordInactive,
    RightsMissing,
    ServerFault,
    ValidationRefused,
    load_contract,
)
from mlc_vendors.deltek.errors import error_of, is_ill

SENTENCES = load_contract().errors
FILE = InvoiceFile(
    batch="IN-WC01-1001",
    invoice="WA01001",
    description="1001 WC01",
    comment="Order 1001 WC01",
    period=202611,
    trans_date=date(2026, 11, 20),
    wbs1="STORE.WEB01",
    lines=(InvoiceLine(kind="line", account="401.00", amount=Decimal("1.00")),),
)


def _exchange(recorded: Any, said: str) -> Any:
    return next(e for e in recorded.exchanges("errors") if said in str(e["response"]))


@pytest.mark.parametrize(
    ("said", "kind", "rejection"),
    [
        ("Field LongName", ValidationRefused, "validation"),
        ("Column:CashBasisAccount", ValidationRefused, "validation"),
        ("Firm Number already exists", DuplicateRecord, "duplicate"),
        ("would be truncated", ValidationRefused, "validation"),
        ("Object reference", ServerFault, "server_fault"),
        ("Period 202610 is closed", PeriodClosed, "period"),
        ("is not active", RecordInactive, "inactive"),
        ("access rights", RightsMissing, "rights"),
    ],
)
@pytest.mark.parametrize("reference", [None, "IN-WC01-1001"])
def test_recorded_refusals_have_their_class_for_reads_and_writes(
    recorded: Any, said: Any, kind: Any, rejection: Any, reference: Any
) -> None:
    error = error_of(recorded.answer_of(_exchange(recorded, said)), SENTENCES, what="it", reference=reference)
    assert type(error) is kind
    assert isinstance(error, Rejected)
    assert error.rejection == rejection


@pytest.mark.parametrize("status", [400, 409, 500])
def test_the_sentence_counts_more_than_the_status(recorded: Any, status: Any) -> None:
    answer = recorded.answer(status, {"message": "Record IN-1 already exists and cannot be added."})
    assert isinstance(error_of(answer, SENTENCES, what="it", reference="IN-1"), DuplicateRecord)
    closed = recorded.answer(status, {"message": "Period 202610 is closed."})
    assert isinstance(error_of(closed, SENTENCES, what="it", reference="IN-1"), PeriodClosed)


def test_several_problems_are_one_line_and_said_once(recorded: Any) -> None:
    body = {"message": "A is required.<BR/>B is required.<br />A is required.", "detail": "B is required."}
    error = error_of(recorded.answer(400, body), SENTENCES, what="it", reference=None)
    assert str(error) == "Deltek refused it: A is required.; B is required."


@pytest.mark.parametrize(
    ("status", "body", "read", "write"),
    [
        (500, {"message": "An error has occurred."}, Retryable, Unconfirmed),
        (502, None, Retryable, Unconfirmed),
        (503, None, Retryable, Unconfirmed),
        (429, {"message": "Too many requests."}, Retryable, Retryable),
        (404, {"message": "Record not found"}, RecordAbsent, RecordAbsent),
        (400, {"message": "Record not found"}, RecordAbsent, RecordAbsent),
        (409, None, DuplicateRecord, DuplicateRecord),
        (422, None, ValidationRefused, ValidationRefused),
    ],
)
def test_without_a_known_sentence_the_status_decides(
    recorded: Any, status: Any, body: Any, read: Any, write: Any
) -> None:
    answer = recorded.answer(status, body)
    assert type(error_of(answer, SENTENCES, what="it", reference=None)) is read
    assert type(error_of(answer, SENTENCES, what="it", reference="IN-1")) is write


def test_a_throttle_says_when_to_come_back(recorded: Any) -> None:
    error = error_of(recorded.answer(429, after=7.0), SENTENCES, what="it", reference="IN-1")
    assert isinstance(error, Retryable)
    assert error.after == 7.0


@pytest.mark.parametrize("body", ["<html>password=s3cr3t</html>", '"s3cr3t"', '{"echo": "s3cr3t"}', '["s3cr3t"]'])
@pytest.mark.parametrize("status", [302, 400, 403, 404, 409, 429, 500, 502])
def test_a_body_in_another_shape_is_never_quoted(recorded: Any, status: Any, body: Any) -> None:
    for reference in (None, "IN-1"):
        error = error_of(recorded.answer(status, raw=body), SENTENCES, what="it", reference=reference)
        assert "s3cr3t" not in str(error)


def test_a_long_sentence_is_cut(recorded: Any) -> None:
    error = error_of(recorded.answer(400, {"message": "x" * 5000}), SENTENCES, what="it", reference=None)
    assert len(str(error)) < 400


def test_a_refusal_in_the_form_of_a_500_is_no_illness(recorded: Any) -> None:
    assert not is_ill(recorded.answer(500, {"message": "Period 202610 is closed."}), SENTENCES)
    assert not is_ill(recorded.answer(400, {"message": "whatever"}), SENTENCES)
    assert is_ill(recorded.answer(500, {"message": "An error has occurred."}), SENTENCES)
    assert is_ill(recorded.answer(502, raw="<html>already exists</html>"), SENTENCES)


async def test_a_create_that_was_cut_is_unconfirmed_by_its_batch(make_client: Any, tenant: Any) -> None:
    tenant.play(Unconfirmed("POST trans.control.create", "sent and not answered"))
    with pytest.raises(Unconfirmed) as caught:
        await make_client().create_invoice(FILE)
    assert (caught.value.reference, tenant.sent[0].safe) == ("IN-WC01-1001", False)


@pytest.mark.parametrize(
    "raw", ["<html>ok</html>", "[]", '[{"Nothing": 1}]', '[{"Batch": "IN-WC01-1001", "Total": "x"}]']
)
async def test_a_create_that_was_accepted_with_an_unreadable_answer_is_unconfirmed(
    make_client: Any, tenant: Any, recorded: Any, raw: Any
) -> None:
    tenant.play(recorded.answer(201, raw=raw))
    with pytest.raises(Unconfirmed) as caught:
        await make_client().create_invoice(FILE)
    assert caught.value.reference == "IN-WC01-1001"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"message": "Record IN-WC01-1001 already exists and cannot be added."}, DuplicateRecord),
        (500, {"message": "Project STORE.WEB01 is not active."}, RecordInactive),
        (403, {"message": "You do not have access rights to this application."}, RightsMissing),
        (503, None, Unconfirmed),
        (429, None, Retryable),
    ],
)
async def test_a_refused_create_raises_its_class(
    make_client: Any, tenant: Any, recorded: Any, status: Any, body: Any, kind: Any
) -> None:
    tenant.play(recorded.answer(status, body))
    with pytest.raises(kind) as caught:
        await make_client().create_invoice(FILE)
    assert isinstance(caught.value, ConnectorError)


async def test_removing_what_is_not_there_is_no_error(make_client: Any, tenant: Any, recorded: Any) -> None:
    tenant.play(recorded.answer(404, {"message": "Record not found"}), recorded.answer(200, []))
    client = make_client()
    assert [await client.delete_file("IN-1"), await client.delete_file("IN-1")] == [False, True]
    assert tenant.sent[0].path == "api/DataEntry/inControl/IN-1"


async def test_removing_a_posted_file_is_refused(make_client: Any, tenant: Any, recorded: Any) -> None:
    tenant.play(recorded.answer(400, {"message": "Posted files cannot be deleted."}))
    with pytest.raises(ValidationRefused):
        await make_client().delete_file("IN-1")
