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


EXPLANATIONS: dict[HoldReason, Explanation] = {
    HoldReason.NO_MAPPING: Explanation(
        "No mapping has been applied for this flow, or the mapping has no rule for this kind of line.",
        "Add the rule to the mapping file, check it with `mlc mapping check`, apply it with `mlc mapping apply`.",
    ),
    HoldReason.ACCOUNT_UNKNOWN: Explanation(
        "The mapping gives no account for a line, or the ERP does not know the account it gives.",
        "Correct the account in the mapping, or create the account in the ERP, then release.",
    ),
    HoldReason.TAX_CODE_UNKNOWN: Explanation(
        "A tax of the order has no tax code in the mapping, or the ERP does not know the code.",
        "Map the store's tax rate to a tax code of the ERP under `taxes`, then release.",
    ),
    HoldReason.STATUS_UNKNOWN: Explanation(
        "The order has a status that the mapping neither counts as paid nor as open nor as cancelled.",
        "List the status under `statuses` in the mapping, then release.",
    ),
    HoldReason.CURRENCY_NOT_MAPPED: Explanation(
        "The order is in a currency that this flow does not post.",
        "Allow the currency in the mapping (with its project where the ERP bills by project currency), then release.",
    ),
    HoldReason.BAD_DATA: Explanation(
        "The store sent a record that cannot be read as an order or refund.",
        "Open the order in the store, correct it and save it again; the next event replaces this one.",
    ),
    HoldReason.DOES_NOT_BALANCE: Explanation(
        "The lines and taxes of the order do not add up to its total, by more than the tolerance of the mapping.",
        "Compare the order in the store; correct it there, or raise `rounding.tolerance` if the difference is right.",
    ),
    HoldReason.AMOUNT_NOT_REPRESENTABLE: Explanation(
        "An amount is finer than the smallest unit of its currency.",
        "Set the number of decimals in the store to that of the currency and save the order again.",
    ),
    HoldReason.PARTY_MISSING: Explanation(
        "The buyer has no firm in the ERP and may not be created there.",
        "Create the firm with our key, or add the buyer to `firms.table` in the mapping, then release.",
    ),
    HoldReason.FIRM_AMBIGUOUS: Explanation(
        "More than one firm in the ERP fits the buyer.",
        "Name the right firm under `firms.table` in the mapping, then release.",
    ),
    HoldReason.GUEST_NOT_ALLOWED: Explanation(
        "The order is a guest's, and the mapping holds guest orders.",
        "Set `guests` in the mapping to a policy that posts them, or add the buyer's e-mail to `firms.table`.",
    ),
    HoldReason.PROJECT_MISSING: Explanation(
        "No active project in the ERP is billed to this firm, or the project does not exist.",
        "Create or correct the project in the ERP, or name it in the mapping, then release.",
    ),
    HoldReason.PROJECT_AMBIGUOUS: Explanation(
        "Several active projects are billed to this firm.",
        "Name the project for this firm in the mapping, then release.",
    ),
    HoldReason.PROJECT_INACTIVE: Explanation(
        "The project is not active, not ready for processing, or has phases that must be charged instead.",
        "Activate the project in the ERP or name its lowest level in the mapping, then release.",
    ),
    HoldReason.PERIOD_CLOSED: Explanation(
        "The accounting period of the document's date is closed in the ERP.",
        "Reopen the period, or set `period: next_open` in the mapping, then release.",
    ),
    HoldReason.NO_INVOICE: Explanation(
        "A refund has no invoice of ours to credit (for example an order from before the cut-over date).",
        "Credit it by hand in the ERP and resolve this hold.",
    ),
    HoldReason.CREDIT_EXCEEDS_INVOICE: Explanation(
        "The credits of this order would exceed what was invoiced.",
        "Compare the refunds in the store with the credits in the ERP, then resolve this hold or release it.",
    ),
    HoldReason.CHANGED_AFTER_POSTING: Explanation(
        "The order was changed in the store after its document was posted.",
        "Post the difference by hand in the ERP and resolve this hold.",
    ),
    HoldReason.ORDER_DELETED: Explanation(
        "A paid order was deleted or put into the trash in the store.",
        "Restore it in the store, or reverse it by hand in the ERP and resolve this hold.",
    ),
    HoldReason.AMOUNTS_DIFFER_FROM_ERP: Explanation(
        "What the ERP stored differs from what we sent.",
        "Compare the document in the ERP with `mlc audit show`; correct or delete it there, then release.",
    ),
    HoldReason.CONFLICT_IN_ERP: Explanation(
        "The ERP already holds another document under our number.",
        "Find out who made it; renumber or remove it in the ERP, then release.",
    ),
    HoldReason.DUPLICATED: Explanation(
        "More than one document with our key is in the ERP.",
        "Keep one, reverse the others in the ERP, then resolve this hold.",
    ),
    HoldReason.REFUSED_BY_ERP: Explanation(
        "The ERP refused the document; its sentence is in the detail.",
        "Correct what the sentence names, in the ERP or in the mapping, then release.",
    ),
    HoldReason.RIGHTS_MISSING: Explanation(
        "The ERP user of the connection lacks the right to do this.",
        "Give the role the right (for Deltek: Transaction Entry and Posting), then release.",
    ),
    HoldReason.UNKNOWN_OUTCOME: Explanation(
        "A write was sent, no answer came, and looking has not settled it.",
        "Look for the number in the ERP and say what you find.",
    ),
    HoldReason.INTERNAL_ERROR: Explanation(
        "A defect of ours stopped this order; nothing was posted for this step.",
        "Report it with the order's number; release it after the fix.",
    ),
}
