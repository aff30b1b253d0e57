"""Why a document waits for a person: the closed list of reasons, each with a sentence and a remedy for the bookkeeper.

A reason is data of the log: names are never renamed or reused. Adding one needs the sentence, the remedy, and a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class HoldReason(StrEnum):
    """Stable codes; the meaning is in ``EXPLANATIONS``."""

    NO_MAPPING = "no_mapping"
    ACCOUNT_UNKNOWN = "account_unknown"
    TAX_CODE_UNKNOWN = "tax_code_unknown"
    STATUS_UNKNOWN = "status_unknown"
    CURRENCY_NOT_MAPPED = "currency_not_mapped"
    BAD_DATA = "bad_data"
    TO_BE_READ = "to_be_read"
    DOES_NOT_BALANCE = "does_not_balance"
    AMOUNT_NOT_REPRESENTABLE = "amount_not_representable"
    PARTY_MISSING = "party_missing"
    FIRM_AMBIGUOUS = "firm_ambiguous"
    GUEST_NOT_ALLOWED = "guest_not_allowed"
    PROJECT_MISSING = "project_missing"
    PROJECT_AMBIGUOUS = "project_ambiguous"
    PROJECT_INACTIVE = "project_inactive"
    PERIOD_CLOSED = "period_closed"
    NO_INVOICE = "no_invoice"
    CREDIT_EXCEEDS_INVOICE = "credit_exceeds_invoice"
    CHANGED_AFTER_POSTING = "changed_after_posting"
    ORDER_DELETED = "order_deleted"
    AMOUNTS_DIFFER_FROM_ERP = "amounts_differ_from_erp"
    CONFLICT_IN_ERP = "conflict_in_erp"
    DUPLICATED = "duplicated"
    REFUSED_BY_ERP = "refused_by_erp"
    RIGHTS_MISSING = "rights_missing"
    UNKNOWN_OUTCOME = "unknown_outcome"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True)
class Explanation:
    """What the bookkeeper reads: one sentence what is wrong, one what to do."""

    sentence: str
    remedy: str


_RELEASE = "then release it (`mlc holds release`)"
_CORRECT = "correct the mapping (`mlc mapping diff` shows what changes, `mlc mapping apply` puts it in force)"
_RESOLVE = "say so with `mlc holds resolve`"

EXPLANATIONS: dict[HoldReason, Explanation] = {
    HoldReason.NO_MAPPING: Explanation(
        "No mapping has been applied for this flow, or the mapping has no rule for this kind of line.",
        f"Add the rule and {_CORRECT}, {_RELEASE}.",
    ),
    HoldReason.ACCOUNT_UNKNOWN: Explanation(
        "The mapping gives no account for a line, or the ERP does not know the account it gives.",
        f"Create the account in the ERP, or {_CORRECT}; {_RELEASE}.",
    ),
    HoldReason.TAX_CODE_UNKNOWN: Explanation(
        "A tax of the order has no tax code in the mapping, or the ERP does not know the code.",
        f"Map the store's tax rate to a tax code of the ERP under `taxes` and {_CORRECT}; {_RELEASE}.",
    ),
    HoldReason.STATUS_UNKNOWN: Explanation(
        "The order has a status that the mapping neither counts as paid nor as open nor as cancelled.",
        f"List the status under `statuses` and {_CORRECT}; {_RELEASE}.",
    ),
    HoldReason.CURRENCY_NOT_MAPPED: Explanation(
        "The order is in a currency that this flow does not post.",
        "Allow it under `currencies`, with a project that bills in it under `project.by_currency`, and "
        f"{_CORRECT}; {_RELEASE}.",
    ),
    HoldReason.BAD_DATA: Explanation(
        "The store sent a record that cannot be read as an order or refund.",
        "Open the order in the store, correct it and save it again; the next event replaces this one by itself.",
    ),
    HoldReason.TO_BE_READ: Explanation(
        "The order was released, and what the mapping needs of it is being read from the store.",
        "Nothing: it goes on by itself within a minute. If it stays, see that the poller runs (`mlc run poller`), "
        f"{_RELEASE}.",
    ),
    HoldReason.DOES_NOT_BALANCE: Explanation(
        "The lines and taxes of the order do not add up to its total, by more than the tolerance of the mapping.",
        "Correct the order in the store and save it; or, if the difference is right, raise `rounding.tolerance` and "
        f"{_CORRECT}, {_RELEASE}.",
    ),
    HoldReason.AMOUNT_NOT_REPRESENTABLE: Explanation(
        "An amount is finer than the smallest unit of its currency.",
        "Set the number of decimals in the store to that of the currency and save the order again; or book it by "
        f"hand in the ERP and {_RESOLVE} (`--as posted`).",
    ),
    HoldReason.PARTY_MISSING: Explanation(
        "The buyer has no firm in the ERP and may not be created there.",
        f"Create the firm in the ERP with our key, or add the buyer to `firms.table` and {_CORRECT}; {_RELEASE}.",
    ),
    HoldReason.FIRM_AMBIGUOUS: Explanation(
        "More than one firm in the ERP fits the buyer.",
        f"Name the right firm under `firms.table` and {_CORRECT}; {_RELEASE}.",
    ),
    HoldReason.GUEST_NOT_ALLOWED: Explanation(
        "The order is a guest's, and the mapping holds guest orders.",
        f"Let `guests` post them, or add the buyer's e-mail to `firms.table`, and {_CORRECT}; {_RELEASE}.",
    ),
    HoldReason.PROJECT_MISSING: Explanation(
        "No active project in the ERP is billed to this firm, or the project does not exist.",
        f"Create or correct the project in the ERP, or name another and {_CORRECT}; {_RELEASE}.",
    ),
    HoldReason.PROJECT_AMBIGUOUS: Explanation(
        "Several active projects are billed to this firm.",
        f"Leave one of them active in the ERP, or name the project and {_CORRECT}; {_RELEASE}.",
    ),
    HoldReason.PROJECT_INACTIVE: Explanation(
        "The project is not active, not ready for processing, or has phases that must be charged instead.",
        f"Activate the project in the ERP, or name its lowest level and {_CORRECT}; {_RELEASE}.",
    ),
    HoldReason.PERIOD_CLOSED: Explanation(
        "The accounting period of the document's date is closed in the ERP.",
        f"Reopen the period in the ERP, or set `period: next_open` and {_CORRECT}; {_RELEASE}.",
    ),
    HoldReason.NO_INVOICE: Explanation(
        "A refund has no invoice of ours to credit (for example an order from before the cut-over date).",
        f"Credit it by hand in the ERP and {_RESOLVE} (`--as posted`).",
    ),
    HoldReason.CREDIT_EXCEEDS_INVOICE: Explanation(
        "The credits of this order would exceed what was invoiced.",
        "Compare the refunds in the store with the credits in the ERP (`mlc holds show`); settle it there and "
        f"{_RESOLVE} (`--as posted`), or correct the refund, {_RELEASE}.",
    ),
    HoldReason.CHANGED_AFTER_POSTING: Explanation(
        "The order was changed in the store after its document was posted, and this change is not adjusted by itself.",
        f"Post the difference by hand in the ERP and {_RESOLVE} (`--as posted`); or set `after_posting: adjust` and "
        f"{_CORRECT}, {_RELEASE}.",
    ),
    HoldReason.ORDER_DELETED: Explanation(
        "A paid order was deleted or put into the trash in the store.",
        f"Restore it in the store, or reverse it by hand in the ERP and {_RESOLVE} (`--as closed`).",
    ),
    HoldReason.AMOUNTS_DIFFER_FROM_ERP: Explanation(
        "What the ERP stored differs from what we sent.",
        f"Compare the document in the ERP with `mlc holds show`; correct or delete it there, {_RELEASE}; or, where it "
        f"is posted and made right by hand, {_RESOLVE} (`--as posted`).",
    ),
    HoldReason.CONFLICT_IN_ERP: Explanation(
        "The ERP already holds another document under our number.",
        f"Find out who made it; renumber or remove it in the ERP, {_RELEASE}; or, if it is this very sale, {_RESOLVE} "
        "(`--as posted`).",
    ),
    HoldReason.DUPLICATED: Explanation(
        "More than one document with our key is in the ERP.",
        f"Keep one, reverse the others in the ERP, {_RELEASE}; or, where all is settled by hand, {_RESOLVE} "
        "(`--as posted`).",
    ),
    HoldReason.REFUSED_BY_ERP: Explanation(
        "The ERP refused the document; its sentence is in the detail.",
        f"Correct what the sentence names, in the ERP or in the mapping, {_RELEASE}.",
    ),
    HoldReason.RIGHTS_MISSING: Explanation(
        "The ERP user of the connection lacks the right to do this.",
        f"Give the role the right (for Deltek: Transaction Entry and Posting), {_RELEASE}.",
    ),
    HoldReason.UNKNOWN_OUTCOME: Explanation(
        "A write was sent, no answer came, and looking has not settled it.",
        "Look for the number in the ERP and say what you find: `mlc holds resolve` with `--as posted`, `--as absent` "
        "or `--as closed`.",
    ),
    HoldReason.INTERNAL_ERROR: Explanation(
        "A defect of ours stopped this order; nothing was posted for this step.",
        f"Report it with the order's number; install the release that mends it, {_RELEASE}.",
    ),
}
