"""One document on its way into the ERP: look, create, count again, finalise, verify; or adopt, wait, hold.

What may be decided without looking is in ``rules``; how a row is written is in ``writing``. Nothing here repeats a
write blindly: what is not known is looked up (architecture §5).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import structlog

from mlc_common import crash
from mlc_common.accounting import CreditNote, HoldReason, Party
from mlc_common.errors import Held, Rejected, Retryable, Unconfirmed
from mlc_common.events import Command, DocumentWish, HeldWish, ResolvedWish
from mlc_common.posting import adjusting, doubts, rules
from mlc_common.posting.afterwards import Afterwards
from mlc_common.posting.gateway import BillingDocument, Found, Limits, Plan
from mlc_common.posting.ledger import State, Step
from mlc_common.posting.parties import Parties
from mlc_common.posting.rules import Sight
from mlc_common.posting.writing import Later
from mlc_common.telemetry import tracing

_log = structlog.get_logger(__name__)


class Pursuit(Afterwards):
    """One document on its way, within one lease."""

    async def advance(self) -> None:
        """Move the document on until it is settled, held, or must wait (``Later``)."""
        parent = tracing.extract([("traceparent", self._row.trace.encode())]) if self._row.trace else None
        with tracing.span("post", parent=parent, attributes={"kind": self._row.kind, "state": self._row.state.value}):
            await self._step()

    async def _step(self) -> None:
        try:
            await self._advance()
        except Held as held:
            await self.hold(held)
        except Unconfirmed as error:
            await self._record(Step(State.UNKNOWN, "unconfirmed"), attempts=self._row.attempts + 1)
            _log.warning("post.unconfirmed", document=str(self._row.key), detail=str(error))
            raise Later(self._gateway.limits.look_gap_s) from None
        except Retryable as error:
            try:
                raise Later(await self._retry(error)) from None
            except Held as held:
                await self.hold(held)

    async def _advance(self) -> None:
        row = self._row
        resolution = row.newest.wish if row.adjusts is None else None
        if isinstance(resolution, ResolvedWish) and row.pursued_seq < row.newest.seq:
            return await self._resolve(resolution)
        if row.is_outstanding or row.is_doubted:
            return await (self._settle() if row.is_outstanding else self._look_further())
        if row.is_final:  # wanted again with its invoice: not final before it is posted
            self._row = row = dataclasses.replace(row, settled_seq=row.newest.seq - 1)
        if row.posted is not None and row.adjusts is None:
            return await self._after_posting(row.posted)
        self._not_settled_by_hand()
        document, why_not = rules.document_of(row, self._rows, self._gateway.limits), ""
        if isinstance(document, CreditNote):
            why_not = rules.judge_credit(self._rows, document, row.key)
        if document is not None and not why_not:
            return await self._pursue(document)
        if row.sent:  # a draft of ours must not stay behind
            return await self._give_up()
        if row.adjusts is None and isinstance(row.wish, HeldWish):
            raise Held(row.wish.reason, row.wish.detail, fix=row.wish.fix)
        return await self._close(State.WITHDRAWN, why_not)

    # -- a new document

    async def _pursue(self, document: BillingDocument) -> None:
        if await self._leaves_behind(document):
            return None
        plan = await self._plan(document)
        self._row = dataclasses.replace(
            self._row, state=State.INTENDED, pursued=document, pursued_seq=self._row.newest.seq, plan=plan
        )  # no longer held: the newest wish is being tried
        found = await self._gateway.find(document, plan)
        crash.point("post.after_look")
        sight = rules.judge(found)
        if sight is Sight.ABSENT:
            return await self._create(document, plan)
        return await self._take_up(sight, found, [Step(State.INTENDED), Step(State.LOOKING, sight.value)])

    async def _leaves_behind(self, document: BillingDocument) -> bool:
        """Have what an older plan may have left under another reference settled before a new plan replaces it.

        It is the last time that anybody looks there, so absence is proved anew where something was sent.

        Returns:
            Whether there is something to settle first.
        """
        row = self._row
        if row.pursued is None or row.plan is None:
            return False
        if row.pursued.reference == document.reference:
            return row.sent and row.pursued != document and await self._is_posted_already(row.pursued, row.plan)
        if not row.sent and not any(map(self._in_the_way, await self._gateway.find(row.pursued, row.plan))):
            return False
        step = Step(State.UNKNOWN, "another reference is wanted")
        await self._record(step, intent="set", sent=True, absent_looks=0, pursued_seq=0)
        return True

    async def _is_posted_already(self, sent: BillingDocument, plan: Plan) -> bool:
        """Adopt what was sent and held where a person has posted it by hand: a change since is a difference to it."""
        found = await self._gateway.find(sent, plan)
        if rules.judge(found) is not Sight.EQUAL_POSTED:
            return False
        self._row = dataclasses.replace(self._row, pursued_seq=0)
        await self._posted(found[0], [Step(State.POSTED, "adopted")])
        return True

    def _in_the_way(self, found: Found) -> bool:
        """Whether this forbids going elsewhere: ours would be doubled, others a person may overrule."""
        return found.ours or not adjusting.base_of(self._row, self._rows).newest.released

    async def _plan(self, document: BillingDocument) -> Plan:
        """A credit goes where its invoice went, an adjustment where its document went; else it is resolved live."""
        after = self._row.adjusts or (document.invoice if isinstance(document, CreditNote) else None)
        base = next((row.plan for row in self._rows if row.key == after), None)
        firm = "" if base else await self._firm(document.party)
        return await self._gateway.plan(document, firm=firm, base=base)

    async def _create(self, document: BillingDocument, plan: Plan) -> None:
        steps = [Step(State.INTENDED), Step(State.LOOKING, "absent"), Step(State.CREATING)]
        await self._record(*steps, intent="set", sent=True, absent_looks=0)
        crash.point("post.after_intent")
        try:
            self._still_ours()
            await self._gateway.create(document, plan)
        except Rejected as refusal:
            if refusal.rejection != "duplicate":
                raise
            why = f"The ERP says that {plan.reference} exists, and does not show it."
            self._row = dataclasses.replace(self._row, reason=HoldReason.CONFLICT_IN_ERP, detail=why)
            await self._record(Step(State.UNKNOWN, "duplicate"), keep_reason=True)
            return await self._settle()
        except Held as held:
            if held.reason != HoldReason.UNKNOWN_OUTCOME:
                await self._record(Step(State.INTENDED, "refused"), intent="clear")
            raise held from None
        except Retryable as error:
            await self._record(Step(State.INTENDED, "not sent"), intent="clear")
            raise error from None
        crash.point("post.after_create")
        self._row = dataclasses.replace(self._row, state=State.CREATED)
        found = await self._gateway.find(document, plan)
        return await self._take_up(rules.judge(found), found, [Step(State.CREATED, "created")])

    async def _take_up(self, sight: Sight, found: Sequence[Found], steps: Sequence[Step]) -> None:
        """Go on from what a look showed."""
        document, plan = self._pursued()
        if sight is Sight.EQUAL_POSTED:
            return await self._posted(found[0], [*steps, Step(State.POSTED, "adopted")])
        if any(item.status == "draft" for item in found):
            await self._distrust_sight(steps)
        if sight is Sight.EQUAL_DRAFT:
            return await self._finalise(found[0], [*steps, Step(State.RECOUNTED, "one")])
        if sight is Sight.OWN_DRAFT_DIFFERS:
            if self._row.state in (State.CREATED, State.FINALISING):
                raise Held(HoldReason.AMOUNTS_DIFFER_FROM_ERP, found[0].difference)
            await self._record(*steps, Step(State.CREATING, "amending"), intent="set", sent=True, absent_looks=0)
            self._still_ours()
            await self._gateway.amend(document, plan, found[0])
            await self._record(Step(State.CREATED, "amended"))
            return await self._settle()
        if sight is Sight.SURPLUS_DRAFTS:
            await self._record(*steps)
            await self._discard(_spare(found))
            await self._record(Step(State.UNKNOWN, "surplus discarded"))
            raise Later(self._gateway.limits.look_gap_s)
        if sight is Sight.DUPLICATED:
            raise Held(HoldReason.DUPLICATED, f"{plan.reference}: {len(found)} in the ERP.")
        if sight is Sight.CONFLICT:
            raise Held(HoldReason.CONFLICT_IN_ERP, f"{plan.reference}: {found[0].difference or 'not made by us'}")
        await self._record(*steps, Step(State.UNKNOWN, "created but not seen"))
        raise Later(self._gateway.limits.look_gap_s)

    async def _distrust_sight(self, steps: Sequence[Step]) -> None:
        """A draft discarded just now, or a look ago, may still be seen by a look that lags behind."""
        age, delay = self._row.looked_age_s, self._gateway.limits.visibility_delay_s
        if age is not None and age < delay:
            await self._record(*steps)
            raise Later(delay - age)

    async def _finalise(self, found: Found, steps: Sequence[Step]) -> None:
        document, plan = self._pursued()
        crash.point("post.after_recount")
        await self._record(*steps, Step(State.FINALISING), intent="set", sent=True, absent_looks=0)
        crash.point("post.before_finalise")
        try:
            self._still_ours()
            ids = await self._gateway.finalise(document, plan, found)
        except Unconfirmed:
            raise Later(self._gateway.limits.look_gap_s) from None
        except Held as held:
            await self._record(Step(State.CREATED, "refused"), intent="clear")
            raise held from None
        except Retryable as error:  # not sent; it is still announced, so that absence will not be believed too soon
            await self._record(Step(State.RECOUNTED, "not sent"))
            raise error from None
        crash.point("post.after_finalise")
        self._row = dataclasses.replace(self._row, erp_ids={**self._row.erp_ids, **found.ids, **ids})
        await self._verify([Step(State.POSTED, "posted")])

    async def _posted(self, found: Found, steps: Sequence[Step]) -> None:
        self._row = dataclasses.replace(self._row, erp_ids={**self._row.erp_ids, **found.ids})
        await self._verify(steps)

    async def _verify(self, steps: Sequence[Step]) -> None:
        document, plan = self._pursued()
        settled = self._row.pursued_seq if self._row.adjusts is None else self._row.newest.seq  # whatever it was for
        crash.point("post.after_posted")
        try:
            ids = await self._gateway.verify(document, plan)
        except Retryable:
            if steps:
                await self._record(*steps, posted=document, attempts=0)
            raise
        except Held:
            await self._record(*steps, posted=document, intent="clear")
            raise
        await self._record(
            *steps, Step(State.VERIFIED, "equal"), intent="clear", posted=document, attempts=0,
            settled_seq=max(self._row.settled_seq, settled), erp_ids=self._ids_of_ours(ids), doubted=(),
        )  # fmt: skip
        crash.point("post.after_verified")

    # -- what is in flight

    async def _settle(self) -> None:
        """Follow what was announced to its end: adopt, finish, or prove it absent."""
        if self._row.plan is None and not await self._recall():
            return None
        document, plan = self._pursued()
        if self._row.state is State.POSTED:
            return await self._verify([])
        found = await self._gateway.find(document, plan)
        if not found:
            return await self._prove_absent()
        newer, state = self._row.newest.seq > self._row.pursued_seq, self._row.state
        if not any(item.status == "posted" and item.equal and item.ours for item in found):
            if any(item.status == "posted" for item in found) and await self._may_be_another(document):
                return None
            drafts = [item for item in found if item.status == "draft" and item.ours]
            hidden, amended = newer and len(drafts) < len(found), state is State.CREATED and not found[0].equal
            if state in (State.FINALISING, State.HELD) or hidden or amended or self._row.posted is not None:
                self._let_pass()
            if newer:
                return await self._supersede(found, drafts)
        return await self._take_up(rules.judge(found), found, [])

    async def _recall(self) -> bool:
        """Plan what a rebuilt ledger says may have been sent: the log was told of its wish, and not yet of its plan.

        Returns:
            Whether there is anything to look for.
        """
        row = self._row
        wanted = rules.document_of(row, self._rows, self._gateway.limits) if row.pursued is None else None
        document, seq = row.pursued or wanted, row.pursued_seq if row.pursued else row.newest.seq
        if document is None:
            await self._record(Step(State.INTENDED, "nothing to look for"), intent="clear", sent=False)
            return False
        try:
            plan = await self._plan(document)
        except Held:
            newest = row.wish.document if row.adjusts is None and isinstance(row.wish, DocumentWish) else None
            if newest is None or newest == document or newest.reference != document.reference:
                raise
            document, seq = newest, row.newest.seq  # an account that the mapping has corrected since; the same look
            plan = await self._plan(document)
        steps = Step(State.LOOKING, "after a rebuild"), Step(State.UNKNOWN, "after a rebuild")
        await self._record(*steps, pursued=document, pursued_seq=seq, plan=plan)
        return True

    async def _look_further(self) -> None:
        """What a rebuilt ledger doubted first is settled; the next may have been sent under a reference of its own."""
        document, left = doubts.next_doubt(self._row, self._rows, self._gateway.limits)
        if document is None:
            return await self._record(doubted=())
        step = Step(State.UNKNOWN, "perhaps sent before a rebuild")
        return await self._record(
            step, intent="set", sent=True, absent_looks=0, pursued=document, pursued_seq=0, plan=None, doubted=left
        )

    def _doubted_elsewhere(self) -> tuple[Command, ...]:
        """What stays in doubt when nothing of ours is under the reference that was looked at."""
        document, _ = self._pursued()
        return doubts.besides(self._row, self._rows, self._gateway.limits, document.reference)

    async def _may_be_another(self, document: BillingDocument) -> bool:
        """Compare what stands in the books with another wish of before a rebuild, where one had the same reference."""
        found, left = doubts.next_doubt(self._row, self._rows, self._gateway.limits, under=document.reference)
        if found is None:
            return False
        step = Step(State.UNKNOWN, "perhaps another wish")
        await self._record(step, pursued=found, pursued_seq=0, plan=None, doubted=left)
        return True

    def _let_pass(self) -> None:
        """Wait while what was announced may still take effect, or a look may still show what was before it.

        A posting that nobody answered; our draft behind somebody else's document; the old content of an amended draft;
        the draft that something posted once was.
        """
        limits = self._gateway.limits
        wait = self._wait_for_absence(limits.absent_looks)
        if wait > 0:
            raise Later(_until_next_look(wait, limits))

    async def _supersede(self, found: Sequence[Found], drafts: Sequence[Found]) -> None:
        """The old wish is not in the books and will not be: its drafts go, and the newest wish is decided upon."""
        old, plan = self._pursued()
        if self._row.posted is not None:
            why = f"{plan.reference} was posted; it is now a {found[0].status}. {found[0].difference}".strip()
            raise Held(HoldReason.AMOUNTS_DIFFER_FROM_ERP, why)
        foreign = [item for item in found if item not in drafts]
        wanted = rules.document_of(self._row, self._rows, self._gateway.limits)
        elsewhere = wanted is not None and wanted.reference != old.reference
        if elsewhere and drafts:
            await self._distrust_sight([])
        await self._discard(drafts)
        conflict = f"{plan.reference} is in the ERP. {foreign[0].difference}".strip() if foreign else ""
        if elsewhere and any(map(self._in_the_way, foreign)):
            raise Held(HoldReason.CONFLICT_IN_ERP, conflict)
        if elsewhere and drafts:  # nobody looks here again, so they must be seen to be gone
            await self._record(Step(State.UNKNOWN, "discarded"), looked=True)
            raise Later(self._gateway.limits.look_gap_s)
        step = Step(State.INTENDED, "superseded")
        await self._record(step, intent="clear", sent=False, looked=True, doubted=self._doubted_elsewhere())
        if foreign and not isinstance(self._row.wish, DocumentWish):  # a document would be compared with it
            raise Held(HoldReason.CONFLICT_IN_ERP, conflict)

    async def _discard(self, drafts: Sequence[Found]) -> None:
        """Remove drafts of ours: a write like any other, announced and sent at once or not at all."""
        _, plan = self._pursued()
        for draft in drafts:
            await self._record(Step(State.UNKNOWN, "discarding"), intent="set", absent_looks=0)
            self._still_ours()
            await self._gateway.discard(plan, draft)

    async def _prove_absent(self) -> None:
        row = self._row
        if row.state is State.HELD and row.reason == HoldReason.UNKNOWN_OUTCOME and not row.newest.released:
            raise Held(HoldReason.UNKNOWN_OUTCOME, row.detail)
        why_else = row.reason if row.state is State.UNKNOWN else ""  # what the ERP said when it refused to create it
        limits = self._gateway.limits
        age = self._row.looked_age_s
        counts = age is None or age >= limits.look_gap_s
        looks = self._row.absent_looks + (1 if counts else 0)
        wait = self._wait_for_absence(looks)
        if not counts and wait <= 0:
            wait = limits.look_gap_s
        finalising = self._row.state is State.FINALISING
        if wait > 0:
            state = State.FINALISING if finalising else State.UNKNOWN
            step = Step(state, "absent")
            await self._record(step, absent_looks=looks, looked=counts, keep_reason=bool(why_else))
            raise Later(_until_next_look(wait, limits))
        if why_else:
            raise Held(why_else, row.detail)
        if row.posted is not None and not self._may_be_posted_again():
            reference = self._pursued()[1].reference
            raise Held(HoldReason.UNKNOWN_OUTCOME, f"{reference} was posted, and is not in the ERP any more.")
        if finalising:
            raise Held(HoldReason.UNKNOWN_OUTCOME, "It was a draft, was sent to be posted, and is now neither.")
        step = Step(State.INTENDED, "proven absent")
        left = self._doubted_elsewhere()
        await self._record(step, intent="clear", absent_looks=0, sent=False, posted=None, doubted=left)

    def _wait_for_absence(self, looks: int) -> float:
        margin = self._engine.settings.margin_s
        return rules.wait_for_absence(self._row.intent_age_s, looks, self._gateway.limits, margin_s=margin)

    async def _firm(self, party: Party) -> str:
        engine = self._engine
        parties = Parties(engine.ledger, engine.gateway, engine.clock, engine.owner, engine.settings.margin_s)
        return await parties.find_or_make(self._lease.flow, party)


def _until_next_look(wait: float, limits: Limits) -> float:
    return min(wait, limits.look_gap_s) if limits.look_gap_s > 0 else wait


def _spare(found: Sequence[Found]) -> list[Found]:
    """All but the one to keep: what is no draft of ours if there is, else the first equal draft, else the first."""
    keep = next((item for item in found if item.status == "posted" or not item.ours), None)
    keep = keep or next((item for item in found if item.equal), found[0])
    return [item for item in found if item is not keep]
