"""`mlc holds`: what waits for a person, what is known of it, and how to let it go on."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from mlc_cli import environment, orders, releasing
from mlc_cli.output import Json, print_json, say, telling_errors, when
from mlc_cli.releasing import Manner, Wanted, check_reason
from mlc_common.accounting import EXPLANATIONS, HoldReason
from mlc_common.errors import ConfigurationError, Undecodable
from mlc_common.log import read_topic
from mlc_common.store import holds as store
from mlc_common.store.holds import LedgerDocument

app = typer.Typer(help="What waits for a person, and how to let it go on.", add_completion=False)

DEAD_LETTERS = "Records that no reader understands; their bytes are kept as they came, and nothing waits for them."
OF_DEAD_LETTERS = (
    "Find out in the store which webhook or person sends them; what the store has of orders is read by the poller all "
    "the same. They stay listed: --since leaves earlier ones out."
)

Order = Annotated[str, typer.Argument(help="The store's id of the order, or connection:order:id.")]
Reason = Annotated[str, typer.Option(help="Only what is held for this reason; docs/holds.md lists them.")]
Flow = Annotated[str, typer.Option(help="Only of this flow.")]
Since = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Only what is held since this time (UTC)."),
]
Why = Annotated[str, typer.Option(help="Why; it is kept in the log.")]
By = Annotated[str, typer.Option(help="Who asks; the user of this machine if not given.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait for what becomes of it.")]


@app.callback(invoke_without_command=True)
def holds(
    context: typer.Context,
    reason: Reason = "",
    flow: Flow = "",
    since: Since = None,
    as_json: Json = False,
) -> None:
    """What waits for a person, and how to let it go on. Without a command: list."""
    if context.invoked_subcommand is None:
        _list(reason, flow, since, as_json=as_json)


@app.command("list")
def list_(reason: Reason = "", flow: Flow = "", since: Since = None, as_json: Json = False) -> None:
    """List what is held, each with its reason and the remedy.

    Held documents, and dead letters: records that no reader understands.
    `mlc holds` alone does the same.

    \b
    Example:
      mlc holds list --reason account_unknown
    """
    _list(reason, flow, since, as_json=as_json)


@app.command()
def show(order: Order, flow: Flow = "", as_json: Json = False) -> None:
    """Show everything that is recorded of an order's documents, held or not.

    What is wrong and what to do, what waits behind it, what the store asked for,
    and what the ERP holds as far as it is recorded.

    \b
    Example:
      mlc holds show 1001
    """
    with telling_errors(as_json=as_json):
        found = asyncio.run(_documents(order, flow))
        if not found:
            raise ConfigurationError(
                f"no document of order {order} is known; `mlc audit show {order}` tells what the log has of it"
            )
        if as_json:
            print_json([_plain(one) for one in found])
            return
        for one in found:
            _show_document(one, found)


@app.command()
def release(
    order: Annotated[str, typer.Argument(help="The store's id of the order, or connection:order:id.")] = "",
    *,
    why: Why,
    reason: Reason = "",
    everything: Annotated[bool, typer.Option("--all", help="Everything that is held.")] = False,
    flow: Flow = "",
    rebook: Annotated[bool, typer.Option("--rebook", help="Correct also what is posted otherwise.")] = False,
    by: By = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before releasing everything.")] = False,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Try held documents once more, by the mapping that is in force.

    Waits, and tells what became of each: posted, or held again and why.

    \b
    Example:
      mlc holds release 1001 --why "account 4711 was created in the ERP"
    """
    with telling_errors(as_json=as_json):
        manner = Manner(by, why, wait=not no_wait, as_json=as_json)
        releasing.run_release(Wanted(order, reason, everything, flow), manner, rebook=rebook, yes=yes)


