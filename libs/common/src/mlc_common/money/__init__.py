"""Exact amounts: quantise by the currency's minor unit, parse what stores send, split without losing a cent.

Never a float, never a silent rounding: ``quantise`` says by how much it moved, ``exact`` refuses to move at all.
Minor units come from CLDR by way of Babel (ISO 4217).
"""

from mlc_common.money.allocation import allocate
from mlc_common.money.amounts import (
    AmountError,
    exact,
    is_currency,
    minor_unit,
    parse_amount,
    quantise,
    shown,
)

__all__ = ["AmountError", "allocate", "exact", "is_currency", "minor_unit", "parse_amount", "quantise", "shown"]
