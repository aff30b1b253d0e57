"""Reports of earlier verifications that somebody kept elsewhere: the chains that they saw must still be there.

A chain rests on every record before it, so one equal chain proves all of them unchanged since that report, whoever has
log, database and keys: also where the end was cut off and something else was written in its place. Rule: R20.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlc_common import exactjson
from mlc_common.audit.walk import Finding, What
from mlc_common.errors import ConfigurationError, Undecodable
from mlc_common.store import audit_index
from mlc_common.store.pool import Connection

Place = tuple[str, int]


@dataclass(frozen=True)
class Head:
    """The last row of a partition that a verification saw to agree; ``chain`` in hex."""

    topic: str
    part: int
    offset: int
    chain: str


@dataclass(frozen=True)
class Kept:
    """A report: where it lies, when it was made, and what it saw."""

    where: str
    at: str
    tenant: str
    heads: tuple[Head, ...]

    @classmethod
    def parse(cls, data: bytes, where: str) -> Kept:
        """Read what `mlc audit verify --json` wrote.

        Raises:
            ConfigurationError: it is none; ``where`` names it.
        """
        try:
            said = exactjson.loads(data)
            heads = [(each["topic"], each["partition"], each["offset"], each["chain"]) for each in said["heads"]]
            at, tenant = str(said["at"]), str(said["tenant"])
        except (Undecodable, KeyError, TypeError):
            raise ConfigurationError(f"{where} is no report of `mlc audit verify --json`") from None
        sound = all(isinstance(part, int) and isinstance(offset, int) for _, part, offset, _ in heads)
        if not sound or not heads:
            raise ConfigurationError(f"{where} is a report that saw nothing; keep one of a tenant that has a log")
        return cls(where, at, tenant, tuple(Head(str(t), part, offset, str(c)) for t, part, offset, c in heads))


async def not_as_kept(
    connection: Connection,
    kept: Sequence[Kept],
    positions: Mapping[Place, int],
    ends: Mapping[Place, int],
    *,
    topic: str = "",
) -> list[Finding]:
    """What reports saw and is there no more, or otherwise.

    Args:
        connection: Of the transaction in which everything is looked at.
        kept: The reports.
        positions: How far the index is; what it has not read again yet (a rebuild) says nothing.
        ends: Where the log ends.
        topic: The only one that is looked at; empty = all, also one that is there no more.
    """
    found = []
    for report in kept:
        for head in report.heads:
            place = (head.topic, head.part)
            if topic in ("", head.topic):
                found += await _compared(connection, report, head, positions.get(place, 0), ends.get(place, 0))
    return found


async def _compared(connection: Connection, report: Kept, head: Head, position: int, end: int) -> list[Finding]:
    if end > head.offset >= position:
        return []
    chains = await audit_index.chains_at(connection, head.topic, [(head.part, head.offset)])
    chain = chains.get((head.part, head.offset))
    if end > head.offset and chain is not None and chain.hex() == head.chain:
        return []
    now = "another chain is here" if chain is not None else f"now the log ends at {end}, and the index has no such row"
    detail = f"the report {report.where} of {report.at} saw this row, with all before it; {now}"
    return [Finding(head.topic, head.part, head.offset, "", What.KEPT_REPORT, detail)]
