"""How orders, offsets and selectors are named on the command line, and in what words outcomes are told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from mlc_cli import differences, holds
from mlc_cli.differences import Look
from mlc_cli.following import Became, became
from mlc_cli.orders import keys
from mlc_cli.releasing import Wanted, _the_one
from mlc_cli.replay import Selector, _offsets, _unknown
from mlc_common.errors import ConfigurationError
from mlc_common.store.holds import HeldDocument, LedgerDocument
from mlc_common.store.mappings import AppliedMapping

NOW = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
KEYS = [UUID(int=number << 96) for number in (0xAAAA, 0xBBBB)]
FLOWS = [
    AppliedMapping(flow, "v1", store, "deltek", "", (), date(2026, 11, 1))
    for flow, store in (("web", "shop"), ("web2", "shop"), ("outlet", "outlet"))
]
DOCUMENT = LedgerDocument(
    flow="web", order_key="shop:order:17", document_key=KEYS[0], kind="invoice", place=1, state="verified",
    wish="document", number="WA00017", reference="IN-WC01-17", total="3.33 USD", posted_total="3.33 USD",
    erp_ids={"batch": "IN-WC01-17"}, sent=True, settled=True, attempts=0, reason="", detail="", fix="", adjusts=None,
    updated_at=NOW,
)  # fmt: skip


def test_an_order_is_named_by_its_id_in_every_flow_or_by_its_key_in_those_of_its_store() -> None:
    assert keys("17", FLOWS) == {"web": "shop:order:17", "web2": "shop:order:17", "outlet": "outlet:order:17"}
    assert keys("shop:order:17", FLOWS) == {"web": "shop:order:17", "web2": "shop:order:17"}


@pytest.mark.parametrize("named", ["", "seventeen", "17a", "nowhere:order:17", "shop:refund:17"])
def test_what_is_no_order_is_refused(named: str) -> None:
    with pytest.raises(ConfigurationError, match="order"):
        keys(named, FLOWS)


def test_offsets_are_ranges_by_partition() -> None:
    assert _offsets(["0:10-20", "3:5-5"]) == {0: (10, 20), 3: (5, 5)}
    assert _offsets([]) == {}


@pytest.mark.parametrize("given", [["10-20"], ["0:20-10"], ["4:1-2"], ["0:1-2", "0:3-4"], ["0:1-"], ["x"]])
def test_offsets_that_make_no_sense_are_refused(given: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="0:10-20"):
        _offsets(given)


def test_a_replay_names_orders_or_all_and_not_both() -> None:
    nothing = Selector([], None, None, {}, "", everything=False, flow="")
    for right in (replace(nothing, everything=True), replace(nothing, orders=["1"]), replace(nothing, since=NOW)):
        right.check()
    for wrong in (nothing, replace(nothing, orders=["1"], everything=True)):
        with pytest.raises(ConfigurationError, match="say which orders"):
            wrong.check()
    with pytest.raises(ConfigurationError, match="no reason 'odd'"):
        replace(nothing, reason="odd").check()


def test_an_order_that_no_flow_knows_is_told_from_one_that_some_flow_knows() -> None:
    refused = [
        Became(flow, f"{store}:order:{order}", "", "", "refused", "The log knows nothing of this order.")
        for flow, store, order in (
            *(("web", "shop", 17), ("web2", "shop", 17), ("outlet", "outlet", 17)),
            *(("web", "shop", 18), ("web2", "shop", 18)),
        )
    ]
    named = Selector(["17", "18", "shop:order:18"], None, None, {}, "", everything=False, flow="")
    assert _unknown(named, FLOWS, refused) == ["17", "shop:order:18"]


@pytest.mark.parametrize(
    "wanted", [Wanted("", "", False, ""), Wanted("1", "", True, ""), Wanted("1", "bad_data", False, "")]
)
def test_a_release_names_one_thing(wanted: Wanted) -> None:
    with pytest.raises(ConfigurationError, match="say what to release"):
        wanted.check()


def held(key: UUID, kind: str) -> HeldDocument:
    return HeldDocument("web", "shop:order:17", kind, str(key), "refused_by_erp", "no", "", False, NOW)


def test_the_document_that_is_meant_is_the_only_one_or_is_named() -> None:
    invoice, credit = held(KEYS[0], "invoice"), held(KEYS[1], "credit_note")
    assert _the_one([invoice], "", "17") is invoice
    assert _the_one([invoice, credit], "credit_note", "17") is credit
    assert _the_one([invoice, credit], credit.document_key[:6], "17") is credit
    with pytest.raises(ConfigurationError, match="several documents of order 17 are held; choose with --document"):
        _the_one([invoice, credit], "", "17")
    with pytest.raises(ConfigurationError, match="no held document of order 17 is 'receipt'"):
        _the_one([invoice, credit], "receipt", "17")


@pytest.mark.parametrize(
    ("changes", "outcome", "words"),
    [
        ({}, "posted", "posted, 3.33 USD (batch IN-WC01-17)"),
        ({"state": "unchanged"}, "posted", "nothing to change"),
        ({"state": "held", "reason": "period_closed", "detail": "202611"}, "held", "held again, period_closed: 202611"),
        ({"state": "intended", "settled": False, "posted_total": ""}, "waiting", "something of its order is held"),
        ({"state": "withdrawn", "posted_total": ""}, "withdrawn", "not wanted any more"),
        ({"state": "resolved"}, "resolved", "settled by hand"),
    ],
)
def test_what_became_of_a_document_is_told_in_words(changes: dict[str, object], outcome: str, words: str) -> None:
    told = became(replace(DOCUMENT, **changes))  # type: ignore[arg-type] # fields by name
    assert told.outcome == outcome
    assert words in told.sentence
    assert told.plain()["number"] == "WA00017"


def change(number: int, memo: str = "") -> dict[str, Any]:
    return {
        "flow": "web", "order": number, "document": "invoice", "number": f"WA{number}", "was": "document",
        "becomes": "document", "differences": [{"what": "total", "from": "1", "to": memo}],
    }  # fmt: skip


async def these(changes: list[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    for one in changes:
        yield one


SUMS = {
    "changed": 5, "documents": 5, "orders": 5,
    "kinds": [{"was": "document", "becomes": "document", "documents": 5}],
    "totals": [{"currency": "USD", "from": "1", "to": "2"}], "accounts": [], "orders_to_be_read": 1,
}  # fmt: skip


@pytest.mark.parametrize(("limit", "kept"), [(0, 5), (2, 2), (5, 5)])
async def test_a_look_is_one_json_document_whatever_it_keeps(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, limit: int, kept: int
) -> None:
    monkeypatch.setattr(differences, "_IN_MEMORY", 100)
    changes = [change(number, "two\nlines, ü\ud800") for number in range(5)]
    with Look(limit) as look:
        await look.take(these(changes))
        look.sums = SUMS
        look.print(as_json=True)
    assert json.loads(capsys.readouterr().out) == {"changes": changes[:kept], "left_off": 5 - kept, **SUMS}


async def test_a_look_keeps_as_many_changes_as_are_shown_and_counts_the_rest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Look(2) as look:
        await look.take(these([change(number) for number in range(5)]))
        look.sums = SUMS
        look.print(as_json=False)
    said = capsys.readouterr().out
    assert "order 1 invoice WA1 (web): otherwise" in said
    assert "WA2" not in said
    assert "total  1 → nothing" in said
    for part in (
        "and 3 more documents",
        "5 of 5 documents would differ",
        "5 document → another",
        "1 order must be read",
    ):
        assert part in said


def test_dead_letters_are_listed_with_what_to_do_about_them(capsys: pytest.CaptureFixture[str]) -> None:
    letter = {"at": "acme.raw.orders/0/5", "reason": "not JSON: Expecting value at character 0", "size": 20}
    holds._show([], [letter, letter | {"at": "acme.control/1/9"}])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("dead letters (2): Records that no reader understands")
    assert lines[1].startswith("  What to do: Find out in the store which webhook or person sends them")
    assert lines[2:] == [f"  {at} (20 bytes): {letter['reason']}" for at in ("acme.raw.orders/0/5", "acme.control/1/9")]
