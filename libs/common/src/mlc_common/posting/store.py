"""The posting ledger in PostgreSQL.

Every write of a row goes in one statement with its outcomes and the fencing check, so that a worker whose lease was
taken over writes nothing, and the log knows every transition (architecture §5). Ages and leases are timed by the
database's clock alone.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from uuid import UUID

from asyncpg import Record
from pydantic import TypeAdapter

from mlc_common.accounting import CreditNote, Invoice, Party, content_digest, event_id
from mlc_common.clock import Clock
from mlc_common.events import Command, Outcome, PartyOutcome, ResolvedWish, Topics, Wish, encode
from mlc_common.posting.gateway import BillingDocument, Plan
from mlc_common.posting.ledger import DocumentRow, IntentChange, LeaseLost, OrderLease, PartyRow, State, Step
from mlc_common.store import leases
from mlc_common.store.outbox import Outgoing
from mlc_common.store.pool import Pool
from mlc_common.store.posting_queue import add_commands
from mlc_common.telemetry import tracing

__all__ = ["PostgresLedger", "add_commands"]

_DOCUMENT: TypeAdapter[BillingDocument] = TypeAdapter(Invoice | CreditNote)
_COMMANDS: TypeAdapter[tuple[Command, ...]] = TypeAdapter(tuple[Command, ...])

_LEASE = """
with candidates as (
    select flow, order_key from posting_orders
    where erp = $1 and runnable and not_before <= now() and lease_until <= now()
    order by not_before limit $3 for update skip locked
)
update posting_orders o
set lease_owner = $2, lease_until = now() + make_interval(secs => $4), fencing = nextval('fencing_numbers')
from candidates c where o.flow = c.flow and o.order_key = c.order_key
returning o.flow, o.order_key, o.fencing, o.contiguous_seq
"""

_LOAD = """
select d.*, q.command, q.trace,
    extract(epoch from now() - d.intent_at)::float8 as intent_age,
    extract(epoch from now() - d.looked_at)::float8 as looked_age
