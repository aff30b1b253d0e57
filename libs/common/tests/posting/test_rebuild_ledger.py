"""The poster's ledger rebuilt from the log: the same rows; and what was unfinished is looked up, never made twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mlc_common.errors import ConfigurationError
from mlc_common.events import RebuildCompleted, decode
from mlc_common.store.pool import connect
from mlc_common.store.rebuild import generation

from .rebuilt import ERP, PRODUCER, STORE, Poster, poster
from .wishes import Order, buyer

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


@pytest.fixture
async def desk(tmp_path: Path, kafka_bootstrap: str, database: str, tenant: str) -> AsyncIterator[Poster]:
    async with poster(tmp_path, kafka=kafka_bootstrap, database=database, tenant=tenant) as made:
        yield made


def edited(number: str) -> Order:
    return Order(number, adjusting="difference")


async def varied_history(desk: Poster) -> None:
    """Everything that can become of a document."""
    plain, held, credited, cancelled, gone = (Order(f"10{n}") for n in range(5))
    adjusted, by_hand, firm, waiting = (
        edited("201"),
        Order("202"),
        Order("203", party=buyer("9", create=True)),
        Order("204"),
    )
    await desk.work(plain.invoice("10.00"), held.cannot(), credited.invoice("30.00"), credited.credit("5.00"))
    await desk.work(cancelled.invoice("40.00"), gone.cannot(), adjusted.invoice("100.00"), firm.invoice("7.00"))
    await desk.work(cancelled.withdraw(), gone.withdraw(), adjusted.invoice("120.00"))
    await desk.work(adjusted.invoice("90.00"), waiting.cannot(), waiting.credit("1.00"))
    lone = Order("205")
    await desk.work(lone.credit("2.00"))
    await desk.work(lone.resolve("posted", credit="77"))
    await desk.work(by_hand.cannot(), by_hand.resolve("closed"), plain.invoice("10.00", released=True))


async def in_doubt(desk: Poster) -> Order:
    """An order whose draft was asked for, and no answer came."""
    order = Order("300")
    desk.bench.wire.script["create"] = ["lost"]
    await desk.command(order.invoice("12.00"))
    assert await desk.once()
    await desk.tell()
    return order


async def test_a_varied_history_gives_the_same_rows(desk: Poster) -> None:
    """R13: what was decided is folded, and nothing is decided anew."""
    await varied_history(desk)
    await in_doubt(desk)
    before = await everything(desk)
    report = await desk.rebuild()

    assert [found.sentence() for found in report.differences] == []
    assert report.swapped
    assert report.rows["posting_documents"] == len(before["posting_documents"])
    assert {row["state"] for row in before["posting_documents"]} >= {
        "verified", "held", "withdrawn", "adjusted", "unknown", "unchanged", "resolved",
    }  # fmt: skip
    assert await everything(desk) == before


async def everything(desk: Poster) -> dict[str, list[dict[str, Any]]]:
    """What the log records of the ledger, as SQL shows it."""
    queries = {
        "posting_documents": "select document_key, place, newest_seq, settled_seq, state, posted, erp_ids, reason,"
        " detail, adjusts, sent from posting_documents order by 1",
        "posting_queue": "select * from posting_queue order by order_key, seq",
        "posting_orders": "select flow, order_key, erp, contiguous_seq from posting_orders order by 2",
        "posting_parties": "select party_key, state, erp_id, version from posting_parties order by 1",
        "consumer_positions": "select * from consumer_positions where next_offset > 0 and consumer = '"
        + PRODUCER
        + "' order by topic, part",
        "outbox": "select id from outbox",
    }
    return {name: [dict(row) for row in await desk.pool.fetch(query)] for name, query in queries.items()}


async def test_a_row_altered_by_hand_is_found_and_named(desk: Poster) -> None:
    order = Order("1001")
    await desk.work(order.invoice("10.00"))
    await desk.pool.execute('update posting_documents set erp_ids = \'{"run": "2"}\', settled_seq = 5')
    report = await desk.rebuild()

    (found,) = report.differences
    assert (found.table, found.key, found.columns) == (
        "posting_documents",
        (str(order.key),),
        ["settled_seq", "erp_ids"],
    )
    assert "settled_seq is 5, by the log 1" in found.sentence()
    assert not report.swapped
    assert await desk.pool.fetchval("select settled_seq from posting_documents") == 5

    accepted = await desk.rebuild(accept=True, keep_as="kept_here", by="ada")
    assert (accepted.differing, accepted.swapped) == (1, True)
    assert await desk.pool.fetchval("select settled_seq from posting_documents") == 1
    assert await desk.pool.fetchval("select settled_seq from kept_here.posting_documents") == 5
    (told,) = [decode(event, RebuildCompleted) for event in await desk.told(RebuildCompleted)]
    assert (told.by, told.differing, told.differences) == ("ada", 1, [found.sentence()])


async def test_a_row_that_is_missing_and_one_too_many_are_named(desk: Poster) -> None:
    first, second = Order("1001"), Order("1002")
    await desk.work(first.invoice("10.00"), second.invoice("10.00"))
    await desk.pool.execute("delete from posting_queue where order_key = 'wc01:order:1001'")
    await desk.pool.execute("update posting_orders set order_key = 'wc01:order:9' where order_key = 'wc01:order:1002'")
    report = await desk.rebuild(dry_run=True)

    assert sorted(found.sentence() for found in report.differences) == [
        "posting_orders shop-to-books wc01:order:1002: the log tells of this row, the database lacks it",
        "posting_orders shop-to-books wc01:order:9: the log tells nothing of this row",
        "posting_queue shop-to-books wc01:order:1001 1: the log tells of this row, the database lacks it",
    ]


async def test_a_dry_run_leaves_everything_as_it_was(desk: Poster) -> None:
    await desk.work(Order("1001").invoice("10.00"))
    before = await desk.pool.fetchval("select oid from pg_class where relname = 'posting_documents'")
    report = await desk.rebuild(dry_run=True)

    assert (report.differing, report.swapped, report.compared) == (0, False, True)
    assert await desk.pool.fetchval("select oid from pg_class where relname = 'posting_documents'") == before
    assert await desk.pool.fetch("select 1 from pg_namespace where nspname = $1", generation.FRESH) == []


async def test_folding_a_log_with_every_record_twice_changes_nothing(desk: Poster) -> None:
    await varied_history(desk)
    before = await everything(desk)
    for topic in (desk.topic, desk.runtime.topics.outcomes):
        await desk.repeat(topic)
    await desk.take()
    report = await desk.rebuild()

    assert (report.differing, report.swapped) == (0, True)
    now = await everything(desk)
    assert {**now, "consumer_positions": None} == {**before, "consumer_positions": None}


async def test_rebuilding_twice_gives_the_same(desk: Poster) -> None:
    await varied_history(desk)
    await desk.rebuild()
    first = await everything(desk)
    report = await desk.rebuild()

    assert (report.differing, report.swapped) == (0, True)
    assert await everything(desk) == first


async def test_a_lost_database_without_its_restored_records_is_refused(desk: Poster) -> None:
    await desk.work(Order("1001").invoice("10.00"))
    await desk.lose_everything()
    await desk.pool.execute("delete from connections where id = $1", STORE)
    await desk.pool.execute("delete from vault_secrets where connection = $1", ERP)

    with pytest.raises(ConfigurationError, match=r"need wc01, the secrets of erp, .* `mlc restore FILE`"):
        await desk.rebuild()


async def test_what_was_sent_before_everything_was_lost_is_found_and_not_made_again(desk: Poster) -> None:
    """R19: the ERP took it, and no outcome of it ever reached the log."""
    order, never = Order("1001", party=buyer("9", create=True)), Order("1002")
    await desk.command(order.invoice("10.00"), never.invoice("20.00"))
    while await desk.once():
        continue
    assert sorted(desk.bench.books()) == ["invoice 10.00", "invoice 20.00"]
    await desk.lose_everything()
    report = await desk.rebuild()
    assert (report.unfinished, report.compared, report.swapped) == (2, False, True)
    await desk.work()

    assert sorted(desk.bench.books()) == ["invoice 10.00", "invoice 20.00"]
    assert await desk.states() == ["invoice verified", "invoice verified"]
    assert len(desk.bench.erp.stand().firms) == 1


async def test_what_the_erp_shows_late_is_waited_for_after_everything_was_lost(desk: Poster) -> None:
    """R19: a create that was on its way when the machine died takes effect after the first look."""
    desk.bench.wire.script["create"] = ["late"]
    await desk.command(Order("1001").invoice("10.00"))
    assert await desk.once()
    await desk.lose_everything()
    await desk.rebuild()
    await desk.work()
    await desk.pass_time(60)

    assert desk.bench.books() == ["invoice 10.00"]
    assert len(desk.bench.erp.stand().things) == 1


async def test_an_adjustment_whose_row_was_lost_is_looked_up(desk: Poster) -> None:
    """R19: posted, edited, and the difference was being posted when everything was lost."""
    order = edited("1001")
    await desk.work(order.invoice("100.00"))
    desk.bench.wire.script["create"] = ["late"]
    await desk.command(order.invoice("120.00"))
    await desk.once()
    await desk.lose_everything()
    await desk.rebuild()
    await desk.work()
    await desk.pass_time(60)

    assert desk.bench.books() == ["invoice 100.00", "invoice 20.00"]
    assert len(desk.bench.erp.stand().things) == 2


async def test_an_adjustment_that_is_not_owed_any_more_is_not_made(desk: Poster) -> None:
    order = edited("1001")
    await desk.work(order.invoice("100.00"))
    await desk.command(order.invoice("120.00"))
    await desk.lose_everything()
    assert (await desk.rebuild()).unfinished == 1
    await desk.work(order.invoice("100.00"))

    assert desk.bench.books() == ["invoice 100.00"]
    assert await desk.states() == ["invoice unchanged", "adjustment withdrawn"]


async def test_a_backup_that_is_older_than_the_log_is_brought_up_to_it(desk: Poster) -> None:
    """R19: everything restored as it was some time ago, then rebuilt."""
    first, second, third = edited("1001"), Order("1002"), Order("1003")
    await desk.work(first.invoice("100.00"))
    await desk.rebuild(keep_as="backup")
    await desk.work(first.invoice("120.00"), second.invoice("7.00"))
    await desk.command(third.invoice("8.00"))
    assert await desk.once()
    await desk.restore("backup")
    report = await desk.rebuild(accept=True)
    assert (report.swapped, report.differing > 0, report.unfinished) == (True, True, 1)
    await desk.work()

    books = ["invoice 100.00", "invoice 20.00", "invoice 7.00", "invoice 8.00"]
    assert sorted(desk.bench.books()) == books
    assert await desk.states() == ["invoice adjusted", "adjustment verified", "invoice verified", "invoice verified"]


async def test_what_was_held_comes_back_held_and_is_released_as_ever(desk: Poster) -> None:
    order = Order("1001")
    await desk.work(order.cannot())
    await desk.lose_everything()
    await desk.rebuild()
    assert await desk.states() == ["invoice held"]
    await desk.work(order.invoice("10.00", released=True))

    assert desk.bench.books() == ["invoice 10.00"]


async def test_no_fencing_number_of_before_is_given_again(desk: Poster) -> None:
    """R16: a worker that slept through the rebuild holds a number that nobody gets again."""
    await desk.work(Order("1001").invoice("10.00"))
    last = await desk.pool.fetchval("select last_value from fencing_numbers")
    await desk.rebuild()

    assert await desk.pool.fetchval("select nextval('fencing_numbers')") > last


async def test_a_rebuild_is_refused_while_a_part_works(
    desk: Poster, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlc_common.store.rebuild.running.PATIENCE_S", 0.0)
    part = await connect(database, application="mlc mlc-all@there:7", most=1)
    try:
        with pytest.raises(ConfigurationError, match="still at work on this tenant: mlc-all@there:7"):
            await desk.rebuild()
    finally:
        await part.close()
    assert (await desk.rebuild()).swapped
