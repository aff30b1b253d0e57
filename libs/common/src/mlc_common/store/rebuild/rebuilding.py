"""One rebuild from beginning to end: make a fresh generation, fold the log into it, compare, swap.

Nothing in force is touched before the swap; what fails or is broken off leaves the old generation as it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlc_common.accounting import event_id
from mlc_common.errors import ConfigurationError
from mlc_common.events import RebuildCompleted, encode
from mlc_common.log import read_topic
from mlc_common.runtime import Runtime
from mlc_common.store import connections, mappings, outbox
from mlc_common.store.pool import Connection, Pool, connect
from mlc_common.store.rebuild import generation, ledger, recorded, running, unfinished
from mlc_common.store.rebuild.comparison import Compared, Difference, count, differences
from mlc_common.store.rebuild.folding import Fold, Folding, Progress, folds, untold

LISTED = 1000
"""Differences that are kept to be shown; all are counted."""

TOLD = 100
"""Differences that the event tells."""


@dataclass(frozen=True)
class Wanted:
    """How to rebuild.

    Attributes:
        dry_run: Fold and compare, then drop the fresh generation.
        accept: Swap although the generations differ.
        keep_as: Schema in which the old generation is kept; dropped without it.
        force: Do not ask whether parts are at work.
        by: Who asks for it.
    """

    dry_run: bool = False
    accept: bool = False
    keep_as: str = ""
    force: bool = False
    by: str = ""


@dataclass
class Report:
    """What a rebuild found and did.

    Attributes:
        rows: Recorded rows per table of the fresh generation.
        compared: Whether there was an old generation to compare with.
        differing: Rows that differ; the first of them in ``differences``.
        unfinished: Documents that are looked up in the ERP first.
        swapped: Whether the fresh generation is in force now.
    """

    rows: dict[str, int] = field(default_factory=dict)
    compared: bool = False
    differing: int = 0
    differences: list[Difference] = field(default_factory=list)
    unfinished: int = 0
    notes: list[str] = field(default_factory=list)
    swapped: bool = False


async def rebuild(
    runtime: Runtime, wanted: Wanted, told: Progress = untold, parts: Sequence[Fold] | None = None
) -> Report:
    """Rebuild every table that the log records.

    Args:
        runtime: Of the tenant.
        wanted: How.
        told: Hears how far it is.
        parts: Folds of the services; those that are installed by default.

    Raises:
        ConfigurationError: parts are at work, the log is incomplete, or connections have not been restored.
        Retryable: broker or database went away; nothing was changed.
    """
    brokers, dsn = runtime.settings.kafka_bootstrap_servers, runtime.settings.database_url.get_secret_value()
    ours = [Fold(_fold_ledger, recorded.COMPARED), *(folds() if parts is None else parts)]
    async with running.alone(runtime.pool):
        if not wanted.force:
            await running.until_nobody_works(runtime.pool, brokers, runtime.topics, runtime.clock, told)
        waiting = await outbox.waiting(runtime.pool)
        if waiting and not wanted.dry_run:
            await _append_waiting(runtime, waiting)
        await generation.make(runtime.pool, dsn)
        try:
            report = await _fold(runtime, dsn, ours, told)
            if waiting and wanted.dry_run:
                report.notes.append("Events wait in the outbox; a rebuild appends them before it folds.")
            await _compare(runtime.pool, ours, report, told)
            if wanted.dry_run or (report.differing and not wanted.accept):
                return report
            if not wanted.force:
                await running.until_nobody_works(runtime.pool, brokers, runtime.topics, runtime.clock, told)
            await generation.swap(runtime.pool, keep_as=wanted.keep_as)
            report.swapped = True
            await _tell(runtime, wanted, report)
            return report
        finally:
            await generation.drop(runtime.pool)


async def _tell(runtime: Runtime, wanted: Wanted, report: Report) -> None:
    """Say on the log that the tables are new, and by whose word where they differ from the old ones."""
    at = runtime.clock.now()
    event = RebuildCompleted(
        compared=report.compared,
        differing=report.differing,
        differences=[each.sentence() for each in report.differences[:TOLD]],
        unfinished=report.unfinished,
        by=wanted.by,
        at=at,
    )
    envelope = encode(
        event,
        event_id=event_id("rebuild-completed", at.isoformat()),
        subject="rebuild:completed",
        source=f"/{runtime.topics.tenant}/cli",
        time=at,
    )
    await runtime.log.publish(runtime.topics.audit, envelope)


async def _append_waiting(runtime: Runtime, waiting: Mapping[str, Sequence[int]]) -> None:
    """What was decided and not appended yet belongs to the log: nobody else would append it after the swap."""
    for producer, lanes in waiting.items():
        while await outbox.publish_pending(runtime.pool, runtime.log, producer, lanes):
            continue


async def _fold(runtime: Runtime, dsn: str, parts: Sequence[Fold], told: Progress) -> Report:
    pool = await connect(dsn, application=f"mlc {runtime.owner}", most=4, schema=generation.FRESH)
    try:
        brokers = runtime.settings.kafka_bootstrap_servers
        folding = Folding(pool, runtime.topics, brokers, runtime.clock, told)
        await ledger.fold_mappings(folding)
        await _check_restored(runtime.pool, folding)
        for part in parts:
            await part.run(folding)
        await unfinished.announce(folding)
        await _start_fencing(runtime.pool, pool)
        await _drop_known_letters(folding)
        await pool.execute(f"analyze {', '.join(each.table for part in parts for each in part.compared)}")
        report = Report(notes=folding.notes)
        report.unfinished = await pool.fetchval("select count(*) from posting_documents where state = 'unknown'")
        for compared in [each for part in parts for each in part.compared]:
            report.rows[compared.table] = await count(pool, generation.FRESH, compared)
        return report
    finally:
        await pool.close()


async def _check_restored(pool: Pool, folding: Folding) -> None:
    """Refuse to go on without the records that are no projections: nothing could work with what comes of it.

    Raises:
        ConfigurationError: a connection that a flow names is missing, or its secrets are.
    """
    named = {each for flow in await mappings.current(folding.pool) for each in (flow.store, flow.erp)}
    known = {each.id for each in await connections.list_all(pool)}
    sealed = {row["connection"] for row in await pool.fetch("select distinct connection from vault_secrets")}
    missing = sorted(named - known) + sorted(f"the secrets of {each}" for each in (named & known) - sealed)
    if missing:
        raise ConfigurationError(
            f"the flows of this log need {', '.join(missing)}, which the database lacks; connections and secrets are "
            "not in the log: bring them back with `mlc restore FILE` first, see docs/rebuild.md"
        )


async def _fold_ledger(folding: Folding) -> None:
    for erp in await mappings.erps(folding.pool):
        await ledger.fold_commands(folding, erp)
    await ledger.fold_outcomes(folding)


async def _start_fencing(old: Pool, fresh: Pool) -> None:
    number = await old.fetchval("select last_value from fencing_numbers")
    async with fresh.acquire() as connection:
        await ledger.start_fencing_above(connection, number)


async def _drop_known_letters(folding: Folding) -> None:
    """Dead letters that the log holds already need not be appended again."""
    rows = await folding.pool.fetch("select id, headers from outbox")
    if not rows:
        return
    known = {
        (dict(record.headers).get("ce_id") or b"").decode()
        async for record in read_topic(folding.brokers, folding.topics.dead_letter)
    }
    ids = [row["id"] for row in rows if dict(json.loads(row["headers"]))["ce_id"] in known]
    await folding.pool.execute("delete from outbox where id = any($1::bigint[])", ids)


async def _compare(pool: Pool, parts: Sequence[Fold], report: Report, told: Progress) -> None:
    if not await pool.fetchval("select exists (select 1 from consumer_positions)"):
        return
    report.compared = True
    tables = [each for part in parts for each in part.compared]
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        for done, compared in enumerate(tables):
            told("comparing", done, len(tables))
            await _compare_table(connection, compared, report)
    told("comparing", len(tables), len(tables))


async def _compare_table(connection: Connection, compared: Compared, report: Report) -> None:
    place = f"{generation.IN_FORCE}.{compared.table}"
    if await connection.fetchval("select to_regclass($1) is null", place):
        lost = report.rows[compared.table]
        report.notes.append(f"The table {compared.table} is gone, of which the log tells {lost} rows.")
        report.differing += max(1, lost)
        return
    async for found in differences(connection, generation.IN_FORCE, generation.FRESH, compared):
        report.differing += 1
        if len(report.differences) < LISTED:
            report.differences.append(found)