from posting_documents d
join lateral (
    select command, trace from posting_queue q
    where q.seq <= $3 and case when d.adjusts is null then q.document_key = d.document_key
        else q.command_id = d.command_id end
    order by q.seq desc limit 1
) q on true
where d.flow = $1 and d.order_key = $2
order by d.place
"""

_RECORD = """
with lease as (
    update posting_orders set lease_until = now() + make_interval(secs => $4)
    where flow = $1 and order_key = $2 and fencing = $3 returning fencing
), row as (
    update posting_documents set
        version = $6, state = $7, pursued = $8, plan = $9, sent = $10, absent_looks = $11, attempts = $12, posted = $13,
        erp_ids = $14, reason = $15, detail = $16, fix = $17, settled_seq = $18, pursued_seq = $19, command_id = $20,
        doubted = $29,
        intent_at = case $21::text when 'set' then now() when 'clear' then null else intent_at end,
        looked_at = case when $22 then now() else looked_at end, updated_at = now()
    from lease where document_key = $5
    returning extract(epoch from now() - intent_at)::float8 as intent_age,
        extract(epoch from now() - looked_at)::float8 as looked_age
), events as (
    insert into outbox (producer, lane, topic, headers, value, key)
    select $23, u.lane, u.topic, u.headers, u.value, u.key
    from row, unnest($24::int[], $25::text[], $26::text[], $27::bytea[], $28::bytea[])
        with ordinality as u (lane, topic, headers, value, key, position)
    order by u.position
)
select intent_age, looked_age from row
"""

_RECORD_PARTY = """
with lease as (
    select 1 from leases where name = $1 and owner = $2 and fencing = $3 and lease_until > now() for update
), row as (
    update posting_parties set version = $5, state = $6, erp_id = $7, absent_looks = $8,
        intent_at = case $9::text when 'set' then now() when 'clear' then null else intent_at end,
        looked_at = case when $10 then now() else looked_at end, updated_at = now()
    from lease where party_key = $4
    returning extract(epoch from now() - intent_at)::float8 as intent_age,
        extract(epoch from now() - looked_at)::float8 as looked_age
), events as (
    insert into outbox (producer, lane, topic, headers, value, key)
    select $11, u.lane, u.topic, u.headers, u.value, u.key
    from row, unnest($12::int[], $13::text[], $14::text[], $15::bytea[], $16::bytea[])
        with ordinality as u (lane, topic, headers, value, key, position)
    order by u.position
)
select intent_age, looked_age from row
"""


class PostgresLedger:
    """Keeps documents, parties and leases of one tenant."""

    def __init__(self, pool: Pool, topics: Topics, clock: Clock, *, producer: str) -> None:
        self._pool = pool
        self._topics = topics
        self._clock = clock
        self._producer = producer

    async def lease_orders(self, erp: str, owner: str, most: int, seconds: float) -> Sequence[OrderLease]:
        """See ``Ledger``."""
        rows = await self._pool.fetch(_LEASE, erp, owner, most, seconds)
        return [OrderLease(r["flow"], r["order_key"], owner, r["fencing"], r["contiguous_seq"]) for r in rows]

    async def documents(self, lease: OrderLease) -> Sequence[DocumentRow]:
        """See ``Ledger``."""
        found = await self._pool.fetch(_LOAD, lease.flow, lease.order_key, lease.contiguous_seq)
        rows = [_row(r) for r in found]
        if any(isinstance(row.newest.wish, ResolvedWish) for row in rows):  # a person's hand: seldom
            rows = [dataclasses.replace(row, before=await self._settled_by(row)) for row in rows]
        return rows

    async def _settled_by(self, row: DocumentRow) -> Wish | None:
        """The wish that a resolution settles."""
        if not isinstance(row.newest.wish, ResolvedWish):
            return None
        earlier = await self._pool.fetch(
            "select command from posting_queue where document_key = $1 and seq < $2 order by seq desc",
            row.newest.document_key,
            row.newest.seq,
        )
        wishes = (Command.model_validate_json(r["command"]).wish for r in earlier)
        return next((wish for wish in wishes if not isinstance(wish, ResolvedWish)), None)

    async def record(
        self,
        lease: OrderLease,
        row: DocumentRow,
        steps: Sequence[Step],
        *,
        intent: IntentChange = "keep",
        looked: bool = False,
        extend_s: float,
    ) -> DocumentRow:
        """See ``Ledger``."""
        row = dataclasses.replace(row, version=row.version + max(len(steps), 1))
        stored = await self._pool.fetchrow(
            _RECORD,
            lease.flow,
            lease.order_key,
            lease.fencing,
            extend_s,
            row.key,
            row.version,
            row.state.value,
            row.pursued.model_dump_json() if row.pursued else None,
            _plan_text(row.plan),
            row.sent,
            row.absent_looks,
            row.attempts,
            row.posted.model_dump_json() if row.posted else None,
            json.dumps(dict(row.erp_ids)),
            row.reason,
            row.detail,
            row.fix,
            row.settled_seq,
            row.pursued_seq,
            row.newest.command_id,
            intent,
            looked,
            self._producer,
            *_columns(self._outcomes(lease, row, steps)),
            _COMMANDS.dump_json(row.doubted).decode(),
        )
        if stored is None:
            raise LeaseLost(f"{lease.flow} {lease.order_key} was taken over from {lease.owner}")
        return dataclasses.replace(row, intent_age_s=stored["intent_age"], looked_age_s=stored["looked_age"])

    async def open_adjustment(self, lease: OrderLease, base: DocumentRow, key: UUID) -> None:
        """See ``Ledger``."""
        await self._pool.execute(
            """
            insert into posting_documents (document_key, flow, order_key, kind, place, newest_seq, command_id, adjusts)
            select $5, $1, $2, 'adjustment', $6, $6, $7, $4 from posting_orders
            where flow = $1 and order_key = $2 and fencing = $3
            on conflict (document_key) do nothing
            """,
            lease.flow, lease.order_key, lease.fencing, base.key, key, base.newest.seq, base.newest.command_id,
        )  # fmt: skip

    async def release(self, lease: OrderLease, *, runnable: bool, after_s: float) -> None:
        """See ``Ledger``. New commands that arrived meanwhile keep the order runnable."""
        await self._pool.execute(
            """
            update posting_orders set lease_owner = null, lease_until = '-infinity',
                runnable = $5 or contiguous_seq > $4,
                not_before = case when contiguous_seq > $4 then now() else now() + make_interval(secs => $6) end
            where flow = $1 and order_key = $2 and fencing = $3
            """,
            lease.flow, lease.order_key, lease.fencing, lease.contiguous_seq, runnable, after_s,
        )  # fmt: skip

    async def party(self, flow: str, party: Party) -> PartyRow:
        """See ``Ledger``."""
        query = """
            select party_key, flow, external_key, version, state, erp_id, absent_looks,
                extract(epoch from now() - intent_at)::float8 as intent_age,
                extract(epoch from now() - looked_at)::float8 as looked_age
            from posting_parties where party_key = $1
        """
        found = await self._pool.fetchrow(query, party.key)
        if found is None:
            await self._pool.execute(
                """
                insert into posting_parties (party_key, flow, external_key) values ($1, $2, $3) on conflict do nothing
                """,
                party.key, flow, party.external_key,
            )  # fmt: skip
            return PartyRow(party.key, flow, party.external_key)
        return PartyRow(
            found["party_key"], found["flow"], found["external_key"], found["version"], found["state"], found["erp_id"],
            found["intent_age"], found["absent_looks"], found["looked_age"],
        )  # fmt: skip

    async def lease_party(self, key: UUID, owner: str, seconds: float) -> int | None:
        """See ``Ledger``. Two orders of one worker are two owners here, or both would make the firm."""
        row = await self._pool.fetchrow(
            """
            insert into leases as l (name, owner, lease_until, fencing)
            values ($1, $2, now() + make_interval(secs => $3), nextval('fencing_numbers'))
            on conflict (name) do update
            set owner = $2, lease_until = excluded.lease_until, fencing = excluded.fencing
            where l.lease_until <= now() returning fencing
            """,
            f"party:{key}", owner, seconds,
        )  # fmt: skip
        return row["fencing"] if row else None

    async def record_party(
        self, row: PartyRow, owner: str, fencing: int, *, intent: IntentChange = "keep", looked: bool = False
    ) -> PartyRow:
        """See ``Ledger``."""
        row = dataclasses.replace(row, version=row.version + 1)
        stored = await self._pool.fetchrow(
            _RECORD_PARTY, f"party:{row.key}", owner, fencing, row.key, row.version, row.state, row.erp_id,
            row.absent_looks, intent, looked, self._producer, *_columns([self._party_outcome(row, fencing)]),
        )  # fmt: skip
        if stored is None:
            raise LeaseLost(f"the party {row.external_key} was taken over from {owner}")
        return dataclasses.replace(row, intent_age_s=stored["intent_age"], looked_age_s=stored["looked_age"])

    async def release_party(self, key: UUID, owner: str, fencing: int) -> None:
        """See ``Ledger``."""
        await leases.release(self._pool, leases.Lease(f"party:{key}", owner, fencing, ""))

    def _outcomes(self, lease: OrderLease, row: DocumentRow, steps: Sequence[Step]) -> list[Outgoing]:
        first = row.version - len(steps) + 1
        return [self._outcome(lease, row, step, first + i) for i, step in enumerate(steps)]

    def _outcome(self, lease: OrderLease, row: DocumentRow, step: Step, version: int) -> Outgoing:
        document = row.pursued
        now = self._clock.now()
        held, begun = step.state is State.HELD, step.state is State.LOOKING
        outcome = Outcome(
            document_key=row.key,
            command_id=row.newest.command_id,
            flow=row.flow,
            order_key=row.order_key,
            kind=row.kind,
            seq=row.newest.seq,
            place=row.place,
            version=version,
            state=step.state.value,
            reference=row.plan.reference if row.plan else "",
            number=row.plan.number if row.plan else "",
            total=document.total if document else None,
            currency=document.currency if document else "",
            reason=row.reason if held else "",
            detail=row.detail if held else "",
            fix=row.fix if held else "",
            erp_ids=dict(row.erp_ids),
            request_digest=content_digest(document) if document and step.state is State.CREATING else "",
            response_class=step.response,
            fencing=lease.fencing,
            at=now,
            document=document if begun else row.posted if step.state is State.RESOLVED else None,
            plan=dict(row.plan.resolved) if row.plan and begun else {},
            adjusts=row.adjusts,
            settled_seq=row.settled_seq,
            pursued_seq=row.pursued_seq,
            sent=row.sent,
        )
        envelope = encode(
            outcome,
            event_id=event_id("outcome", str(row.key), version),
            subject=row.order_key,
            source=f"/{self._topics.tenant}/{self._producer}",
            time=now,
            extensions={
                "documentkey": str(row.key),
                "state": step.state.value,
                "flow": row.flow,
                **tracing.trace_extensions(),
            },
        )
        return Outgoing(self._topics.outcomes, envelope)

    def _party_outcome(self, row: PartyRow, fencing: int) -> Outgoing:
        now = self._clock.now()
        outcome = PartyOutcome(
            party_key=row.key,
            flow=row.flow,
            state=row.state,
            erp_id=row.erp_id,
            external_key=row.external_key,
            fencing=fencing,
            version=row.version,
            at=now,
        )
        envelope = encode(
            outcome,
            event_id=event_id("party", str(row.key), row.version),
            subject=f"{row.flow}:party:{row.key}",
            source=f"/{self._topics.tenant}/{self._producer}",
            time=now,
        )
        return Outgoing(self._topics.outcomes, envelope)


def _columns(outgoing: Sequence[Outgoing]) -> list[list[object]]:
    """The outbox's columns, one list each, for ``unnest``."""
    rows = [item.columns() for item in outgoing]
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], [], [], []]


