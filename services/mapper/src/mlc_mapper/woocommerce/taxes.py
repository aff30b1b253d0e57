"""The taxes of one line per tax code, adding up exactly to what the store charged on the line. Pure.

The line's ``total_tax`` is the truth; its ``taxes[]`` only say how it is divided, unrounded before WooCommerce 10 and
off by a unit with 0 decimals (WooCommerce facts §6, §18). Nothing is recomputed from rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NoReturn

from mlc_common.accounting import HoldReason, Tax
from mlc_common.errors import Held
from mlc_common.money import allocate, quantise
from mlc_mapper.mapping import Mapping
from mlc_mapper.woocommerce.order import StoreLine, StoreRate

_ZERO = Decimal(0)
_NO_RATE = "Recalculate the order's taxes in the store; or post it by hand in the ERP and resolve this hold."


def split_taxes(
    line: StoreLine,
    rates: Sequence[StoreRate],
    mapping: Mapping,
    *,
    currency: str,
    sign: int = 1,
    sold: Sequence[Tax] = (),
) -> tuple[Tax, ...]:
    """Divide a line's tax over tax codes.

    Args:
        line: The line as the store said it.
        rates: The rates that the order (and the refund) name.
        mapping: Rates to codes.
        currency: Of the order; decides the minor unit.
        sign: -1 for a refund's line, whose amounts the store writes negative.
        sold: The taxes of the sold line; a refunded tax goes back on its codes, whatever the rates are mapped to now.

    Raises:
        Held: a tax has no code in the mapping (``tax_code_unknown``).
    """
    amount = quantise(sign * line.total_tax, currency)
    basis = quantise(sign * line.total, currency)
    charged = [(tax.rate_id, sign * tax.total) for tax in line.taxes if tax.total]
    mixed = any(one > 0 for _, one in charged) and any(one < 0 for _, one in charged)
    if not amount and not mixed:
        return ()
    charged = charged or [(tax.rate_id, _ZERO) for tax in line.taxes]
    if not charged and sold:
        return like(sold, amount, basis, currency)
    if not charged:
        raise _unknown(f"{line.label} carries a tax of {amount} {currency} and names no rate", _NO_RATE)
    targets = [mapping.taxes.target(rate_id, _code(rate_id, rates)) for rate_id, _ in charged]
    if sold and {target.code if target else "" for target in targets} - {tax.code for tax in sold}:
        return like(sold, amount, basis, currency)
    parts = divide(amount, [one for _, one in charged], currency)
    known = [target or _missing(line, charged[at][0], rates) for at, target in enumerate(targets)]
    booked = {tax.code: tax.account for tax in sold}
    return _merged([(target.code, booked.get(target.code, target.account)) for target in known], parts, basis)


def like(sold: Sequence[Tax], amount: Decimal, basis: Decimal, currency: str) -> tuple[Tax, ...]:
    """Divide a tax over the codes of the sold line, in proportion to what was charged."""
    parts = divide(amount, [tax.amount for tax in sold], currency)
    return tuple(
        tax.model_copy(update={"amount": part, "basis": basis}) for tax, part in zip(sold, parts, strict=True) if part
    )


def divide(amount: Decimal, shares: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Divide ``amount`` like ``shares``, exactly; shares of both signs keep theirs."""
    if len(shares) == 1:
        return [quantise(amount, currency)]
    if all(share >= 0 for share in shares) or all(share <= 0 for share in shares):
        return allocate(amount, [abs(share) for share in shares], currency)
    parts = [quantise(share, currency) for share in shares]
    rest = allocate(amount - sum(parts, _ZERO), [abs(share) for share in shares], currency)
    return [part + more for part, more in zip(parts, rest, strict=True)]


def _code(rate_id: str, rates: Sequence[StoreRate]) -> str:
    return next((rate.code for rate in rates if rate.rate_id == rate_id), "")


def _missing(line: StoreLine, rate_id: str, rates: Sequence[StoreRate]) -> NoReturn:
    code = _code(rate_id, rates)
    fix = f"Add {code or rate_id!r} under taxes.by_rate, then release."
    raise _unknown(f"{line.label} is taxed by {code or f'rate id {rate_id}'}", fix)


def _merged(targets: list[tuple[str, str]], parts: list[Decimal], basis: Decimal) -> tuple[Tax, ...]:
    """One tax per code and account; codes that come to nothing are left out."""
    sums: dict[tuple[str, str], Decimal] = {}
    for target, part in zip(targets, parts, strict=True):
        sums[target] = sums.get(target, _ZERO) + part
    return tuple(
        Tax(code=code, account=account, amount=amount, basis=basis)
        for (code, account), amount in sums.items()
        if amount
    )


def _unknown(detail: str, fix: str) -> Held:
    return Held(HoldReason.TAX_CODE_UNKNOWN, detail, fix=fix)
