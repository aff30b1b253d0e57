"""What the mapping says of an order: asked from the mapper's own pure decisions, by entry point, without its state.

Only whether something ought to be in the books, and by which rule not; never an amount.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any

import structlog

from mlc_common.errors import ConfigurationError
from mlc_common.reconciling import Numbering, SaleFact
from mlc_reconciler.evidence import Rule, Ruling

_log = structlog.get_logger(__name__)

GROUP = "mlc.mappings"

CUT_OVER = "before_cut_over"


def offered(name: str) -> Any:
    """What the mapper offers under a name.

    Raises:
        ConfigurationError: it is not installed.
    """
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        raise ConfigurationError("the mapper is not installed; install services/mapper")
    return found[0].load()


class Rules:
    """One mapping's rules.

    Args:
        mapping: As the mapper loaded it.
        preview: The mapper's preview of one stored record.
    """

    def __init__(self, mapping: Any, preview: Callable[[dict[str, Any], Any], dict[str, Any]]) -> None:
        self.mapping = mapping
        self._preview = preview

    @classmethod
    def of(cls, text: str) -> Rules:
        """The rules of a mapping file's text.

        Raises:
            ConfigurationError: the mapper is not installed, or the text is no mapping.
        """
        return cls(offered("load")(text), offered("preview"))

    @property
    def numbering(self) -> Numbering:
        """How its documents are numbered."""
        numbers = self.mapping.numbering
        return Numbering(numbers.store_code, numbers.invoice_prefix)

    def ruling(self, sale: SaleFact) -> Ruling:
        """What of a sale ought to be in the books; everything, where it cannot be mapped.

        One order that the mapper cannot read, for whatever reason, must not keep all others from being compared: the
        mapper holds it, and then the ledger explains it; or it is missing, and is named.
        """
        try:
            answer = self._preview(dict(sale.record), self.mapping)
        except Exception as error:
            _log.warning("reconcile.cannot_be_mapped", order=sale.id, error=type(error).__name__)
            return Ruling(perhaps=self._perhaps(sale))
        rules = {left["subject"]: Rule(left["rule"], left["detail"]) for left in answer["excluded"]}
        refunds = {refund.id: rules[f"refund:{refund.id}"] for refund in sale.refunds if f"refund:{refund.id}" in rules}
        return Ruling(sale=rules.get(f"order:{sale.id}"), refunds=refunds, perhaps=self._perhaps(sale))

    def _perhaps(self, sale: SaleFact) -> Rule | None:
        """Without a payment date, the sale is dated by when it was first seen paid: that may be before the cut-over."""
        placed, cut_over = self.mapping.local_date(sale.created), self.mapping.cut_over
        if sale.paid_at is not None or placed >= cut_over:
            return None
        return Rule(CUT_OVER, f"placed on {placed}, before the cut-over {cut_over}, without a payment date")


def numberings_of(texts: Sequence[str]) -> list[Numbering]:
    """Each numbering of these mapping files once: what was posted under an older one is ours, too."""
    found: dict[Numbering, None] = {}
    for text in texts:
        try:
            found[Rules.of(text).numbering] = None
        except ConfigurationError as error:  # of a release that knew other fields
            _log.warning("reconcile.mapping_cannot_be_read", detail=str(error))
    return list(found)