def _plan_text(plan: Plan | None) -> str | None:
    if plan is None:
        return None
    return json.dumps({"reference": plan.reference, "number": plan.number, "resolved": dict(plan.resolved)})


def _row(r: Record) -> DocumentRow:
    return DocumentRow(
        key=r["document_key"],
        flow=r["flow"],
        order_key=r["order_key"],
        kind=r["kind"],
        place=r["place"],
        newest=Command.model_validate_json(r["command"]),
        trace=r["trace"],
        settled_seq=r["settled_seq"],
        version=r["version"],
        state=State(r["state"]),
        pursued=_document(r["pursued"]),
        pursued_seq=r["pursued_seq"],
        plan=Plan(**json.loads(r["plan"])) if r["plan"] else None,
        sent=r["sent"],
        intent_age_s=r["intent_age"],
        absent_looks=r["absent_looks"],
        looked_age_s=r["looked_age"],
        attempts=r["attempts"],
        posted=_document(r["posted"]),
        erp_ids=json.loads(r["erp_ids"]),
        reason=r["reason"],
        detail=r["detail"],
        fix=r["fix"],
        adjusts=r["adjusts"],
        doubted=_COMMANDS.validate_json(r["doubted"]) if r["doubted"] != "[]" else (),
    )


def _document(text: str | None) -> BillingDocument | None:
    return _DOCUMENT.validate_json(text) if text else None
