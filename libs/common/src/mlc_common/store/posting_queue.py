"""The queue of commands in PostgreSQL: what arrived, which documents it speaks of, and up to where there is no gap.

Only adds; what is made of a command is the posting engine's (``mlc_common.posting``).
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from mlc_common.events import Command
from mlc_common.store.pool import Connection

_ADD = """
with given as (
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::int[], $6::text[], $7::text[], $8::text[])
        as g (command_id, flow, order_key, document_key, seq, kind, command, trace)
)
insert into posting_queue (command_id, flow, order_key, document_key, seq, kind, command, trace)
select command_id, flow, order_key, document_key, seq, kind, command, trace from given
on conflict do nothing
"""

_NOT_TAKEN = """
select id from unnest($1::uuid[]) as g (id) where not exists (select 1 from posting_queue q where q.command_id = g.id)
"""

_ADD_DOCUMENTS = """
insert into posting_documents as d (document_key, flow, order_key, kind, place, newest_seq, command_id)
select distinct on (document_key) document_key, flow, order_key, kind, min(seq) over w, max(seq) over w, command_id
from unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::int[], $6::text[])
    as g (command_id, flow, order_key, document_key, seq, kind)
where exists (select 1 from posting_queue q where q.command_id = g.command_id)
window w as (partition by document_key)
order by document_key, seq desc
on conflict (document_key) do update
set place = least(d.place, excluded.place), newest_seq = greatest(d.newest_seq, excluded.newest_seq)
"""

_ADD_ORDERS = """
insert into posting_orders as o (flow, order_key, erp, contiguous_seq)
select t.flow, t.order_key, $1, (
    select count(*) from (
        select seq, row_number() over (order by seq) as position from posting_queue q
        where q.flow = t.flow and q.order_key = t.order_key
    ) arrived where seq = position
)
from (select distinct * from unnest($2::text[], $3::text[]) as t (flow, order_key)) t
order by t.flow, t.order_key
on conflict (flow, order_key) do update
set contiguous_seq = excluded.contiguous_seq, runnable = true, not_before = least(o.not_before, now())
where o.contiguous_seq < excluded.contiguous_seq
"""


async def add_commands(
    connection: Connection, erp: str, commands: Sequence[Command], traces: Sequence[str] = ()
) -> set[UUID]:
    """Put commands into the queue of one ERP, within the caller's transaction. One seen before changes nothing.

    Orders are locked before their documents, as the engine does it, or the two could wait for each other.

    Args:
        connection: In a transaction.
        erp: The ERP's connection.
        commands: As they arrived.
        traces: The W3C trace parent of each, where it has one.

    Returns:
        Ids of commands that cannot be taken: another command of the order has their seq.
    """
    if not commands:
        return set()
    flows, orders = [c.flow for c in commands], [c.order_key for c in commands]
    ids, keys = [c.command_id for c in commands], [c.document_key for c in commands]
    seqs, kinds = [c.seq for c in commands], [c.kind for c in commands]
    texts = [c.model_dump_json() for c in commands]
    known = list(traces) or [""] * len(commands)
    await connection.execute(_ADD, ids, flows, orders, keys, seqs, kinds, texts, known)
    await connection.execute(_ADD_ORDERS, erp, flows, orders)
    await connection.execute(_ADD_DOCUMENTS, ids, flows, orders, keys, seqs, kinds)
    return {row["id"] for row in await connection.fetch(_NOT_TAKEN, ids)}
