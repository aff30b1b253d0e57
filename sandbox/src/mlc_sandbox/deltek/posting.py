"""PostTransFile: move files to the ledger, and answer in the published almost-JSON (facts sheet §8.1).

The answer is HTTP 200 in every case but a fault: a JSON string holding text with pipe-separated lists and a comma too
few. Success is `retList` 1. A posting run may be told to stop half-way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlc_sandbox.deltek import kinds, projects, refusals, totals
from mlc_sandbox.deltek.calls import Call
from mlc_sandbox.deltek.effects import Run, apply_run
from mlc_sandbox.deltek.entry import loose_key
from mlc_sandbox.deltek.ledger import Posting
from mlc_sandbox.deltek.routing import Router
from mlc_sandbox.deltek.settings import is_closed
from mlc_sandbox.deltek.tables import fold
from mlc_sandbox.deltek.tenant import HalfPost, Tenant, TransFile, User
from mlc_sandbox.deltek.views import landing_row
from mlc_sandbox.deltek.wire import Answer, Row, encode

POSTED, NOT_POSTED = "1", "0"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file of the call."""

    transtype: str
    batch: str
    result: str
    period: str
    post_seq: int
    message: str


def add_routes(router: Router) -> None:
    """Register the path of this module."""
    router.add("PUT", "api/DataEntry/PostTransFile", post_files, area="post")


def post_files(call: Call) -> Answer:
    """PUT PostTransFile: `parms` is one object or a list of them."""
    parms = call.sent().get("parms")
    wanted: list[Row] = parms if isinstance(parms, list) else [parms or {}]
    if not wanted or not all(isinstance(parm, dict) and parm for parm in wanted):
        raise refusals.null_reference()
    return answer([post_one(call.tenant, call.user, parm) for parm in wanted], call.tenant)


def post_one(tenant: Tenant, user: User, parm: Row) -> Outcome:
    """Post one file, or say why not.

    Raises:
        Refusal: the run was told to stop half-way with a fault.
    """
    transtype, batch = str(parm.get("transtype", "")).upper(), str(parm.get("batch", ""))
    kind = kinds.BY_TRANSTYPE.get(transtype)
    file = tenant.file(transtype, batch)
    period = _period(tenant, user, parm, file)
    title = f"{kind.title if kind else transtype} file {parm.get('description') or batch}"
    if file is None:
        return Outcome(transtype, batch, NOT_POSTED, str(period), 0, f"{title}; 0 of 0 records posted; No such file.")
    waiting = [m for m in file.masters if m["Posted"] != "Y"]
    problem = next(_problems(tenant, file, period, str(parm.get("clientcompany") or file.control["Company"])), None)
    if problem:
        text = f"{title}; 0 of {len(waiting)} records posted; {problem}"
        return Outcome(transtype, batch, NOT_POSTED, str(period), 0, text)
    seq = tenant.ledger.next_sequence(period, tenant.config.first_post_seq)
    half = _take_half_post(tenant, batch)
    if half is not None:
        return _stop_half_way(tenant, user, Run(file, waiting[: half.masters], period, seq), half)
    apply_run(tenant, Run(file, waiting, period, seq))
    _finish(tenant, user, Run(file, waiting, period, seq))
    text = f"{title}; {len(waiting)} of {len(waiting)} records posted; Posting sequence {seq}"
    return Outcome(transtype, batch, POSTED, str(period), seq, text)


def _period(tenant: Tenant, user: User, parm: Row, file: TransFile | None) -> int:
    """The period of the run: the login's where that wins, else the call's, else the file's."""
    if tenant.config.login_state == "login":
        return user.active_period
    text = str(parm.get("period") or "")
    if text.isascii() and text.isdigit():
        return int(text)
    return int(file.control["Period"]) if file is not None else user.active_period


def _problems(tenant: Tenant, file: TransFile, period: int, company: str) -> Iterator[str]:
    """Why a file cannot be posted now, the first reason first; nothing when it can."""
    if file.posted:
        yield "The file has already been posted."
    if tenant.periods.get(period) is None:
        yield f"Period {period} does not exist"
    if is_closed(tenant, period):
        yield refusals.period_closed(period)
    if company != file.control["Company"]:
        yield f"The file does not belong to company {company}."
    for row in (*file.masters, *file.details):
        problem = projects.inactive(tenant, row) if "WBS1" in row else None
        if problem:
            yield problem
    if tenant.config.approvals_required and any(m["Status"] != "A" for m in file.masters):
        yield "The file is not approved."
    difference = totals.difference(file.kind, file.control, file.details) if file.grouped else 0
    if difference and not tenant.config.ignore_control_totals:
        yield f"The control total differs from the entries by {difference:.2f}."


def _finish(tenant: Tenant, user: User, run: Run) -> None:
    file = run.file
    for master in file.masters:
        master["Posted"] = "Y"
    file.control["Posted"] = "Y"
    file.post_seq, file.post_date, file.post_user = run.post_seq, tenant.today(), user.name
    _log(tenant, user, run, POSTED, len(run.masters))
    if file.grouped:
        file.control["Period"] = run.period
        tenant.landing.put(landing_row(tenant, file))
        return
    tenant.posted_loose.update(loose_key(file, master) for master in file.masters)
    del tenant.files[file.kind.transtype, fold(file.batch)]


def _take_half_post(tenant: Tenant, batch: str) -> HalfPost | None:
    for half in tenant.half_posts:
        if half.batch in ("", batch):
            tenant.half_posts.remove(half)
            return half
    return None


def _stop_half_way(tenant: Tenant, user: User, run: Run, half: HalfPost) -> Outcome:
    """Post some entries, leave the file unposted, and fail."""
    of = len(run.file.masters)
    if run.masters:
        apply_run(tenant, run)
    if half.flags:
        for master in run.masters:
            master["Posted"] = "Y"
    _log(tenant, user, run, NOT_POSTED, of)
    if half.answer == "fault":
        raise refusals.server_fault()
    kind = run.file.kind
    text = f"{kind.title} file {run.file.batch}; {len(run.masters)} of {of} records posted; The run was interrupted."
    return Outcome(kind.transtype, run.file.batch, NOT_POSTED, str(run.period), run.post_seq, text)


def _log(tenant: Tenant, user: User, run: Run, result: str, of: int) -> None:
    tenant.ledger.log.append(
        Posting(
            transtype=run.file.kind.transtype,
            batch=run.file.batch,
            period=run.period,
            post_seq=run.post_seq,
            user=user.name,
            at=tenant.today(),
            records=len(run.masters),
            of=of,
            result=result,
        )
    )


def answer(outcomes: list[Outcome], tenant: Tenant) -> Answer:
    """The answer's body in the form that the tenant is set to."""
    fields = {
        "typeList": "|".join(o.transtype for o in outcomes),
        "batchList": "|".join(o.batch for o in outcomes),
        "retList": "|".join(o.result for o in outcomes),
        "periodList": "|".join(o.period for o in outcomes),
        "postseqList": "|".join(str(o.post_seq) for o in outcomes),
        "msg": "[CRLF]".join(o.message for o in outcomes),
    }
    form = tenant.config.transfile_answer
    if form == "object":
        return Answer(fields)
    if form == "json_string":
        return Answer(encode(fields).decode())
    return Answer(almost_json(fields))


def almost_json(fields: dict[str, str]) -> str:
    """The published text: no comma after the first line, and no escapes inside the values."""
    lines = [f'    "{name}": "{value}"' for name, value in fields.items()]
    return "{\r\n" + lines[0] + "\r\n" + ",\r\n".join(lines[1:]) + "\r\n}"
