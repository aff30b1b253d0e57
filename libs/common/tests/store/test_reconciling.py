"""What the posting ledger says of orders, read from real tables, whatever text a store may have put into them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from mlc_common.store.pool import Pool, connect
from mlc_common.store.reconciling import recorded

pytestmark = pytest.mark.postgres

ORDER = "shop:order:17"
INVOICE, CREDIT, ADJUSTMENT = uuid4(), uuid4(), uuid4()


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    pool = await connect(database, application="test")
    yield pool
    await pool.close()


async def document(pool: Pool, key: UUID, state: str, *, seqs: tuple[int, int] = (1, 1), **more: object) -> None:
    """A ledger row; ``seqs`` are the newest and the settled command."""
    columns = {
        "document_key": key, "flow": "web", "order_key": ORDER, "kind": "invoice", "place": seqs[0],
        "newest_seq": seqs[0], "settled_seq": seqs[1], "state": state, "command_id": uuid4(), **more,
    }  # fmt: skip
    names, places = ", ".join(columns), ", ".join(f"${number + 1}" for number in range(len(columns)))
    await pool.execute(f"insert into posting_documents ({names}) values ({places})", *columns.values())


async def command(pool: Pool, key: UUID, seq: int, wish: dict[str, str]) -> None:
    await pool.execute(
        "insert into posting_queue (command_id, flow, order_key, document_key, seq, kind, command) "
        "values ($1, 'web', $2, $3, $4, 'invoice', $5)",
        *(uuid4(), ORDER, key, seq, json.dumps({"wish": wish})),
    )


async def state(pool: Pool, seq: int, arrived: int | None) -> None:
    text = json.dumps({"seq": seq, "note": "a NUL \u0000 and half a pair \ud800"})
    await pool.execute(
        "insert into order_states (flow, order_key, evolve_version, state) values ('web', $1, 1, $2)", ORDER, text
    )
    if arrived is not None:
        await pool.execute(
            "insert into posting_orders (flow, order_key, erp, contiguous_seq) values ('web', $1, 'deltek', $2)",
            *(ORDER, arrived),
        )


async def test_rows_tell_their_state_their_refund_and_what_they_adjust(pool: Pool) -> None:
    sources = json.dumps({"sources": [{"kind": "refund", "id": "25"}], "memo": "odd \u0000 text"})
    await document(pool, INVOICE, "verified")
    await document(pool, CREDIT, "held", seqs=(2, 1), reason="no_invoice", detail="why", fix="what", pursued=sources)
    await document(pool, ADJUSTMENT, "looking", seqs=(3, 1), adjusts=INVOICE)
    await command(pool, INVOICE, 1, {"wish": "document"})
    found = (await recorded(pool, "web", [ORDER, "shop:order:18"]))[ORDER]
    assert [(row.key, row.state, row.unfinished, row.refund, row.adjusts) for row in found.rows] == [
        (INVOICE, "verified", False, "", None),
        (CREDIT, "held", True, "25", None),
        (ADJUSTMENT, "looking", True, "", INVOICE),
    ]
    assert (found.rows[1].reason, found.rows[1].detail, found.rows[1].fix) == ("no_invoice", "why", "what")
    assert not found.queued


async def test_the_newest_wish_counts_and_a_resolution_names_the_person(pool: Pool) -> None:
    await document(pool, INVOICE, "resolved", seqs=(2, 2))
    await command(pool, INVOICE, 1, {"wish": "held", "reason": "bad_data"})
    await command(pool, INVOICE, 2, {"wish": "resolved", "found": "posted", "by": "mira", "why": "by hand \u0000"})
    (row,) = (await recorded(pool, "web", [ORDER]))[ORDER].rows
    assert (row.wish, row.by, row.why) == ("resolved", "mira", "by hand \u0000")


@pytest.mark.parametrize(("arrived", "queued"), [(None, True), (1, True), (2, False)])
async def test_commands_that_have_not_reached_the_poster_are_in_the_queue(
    pool: Pool, arrived: int | None, queued: bool
) -> None:
    await state(pool, 2, arrived)
    found = await recorded(pool, "web", [ORDER])
    assert (ORDER in found and found[ORDER].queued) == queued


async def test_nothing_is_told_of_orders_of_which_nothing_is_recorded(pool: Pool) -> None:
    await document(pool, INVOICE, "verified")
    assert await recorded(pool, "web", ["shop:order:18"]) == {}
    assert await recorded(pool, "other", [ORDER]) == {}
