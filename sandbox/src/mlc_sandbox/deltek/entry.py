"""Transaction entry: create, read, change and delete unposted files and entries (facts sheet §8).

Two modes. With files, `xxControl` takes everything at once and posted files stay readable; without, `xxMaster` takes
one entry at a time and what is posted disappears. Creating never posts.
"""

from __future__ import annotations

from functools import partial

from mlc_sandbox.deltek import kinds, refusals
from mlc_sandbox.deltek.calls import Call
from mlc_sandbox.deltek.drafts import SHORTEST_INVOICE, master_entity, read_entry, read_file
from mlc_sandbox.deltek.kinds import Kind
from mlc_sandbox.deltek.routing import Router
from mlc_sandbox.deltek.tables import fold
from mlc_sandbox.deltek.tenant import Tenant, TransFile
from mlc_sandbox.deltek.totals import with_sums
from mlc_sandbox.deltek.views import control_view, detail_columns, detail_view, landing_row, master_columns, master_view
from mlc_sandbox.deltek.wire import Answer, Row, created

AREA = "entry"


def add_routes(router: Router) -> None:
    """Register the paths of this module for every transaction type."""
    router.add("GET", "api/DataEntry/allLanding", _all_landing, area=AREA)
    for kind in kinds.KINDS:
        base = f"api/DataEntry/{kind.prefix}"
        router.add("GET", f"{base}Landing", partial(_landing, kind), area=AREA)
        router.add("POST", f"{base}Control", partial(create_file, kind), area=AREA)
        router.add("GET", f"{base}Control/{{Batch}}", partial(_read_file, kind), area=AREA)
        router.add("PUT", f"{base}Control/{{Batch}}", partial(_change_file, kind), area=AREA)
        router.add("DELETE", f"{base}Control/{{Batch}}", partial(_delete_file, kind), area=AREA)
        router.add("GET", f"{base}Master/{{Batch}}", partial(_masters, kind), area=AREA)
        router.add("POST", f"{base}Master/{{Batch}}", partial(_create_entry, kind), area=AREA)
        router.add("PUT", f"{base}Master/{{Batch}}", partial(_change_entry, kind), area=AREA)
        router.add("DELETE", f"{base}Master/{{Batch}}", partial(_delete_entry, kind), area=AREA)
        router.add("GET", f"{base}Detail/{{Batch}}", partial(_details, kind), area=AREA)
    for prefix in kinds.OTHER_PREFIXES:
        router.add("GET", f"api/DataEntry/{prefix}Landing", lambda call: call.listed_rows([], ["Batch"]), area=AREA)


def create_file(kind: Kind, call: Call) -> Answer:
    """POST xxControl; answers the control row only."""
    tenant = call.tenant
    if not tenant.config.use_files:
        raise refusals.same_detail(f"{kind.title} do not use files to group transactions.")
    file = read_file(tenant, call.user, kind, call.sent())
    store_new(tenant, file)
    return created(
        call.shown(control_view(tenant, file)), call.location(f"api/DataEntry/{kind.prefix}Control/{file.batch}")
    )


def store_new(tenant: Tenant, file: TransFile) -> None:
    """Keep a new file, unless its name is taken: the one hard guard against doubles.

    Raises:
        Refusal: a file of this type and name exists.
    """
    known = tenant.file(file.kind.transtype, file.batch)
    if known is not None and not (known.posted and tenant.config.duplicate_guard == "unposted"):
        raise refusals.duplicate(file.batch)
    _number_by_bank(tenant, file)
    keep(tenant, file)


def keep(tenant: Tenant, file: TransFile) -> None:
    """Store a file and what lists show of it; loose entries show in no list."""
    tenant.files[file.kind.transtype, fold(file.batch)] = file
    if file.grouped:
        tenant.landing.put(landing_row(tenant, file))


def forget(tenant: Tenant, file: TransFile) -> None:
    """Take a file out as if it had never been."""
    tenant.files.pop((file.kind.transtype, fold(file.batch)), None)
    tenant.landing.remove(file.kind.transtype, file.batch)


def _number_by_bank(tenant: Tenant, file: TransFile) -> None:
    """A bank with automatic numbering replaces the reference number that was sent."""
    if file.kind is not kinds.RECEIPT or not tenant.config.bank_autonumber:
        return
    for master in file.masters:
        lines = file.lines_of(master)
        master["RefNo"] = f"{tenant.next_number('bank:' + master['BankCode']):08d}"
        for line in lines:
            line["RefNo"] = master["RefNo"]


def _read_file(kind: Kind, call: Call) -> Answer:
    _no_limit(call)
    file = call.tenant.file(kind.transtype, call.keys[0])
    row = control_view(call.tenant, file) if file is not None and file.grouped else None
    return call.single(row, "Batch", call.keys[0])


def _change_file(kind: Kind, call: Call) -> Answer:
    """PUT xxControl: fields sent are changed, a grid that is sent replaces the old one, all is validated again."""
    tenant = call.tenant
    old = _unposted(call, kind, "changed", grouped=True)
    given = {name: old.control[name] for name in kind.control.names} | call.sent() | {"Batch": old.batch}
    for grid, rows in ((kind.master_grid, old.masters), (kind.detail_grid, old.details), (kind.tax_grid, old.taxes)):
        if rows:
            given.setdefault(grid, rows)
    file = read_file(tenant, call.user, kind, given)
    keep(tenant, file)
    return Answer(call.shown(control_view(tenant, file)))


def _delete_file(kind: Kind, call: Call) -> Answer:
    forget(call.tenant, _unposted(call, kind, "deleted", grouped=True))
    return Answer([])


