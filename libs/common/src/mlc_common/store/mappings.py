"""Mapping versions as the control topic tells them: written by the mapper, read by whoever needs to know the flows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from mlc_common.errors import ConfigurationError
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


async def ends_of(connection: Connection | Pool, flow: str) -> tuple[str, str] | None:
    """From which store into which ERP a flow carries; None for one that is not known."""
    row = await connection.fetchrow("select store, erp from mappings where flow = $1 limit 1", flow)
    return (row["store"], row["erp"]) if row else None


async def see_that_it_fits(connection: Connection | Pool, flow: str, store: str, erp: str) -> None:
    """See that a flow goes on between the same two ends: what is booked in one ERP cannot be credited in another.

    Raises:
        ConfigurationError: it carries from or into something else.
    """
    ends = await ends_of(connection, flow)
    if ends not in (None, (store, erp)):
        raise ConfigurationError(
            f"flow {flow} carries {ends[0]} into {ends[1]} and cannot be led from {store} into {erp}: "
            "its documents stay where they are. Give the mapping a flow name of its own, and a cut-over date."
        )


async def apply(connection: Connection, event: MappingApplied) -> None:
    """Fold one ``MappingApplied``, within the caller's transaction. Applying a version again makes it current again.

    Raises:
        ConfigurationError: as ``see_that_it_fits``; nothing is changed.
    """
    await see_that_it_fits(connection, event.flow, event.store, event.erp)
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


async def bodies(connection: Connection | Pool, flow: str) -> list[str]:
    """The text of every mapping that a flow ever had, the one in force first."""
    query = "select body from mappings where flow = $1 order by current desc, applied_at desc"
    return [row["body"] for row in await connection.fetch(query, flow)]


async def erps(connection: Connection | Pool) -> list[str]:
    """Every ERP connection that a mapping ever named: each has a topic of commands, also when no flow uses it now."""
    return [row["erp"] for row in await connection.fetch("select distinct erp from mappings order by erp")]