@app.command()
def resolve(
    order: Order,
    *,
    found: Annotated[str, typer.Option("--as", help="What you found: posted, absent or closed.")],
    why: Why,
    document: Annotated[str, typer.Option(help="Which, if several are held: its kind, or its key's beginning.")] = "",
    flow: Flow = "",
    by: By = "",
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Settle a held document by hand, and record who found what, and why.

    posted: it is in the books as it should be, by whomever. absent: what was sent
    never arrived; it is sent now. closed: nothing of it is in the books, and
    nothing is to be posted.

    \b
    Example:
      mlc holds resolve 1001 --as posted --why "seen in the ERP, file 4711"
    """
    with telling_errors(as_json=as_json):
        if found not in ("posted", "absent", "closed"):
            raise ConfigurationError(f"--as {found}: say posted, absent or closed")
        manner = Manner(by, why, wait=not no_wait, as_json=as_json)
        releasing.run_resolve(order, document, flow, found, manner)  # type: ignore[arg-type] # checked above


def _list(reason: str, flow: str, since: datetime | None, *, as_json: bool) -> None:
    with telling_errors(as_json=as_json):
        if reason:
            check_reason(reason)
        found, dead = asyncio.run(_read(reason, flow, since.replace(tzinfo=UTC) if since else None))
        dead = [] if reason or flow else dead
        if as_json:
            print_json({"holds": found, "dead_letters": dead})
        else:
            _show(found, dead)


async def _read(reason: str, flow: str, since: datetime | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    async with environment.runtime("holds") as runtime:
        if flow:
            await orders.flows(runtime.pool, flow)
        found = [_row(each) for each in await store.held(runtime.pool, reason=reason, flow=flow, since=since)]
        dead = []
        async for record in read_topic(runtime.settings.kafka_bootstrap_servers, runtime.topics.dead_letter):
            try:
                envelope = record.envelope()
                said, at = envelope.extensions, envelope.time
            except Undecodable as error:
                said, at = {"reason": str(error)}, None
            if since is not None and at is not None and at < since:
                continue
            place = "/".join(said.get(name, "?") for name in ("deadtopic", "deadpartition", "deadoffset"))
            dead.append({"at": place, "reason": said.get("reason", ""), "size": len(record.value or b"")})
        return found, dead


def _row(held: store.HeldDocument) -> dict[str, Any]:
    known = EXPLANATIONS.get(HoldReason(held.reason)) if held.reason in set(HoldReason) else None
    return {
        "flow": held.flow,
        "order": held.order_key,
        "document": held.kind,
        "key": held.document_key,
        "reason": held.reason,
        "detail": held.detail,
        "sentence": known.sentence if known else "",
        "fix": held.fix or (known.remedy if known else ""),
        "posted_before": held.posted,
        "behind": held.behind,
        "since": held.since.isoformat(timespec="seconds"),
    }


def _show(found: list[dict[str, Any]], dead: list[dict[str, Any]]) -> None:
    for why, count in Counter(row["reason"] for row in found).most_common():
        rows = [row for row in found if row["reason"] == why]
        say((why, "bold"), f" ({count}): {rows[0]['sentence']}")
        say(f"What to do: {rows[0]['fix']}", indent=2)
        for row in rows:
            behind = f", {row['behind']} behind it" if row["behind"] else ""
            what = f" {row['document'].replace('_', ' ')}, since {when(row['since'])}{behind}"
            say((row["order"], "bold"), what, indent=2)
            say(row["detail"], indent=4)
    if dead:
        say(("dead letters", "bold"), f" ({len(dead)}): {DEAD_LETTERS}")
        say(f"What to do: {OF_DEAD_LETTERS}", indent=2)
    for letter in dead:
        say((letter["at"], "bold"), f" ({letter['size']} bytes): {letter['reason']}", indent=2)
    if not found and not dead:
        say("Nothing is held.")


async def _documents(order: str, flow: str) -> list[LedgerDocument]:
    async with environment.runtime("holds") as runtime:
        keys = orders.keys(order, await orders.flows(runtime.pool, flow))
        return [one for name, key in keys.items() for one in await store.documents_of(runtime.pool, name, key)]


def _plain(one: LedgerDocument) -> dict[str, Any]:
    known = EXPLANATIONS.get(HoldReason(one.reason)) if one.reason in set(HoldReason) else None
    return {
        "flow": one.flow,
        "order": one.order_key,
        "document": one.kind,
        "key": str(one.document_key),
        "state": one.state,
        "number": one.number,
        "reference": one.reference,
        "wish": one.wish,
        "wanted": one.total,
        "posted": one.posted_total,
        "erp_ids": one.erp_ids,
        "draft_in_erp": one.sent and not one.posted_total,
        "settled": one.settled,
        "adjusts": str(one.adjusts or ""),
        "reason": one.reason,
        "detail": one.detail,
        "sentence": known.sentence if known else "",
        "fix": one.fix or (known.remedy if known else ""),
        "since": one.updated_at.isoformat(timespec="seconds"),
    }


def _show_document(one: LedgerDocument, of_order: list[LedgerDocument]) -> None:
    said = _plain(one)
    kind = one.kind.replace("_", " ")
    say((f"{one.order_key} {kind} {one.number}".strip(), "bold"), f" {one.state}, since {when(said['since'])}")
    if one.reason:
        say(f"{one.reason}: {said['sentence']}", indent=2)
        say(one.detail, indent=2)
        say(f"What to do: {said['fix']}", indent=2)
    behind = [each for each in of_order if each.flow == one.flow and each.place > one.place and not each.settled]
    if one.state == "held" and behind:
        say(
            "Behind it: " + ", ".join(f"{each.kind.replace('_', ' ')} {each.number}".strip() for each in behind),
            indent=2,
        )
    say(f"The store: {_wanted(one)}", indent=2)
    say(f"The ERP, as recorded: {_in_the_erp(one)}", indent=2)
    say(f"Key: {one.document_key}", indent=2)


def _wanted(one: LedgerDocument) -> str:
    if one.adjusts is not None:
        return f"what changed after posting{', ' + one.total if one.total else ''}; it belongs to {one.adjusts}"
    if one.wish == "document":
        return f"wants {one.number} of {one.total}"
    return {"withdrawn": "does not want it any more", "resolved": "a person settled it by hand"}.get(
        one.wish, "wants it; what it should be cannot be said"
    )


def _in_the_erp(one: LedgerDocument) -> str:
    ids = ", ".join(f"{name} {value}" for name, value in one.erp_ids.items())
    if one.posted_total:
        return f"{one.reference} posted with {one.posted_total}" + (f" ({ids})" if ids else "")
    if one.sent:
        return f"a draft {one.reference} of ours may be there"
    return "nothing of ours is there"
