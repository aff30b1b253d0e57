"""Mapping versions as the control topic tells them: written by the mapper, read by whoever needs to know the flows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from mlc_common.events import MappingApplied
from mlc_common.store.pool import Connection, Pool


@dataclass(frozen=True)
class AppliedMapping:
    """A flow's mapping in force; ``since`` its cut-over date, ``needs`` what snapshots hold beyond the order."""

    flow: str
    version: str
    store: str
    erp: str
    body: str
    needs: tuple[str, ...]
    since: date | None


async def apply(connection: Connection, event: MappingApplied) -> None:
    """Fold one ``MappingApplied``, within the caller's transaction. Applying a version again makes it current again."""
    await connection.execute("update mappings set current = false where flow = $1 and current", event.flow)
    await connection.execute(
        """
        insert into mappings (flow, version, store, erp, body, needs, since, applied_by, applied_at, current)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, true)
        on conflict (flow, version) do update set current = true
        """,
        event.flow, event.version, event.store, event.erp, event.text, event.needs, event.since, event.by, event.at,
    )  # fmt: skip


async def current(connection: Connection | Pool) -> list[AppliedMapping]:
    """The mapping in force of every flow."""
    rows = await connection.fetch(
        "select flow, version, store, erp, body, needs, since from mappings where current order by flow"
    )
    return [
        AppliedMapping(r["flow"], r["version"], r["store"], r["erp"], r["body"], tuple(r["needs"]), r["since"])
        for r in rows
    ]


async def erps(connection: Connection | Pool) -> list[str]:
    """Every ERP connection that a mapping ever named: each has a topic of commands, also when no flow uses it now."""
    return [row["erp"] for row in await connection.fetch("select distinct erp from mappings order by erp")]
