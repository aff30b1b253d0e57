"""Expiring leases by name, with a fencing number and a note; timed by the database's clock alone.

Leases make doubles rare; they cannot stop a frozen process from sending once it wakes (architecture §5.2).
"""

from __future__ import annotations

from dataclasses import dataclass

from mlc_common.store.pool import Pool


@dataclass(frozen=True)
class Lease:
    """A lease held: until it expires by the database's clock."""

    name: str
    owner: str
    fencing: int
    note: str


async def acquire(pool: Pool, name: str, owner: str, seconds: float, *, anew: bool = False) -> Lease | None:
    """Take or extend the lease; None while another holds it.

    Args:
        pool: Where leases are kept.
        name: Of the lease.
        owner: Who takes it.
        seconds: How long it is held from now on.
        anew: Take it under a new number even where the owner holds it, so that a release of before ends nothing.
    """
    row = await pool.fetchrow(
        """
        insert into leases as l (name, owner, lease_until, fencing)
        values ($1, $2, now() + make_interval(secs => $3), nextval('fencing_numbers'))
        on conflict (name) do update
        set owner = $2, lease_until = excluded.lease_until,
            fencing = case when l.owner = $2 and l.lease_until > now() and not $4 then l.fencing
                else excluded.fencing end
        where l.owner = $2 or l.lease_until <= now()
        returning fencing, note
        """,
        name,
        owner,
        seconds,
        anew,
    )
    return Lease(name, owner, row["fencing"], row["note"]) if row else None


async def release(pool: Pool, lease: Lease, *, note: str | None = None) -> bool:
    """Give the lease back, leaving a note for the next holder; False when it was lost meanwhile."""
    found = await pool.fetchval(
        """
        update leases set lease_until = '-infinity', note = coalesce($4, note)
        where name = $1 and owner = $2 and fencing = $3 returning 1
        """,
        lease.name,
        lease.owner,
        lease.fencing,
        note,
    )
    return found is not None
