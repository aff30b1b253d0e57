"""The audit index: what the log holds, row by row, hash-chained and signed, so that a change is seen a year later.

``rows`` and ``facts`` make rows of records (pure), ``walk`` compares rows with the log (pure), ``signing`` and ``keys``
hold the key of the checkpoints, ``verification``, ``export`` and ``story`` are what `mlc audit` shows. Described for
auditors in docs/audit.md. Never in here: a body, personal data, a secret, a decision about accounting.
"""

from mlc_common.audit.rows import AuditRow, chained, genesis, record_digest, row_of

CONSUMER = "auditor"
"""Whose positions say how far the index is."""

__all__ = ["CONSUMER", "AuditRow", "chained", "genesis", "record_digest", "row_of"]
