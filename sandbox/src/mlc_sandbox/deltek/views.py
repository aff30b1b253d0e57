"""How stored entries and lines are shown: the columns that the server adds on reading (facts sheet §8).

Names are looked up when they are read, so a renamed firm shows its new name in old drafts.
"""

from __future__ import annotations

from mlc_sandbox.deltek import kinds
from mlc_sandbox.deltek.kinds import Kind
from mlc_sandbox.deltek.tenant import Tenant, TransFile
from mlc_sandbox.deltek.wire import Row

_STATUS = {"N": "In Progress", "S": "Submitted", "A": "Approved", "R": "Rejected"}
_INVOICE_ADDS = (
    "WBS1Name", "ClientName", "WBS2Level", "WBS3Level", "ChargeType", "WBS2Name", "WBS3Name", "Org", "CurrencyCode",
    "StatusDescription",
)  # fmt: skip
_OTHER_ADDS = ("StatusDescription", "AuthorizedByName", "ModUserEmployee")
_LINE_ADDS = ("AccountName", "AccountType", "GlobalAccount", "AccountCurrencyCode")


def master_columns(kind: Kind) -> tuple[str, ...]:
    """The columns of an entry as it is read."""
    return (*kind.master.names, "custMLKey", *(_INVOICE_ADDS if kind is kinds.INVOICE else _OTHER_ADDS))


def detail_columns(kind: Kind) -> tuple[str, ...]:
    """The columns of a line as it is read."""
    return (*kind.detail.names, *_LINE_ADDS)


def control_view(tenant: Tenant, file: TransFile) -> Row:
    """A file's header as it is read."""
    if file.kind is not kinds.RECEIPT:
        return file.control
    bank = tenant.banks.get(file.control["DefaultBank"]) or {}
    named = {"DefaultBankDescription": bank.get("Description", "")}
    return file.control | named | {"BankCurrencyCode": bank.get("AccountCurrencyCode", "")}


def master_view(tenant: Tenant, kind: Kind, master: Row) -> Row:
    """An entry as it is read."""
    status = _status_text(tenant, master)
    if kind is not kinds.INVOICE:
        return {**master, "StatusDescription": status, "AuthorizedByName": "", "ModUserEmployee": ""}
    first, second, third = master["WBS1"], master["WBS2"], master["WBS3"]
    project = tenant.projects.get(first, " ", " ") or {}
    firm = tenant.firms.get(project.get("BillingClientID", "")) or {}
    return {
        **master,
        "WBS1Name": project.get("Name", ""),
        "ClientName": firm.get("Name", ""),
        "WBS2Level": "Y" if str(second).strip() else "N",
        "WBS3Level": "Y" if str(third).strip() else "N",
        "ChargeType": project.get("ChargeType", ""),
        "WBS2Name": tenant.project_name(first, second, " ") if str(second).strip() else "",
        "WBS3Name": tenant.project_name(first, second, third) if str(third).strip() else "",
        "Org": project.get("Org", ""),
        "CurrencyCode": tenant.currency_of(first),
        "StatusDescription": status,
    }


def detail_view(tenant: Tenant, line: Row) -> Row:
    """A line as it is read; the account's name stays blank, as in the published answer."""
    account = tenant.accounts.get(line["Account"]) or {}
    return {
        **line,
        "AccountName": "",
        "AccountType": account.get("Type", 0),
        "GlobalAccount": account.get("GlobalAccount") or "Y",
        "AccountCurrencyCode": account.get("AccountCurrencyCode", ""),
    }


def landing_row(tenant: Tenant, file: TransFile) -> Row:
    """A file as `allLanding` lists it."""
    control = file.control
    period = tenant.periods.get(control["Period"]) or {}
    approval = file.masters[0]["Status"] if file.masters else "N"
    posted = file.posted
    return {
        "TransType": file.kind.transtype,
        "TransTypeDesc": file.kind.title,
        "Batch": file.batch,
        "Company": control["Company"],
        "Period": period.get("FmtPeriod", ""),
        "RawPeriod": control["Period"],
        "TransDate": "",
        "RefNo": "",
        "Creator": file.creator,
        "Description": control["Description"],
        "EndDate": control["EndDate"],
        "Total": control["Total"],
        "CurrencyCode": _currency(tenant, file),
        "ApprovalStatus": approval,
        "ApprovalStatusDesc": _STATUS[approval],
        "PostStatus": "P" if posted else "N",
        "PostStatusDesc": "Posted" if posted else "Not Posted",
        "PostComment": "",
        "PostDate": file.post_date,
        "PostUser": file.post_user,
        "PostSeq": file.post_seq,
        "Posted": control["Posted"],
        "EntryAccess": "Y",
        "PostAccess": "Y",
    }


def _currency(tenant: Tenant, file: TransFile) -> str:
    master = file.masters[0] if file.masters else {}
    return str(master.get("CurrencyCode") or tenant.currency_of(str(master.get("WBS1", ""))))


def _status_text(tenant: Tenant, master: Row) -> str:
    """Without approvals the server calls every unposted entry "In Progress", whatever its status letter."""
    return _STATUS[master["Status"]] if tenant.config.approvals_required else _STATUS["N"]