def _masters(kind: Kind, call: Call) -> Answer:
    _no_limit(call)
    file, entry = _split(kind, call)
    masters = [m for m in (file.masters if file else []) if entry is None or fold(m[kind.entry_key]) == fold(entry)]
    if entry is not None and not masters:
        return call.single(None, "Batch", call.keys[0])
    shown = [master_view(call.tenant, kind, master) for master in masters]
    return call.listed_rows(shown, master_columns(kind), refuse_limit=True)


def _details(kind: Kind, call: Call) -> Answer:
    _no_limit(call)
    file, entry = _split(kind, call)
    lines = [d for d in (file.details if file else []) if entry is None or fold(d[kind.entry_key]) == fold(entry)]
    return call.listed_rows([detail_view(call.tenant, line) for line in lines], detail_columns(kind), refuse_limit=True)


def _create_entry(kind: Kind, call: Call) -> Answer:
    """POST xxMaster/{Batch}|{key}, without files only; answers the entry as it is read."""
    tenant = call.tenant
    batch, entry = _entry_key(kind, call)
    if tenant.config.use_files:
        raise refusals.same_detail(f"{kind.title} use files to group transactions; send them to {kind.prefix}Control.")
    new = read_entry(tenant, call.user, kind, call.sent(), batch)
    if fold(new.masters[0][kind.entry_key]) != fold(entry):
        raise refusals.null_reference()
    _guard_entry(tenant, new)
    _number_by_bank(tenant, new)
    known = tenant.file(kind.transtype, batch)
    if known is not None:
        new.masters, new.details, new.taxes = (
            known.masters + new.masters,
            known.details + new.details,
            known.taxes + new.taxes,
        )
    keep(tenant, new)
    shown = master_view(tenant, kind, new.masters[-1])
    return created(call.shown(shown), call.location(f"api/DataEntry/{kind.prefix}Master/{batch}%7C{entry}"))


def loose_key(file: TransFile, master: Row) -> tuple[str, str]:
    """What a posted loose entry leaves behind for the duplicate guard."""
    return file.kind.transtype, fold(f"{file.batch}|{master[file.kind.entry_key]}")


def _guard_entry(tenant: Tenant, new: TransFile) -> None:
    master, key = new.masters[0], new.kind.entry_key
    known = tenant.file(new.kind.transtype, new.batch)
    waiting = known is not None and any(fold(m[key]) == fold(master[key]) for m in known.masters)
    gone = loose_key(new, master) in tenant.posted_loose and tenant.config.duplicate_guard == "always"
    if waiting or gone:
        raise refusals.duplicate(f"{new.batch}|{master[key]}")


def _change_entry(kind: Kind, call: Call) -> Answer:
    tenant = call.tenant
    _, entry = _entry_key(kind, call)
    file = _unposted(call, kind, "changed", grouped=False)
    old = next((m for m in file.masters if fold(m[kind.entry_key]) == fold(entry)), None)
    if old is None:
        raise refusals.absent("Batch", call.keys[0])
    base = {name: old[name] for name in master_entity(tenant, kind).names if name in old}
    given = base | {kind.detail_grid: file.lines_of(old)} | call.sent() | {kind.entry_key: old[kind.entry_key]}
    new = read_entry(tenant, call.user, kind, given, file.batch)
    _drop_entry(file, old)
    file.masters += new.masters
    file.details += new.details
    file.control = with_sums(kind, file.control, file.details)
    return Answer(call.shown(master_view(tenant, kind, new.masters[0])))


def _delete_entry(kind: Kind, call: Call) -> Answer:
    _, entry = _entry_key(kind, call)
    file = _unposted(call, kind, "deleted", grouped=False)
    old = next((m for m in file.masters if fold(m[kind.entry_key]) == fold(entry)), None)
    if old is None:
        raise refusals.absent("Batch", call.keys[0])
    _drop_entry(file, old)
    if not file.masters:
        forget(call.tenant, file)
    return Answer([])


def _drop_entry(file: TransFile, master: Row) -> None:
    key = file.kind.entry_key
    file.masters = [m for m in file.masters if m[key] != master[key]]
    file.details = [d for d in file.details if d[key] != master[key]]
    file.taxes = [t for t in file.taxes if t[key] != master[key]]


def _unposted(call: Call, kind: Kind, verb: str, *, grouped: bool) -> TransFile:
    file, _ = _split(kind, call)
    if file is None or file.grouped is not grouped:
        raise refusals.absent("Batch", call.keys[0])
    if file.posted or any(m["Posted"] == "Y" for m in file.masters):
        raise refusals.posted_already(file.batch, verb)
    return file


def _split(kind: Kind, call: Call) -> tuple[TransFile | None, str | None]:
    batch, bar, entry = call.keys[0].partition("|")
    return call.tenant.file(kind.transtype, batch), entry if bar else None


def _entry_key(kind: Kind, call: Call) -> tuple[str, str]:
    batch, bar, entry = call.keys[0].partition("|")
    if not bar or not entry:
        raise refusals.null_reference()
    return batch, entry.zfill(SHORTEST_INVOICE) if kind is kinds.INVOICE else entry


def _all_landing(call: Call) -> Answer:
    return call.listed(call.tenant.landing, refuse_limit=True)


def _landing(kind: Kind, call: Call) -> Answer:
    rows = [row for row in call.tenant.landing if row["TransType"] == kind.transtype]
    return call.listed_rows(rows, call.tenant.landing.columns, refuse_limit=True)


def _no_limit(call: Call) -> None:
    if "limit" in call.query.params:
        raise refusals.server_fault()
