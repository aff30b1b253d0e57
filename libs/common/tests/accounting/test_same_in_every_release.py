"""What rests in ledgers, logs and ERPs must come out the same in every release: numbers, keys, digests, differences."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest

from mlc_common.accounting import Line, LineKind, NumberLimits, Tax, derived, difference, remaining_lines, standing
from mlc_common.accounting.digests import canonical, content_digest, source_digest
from mlc_common.accounting.identity import (
    digest,
    document_key,
    document_number,
    event_id,
    event_id_text,
    external_reference,
)

from .made import invoice_of

DELTEK = NumberLimits(number=12, number_min=7, reference=32)
SHORT = NumberLimits(number=8, number_min=7, reference=20)
AMAZON = "114-3941689-8772232"


@pytest.mark.parametrize(
    ("source_id", "limits", "number"),
    [
        (AMAZON, DELTEK, "WA377YZOQWBA"),
        (AMAZON, SHORT, "WA377YZO"),
        ("1234567", SHORT, "WAROYM63"),
        ("123456", SHORT, "WA123456"),
        ("1", SHORT, "WA00001"),
    ],
)
def test_a_number_that_does_not_fit_is_hashed_to_the_same_text(
    source_id: str, limits: NumberLimits, number: str
) -> None:
    assert document_number("WA", source_id, limits) == number


@pytest.mark.parametrize(
    ("ids", "reference"),
    [
        ((AMAZON,), f"IN-WC01-{AMAZON}"),
        ((f"{AMAZON}-77", "R1"), "IN-WC01-114-3941689-~FKZSGG6EHKS"),
        (("x" * 24,), "IN-WC01-" + "x" * 24),
        (("x" * 25,), "IN-WC01-xxxxxxxxxxxx~NPWTVXZRE3D"),
    ],
)
def test_a_reference_that_does_not_fit_is_hashed_as_ever(ids: tuple[str, ...], reference: str) -> None:
    assert external_reference("IN", "WC01", *ids, limits=DELTEK) == reference


@pytest.mark.parametrize(
    ("base", "suffix", "limit", "number"),
    [
        ("WA01001", "X1", 12, "WA01001X1"),
        ("WA12345678", "A1", 12, "WA12345678A1"),
        ("WA1234567890", "A1", 12, "WA5BE6LFAMYR"),
        ("WA12345", "A12", 9, "WAOZGD3NY"),
        ("A" * 32, "-X1", 32, "AAH75JB2CGVF"),
    ],
)
def test_what_follows_from_a_document_has_the_same_number(base: str, suffix: str, limit: int, number: str) -> None:
    assert derived(base, suffix, limit) == number


@pytest.mark.parametrize("parts", [(), ("a", "b"), ("ü", "\x1f"), ("shop", "webhook", "order", "0" * 64)])
def test_the_fast_way_to_an_event_s_id_is_the_same_id(parts: tuple[str, ...]) -> None:
    assert event_id_text(*parts) == str(event_id(*parts))


def test_ids_and_digests_are_the_same_in_every_release() -> None:
    assert event_id_text("ü", "\x1f") == "386748b3-91ca-5e1c-98ff-e6fef06457ac"
    assert document_key("web", "invoice", "17", 1) == UUID("417dabec-7f1d-5d6a-89a9-4ce3d059dd83")
    assert digest(b"x") == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


MUG = Line(
    kind=LineKind.ITEM, source_line="line:1", sku="MUG", description="Blue M\u00fcg", quantity=Decimal("2.50"),
    net=Decimal("20.00"), account="401.00", phase="01", task="A",
    taxes=(
        Tax(code="STATE", amount=Decimal("0.80"), basis=Decimal("20.00"), account="221.00"),
        Tax(code="CITY", amount=Decimal("0.90"), basis=Decimal("20.00")),
    ),
)  # fmt: skip
SHIP = Line(kind=LineKind.SHIPPING, source_line="shipping:3", net=Decimal("5.00"), account="404.00")
ROUNDING = Line(kind=LineKind.ROUNDING, net=Decimal("0.02"), account="499.00")


def less(line: Line, **changes: object) -> Line:
    return line.model_copy(update=changes)


def said(lines: tuple[Line, ...]) -> list[str]:
    """Each line with everything in it that counts."""
    return [
        f"{line.quantity}x {line.source_line or line.kind.value} {line.account}/{line.phase}/{line.task} {line.net}"
        + "".join(f" {tax.code}@{tax.account} {tax.amount} of {tax.basis}" for tax in line.taxes)
        for line in lines
    ]


def test_digests_of_a_document_are_the_same_in_every_release() -> None:
    invoice = invoice_of(SHIP, MUG, ROUNDING)

    assert content_digest(invoice) == "2b64a43ab76e124c1f26e91d1b7677324829bd5d6a9287cb9dd5892fa7e8f7e0"
    assert source_digest(invoice) == "08da670dec31d00a6aca6f718596e5c177e9e45c0d228fb5996f23c9b46f5b78"
    assert canonical(invoice).startswith(b'{"currency":"USD","date":"2026-11-20","flow":"web","key":"')
    assert b"\\u00fc" in canonical(invoice)


def test_a_difference_says_each_line_that_changed_and_nothing_else() -> None:
    dearer = less(MUG, net=Decimal("24.00"), quantity=Decimal("3.50"), description="Mug",
                  taxes=(less_tax(0, "1.00", "24.00"), less_tax(1, "0.90", "20.00")))  # fmt: skip
    made = difference([MUG, SHIP, ROUNDING], [dearer, SHIP], rebook=False)

    assert said(made) == [
        "1.00x line:1 401.00/01/A 4.00 STATE@221.00 0.20 of 4.00",
        "-1x rounding 499.00// -0.02",
    ]
    assert [line.description for line in made] == ["Mug", ""]


def test_a_difference_of_the_price_alone_is_one_piece_without_taxes_of_nothing() -> None:
    taxes = less_tax(0, "1.00", "24.00"), less_tax(1, "0.90", "24.00")
    made = difference([MUG], [less(MUG, net=Decimal("24.00"), taxes=taxes)])

    assert said(made) == ["1x line:1 401.00/01/A 4.00 STATE@221.00 0.20 of 4.00"]


def test_a_rebooked_line_goes_back_where_it_was_and_comes_where_it_is_wanted() -> None:
    moved = less(MUG, account="402.00")

    assert said(difference([MUG, SHIP], [moved, SHIP], rebook=True)) == [
        "2.50x line:1 402.00/01/A 20.00 STATE@221.00 0.80 of 20.00 CITY@ 0.90 of 20.00",
        "-2.50x line:1 401.00/01/A -20.00 STATE@221.00 -0.80 of -20.00 CITY@ -0.90 of -20.00",
    ]
    assert difference([MUG, SHIP], [moved, SHIP]) == ()


def test_two_wanted_lines_of_one_store_line_are_told_apart_by_their_booking() -> None:
    other = less(MUG, account="402.00", net=Decimal("1.00"), taxes=())

    assert said(difference([MUG], [MUG, other])) == [
        "2.50x line:1 402.00/01/A 1.00",
    ]


def test_what_stands_is_the_sum_by_line_and_booking() -> None:
    first = invoice_of(MUG, SHIP)
    second = invoice_of(
        less(MUG, net=Decimal("1.00"), taxes=(less_tax(0, "0.10", "1.00"), less_tax(1, "0.00", "1.00")))
    )

    assert said(standing([first, second], of="invoice")) == [
        "5.00x line:1 401.00/01/A 21.00 STATE@221.00 0.90 of 21.00 CITY@ 0.90 of 21.00",
        "1x shipping:3 404.00// 5.00",
    ]
    assert said(standing([first], of="credit_note")) == [
        "-2.50x line:1 401.00/01/A -20.00 STATE@221.00 -0.80 of -20.00 CITY@ -0.90 of -20.00",
        "-1x shipping:3 404.00// -5.00",
    ]


def test_what_remains_says_each_line_that_is_left() -> None:
    back = less(MUG, quantity=Decimal(1), net=Decimal("8.00"), taxes=(less_tax(0, "0.30", "8.00"),))
    unnamed = Line(kind=LineKind.REFUND, net=Decimal("3.01"), account="119.00")

    assert said(remaining_lines([MUG, SHIP, ROUNDING], [back], "USD")) == [
        "1.50x line:1 401.00/01/A 12.00 STATE@221.00 0.50 of 12.00 CITY@ 0.90 of 20.00",
        "1x shipping:3 404.00// 5.00",
        "1x rounding 499.00// 0.02",
    ]
    assert said(remaining_lines([MUG, SHIP, ROUNDING], [back, unnamed], "USD")) == [
        "1.50x line:1 401.00/01/A 10.04 STATE@221.00 0.42 of 10.04 CITY@ 0.75 of 10.04",
        "1x shipping:3 404.00// 4.18",
        "1x rounding 499.00// 0.02",
    ]
    assert said(remaining_lines([MUG, SHIP, ROUNDING], [ROUNDING, SHIP], "USD")) == [
        "2.50x line:1 401.00/01/A 20.00 STATE@221.00 0.80 of 20.00 CITY@ 0.90 of 20.00",
    ]


def less_tax(at: int, amount: str, basis: str) -> Tax:
    return MUG.taxes[at].model_copy(update={"amount": Decimal(amount), "basis": Decimal(basis)})
