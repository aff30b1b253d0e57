"""From WooCommerce's JSON to the values of ``order``: only what accounting needs, every amount checked.

Never raises for what a store may say: an order or refund that cannot be read becomes one with a ``defect``, which the
mapping turns into a hold with the field's name.
"""

from __future__ import annotations

from datetime import UTC, datetime

from mlc_common.accounting import Address
from mlc_common.errors import Held
from mlc_mapper.woocommerce import fields, text
from mlc_mapper.woocommerce.fields import Json
from mlc_mapper.woocommerce.order import (
    Buyer,
    Picture,
    RefundStub,
    StoreLine,
    StoreLineKind,
    StoreOrder,
    StoreRate,
    StoreRefund,
    StoreTax,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Modification time of an order that states none: older than anything else."""

_LISTS: tuple[tuple[str, StoreLineKind], ...] = (
    ("line_items", "item"),
    ("shipping_lines", "shipping"),
    ("fee_lines", "fee"),
)


def read_picture(record: Json, order_id: int) -> Picture:
    """Read an order as the REST API or a webhook shows it.

    Args:
        record: The order's JSON.
        order_id: Its id, already checked.
    """
    status = text.plain(record.get("status"))
    digest, modified, paid_at, order, defect = "", EPOCH, None, None, ""
    try:
        digest = fields.digest(record)
        modified = _modified(record)
        paid_at = fields.instant(record, "date_paid_gmt", "")
        if not status:
            raise fields.bad_data("status", "no status is given")
        order = _order(record, order_id)
    except Held as held:
        defect = held.detail
    return Picture(
        order_id=order_id,
        modified=modified,
        digest=digest,
        status=status,
        paid_at=paid_at,
        order=order,
        defect=defect,
    )


def read_refund(record: Json) -> StoreRefund | None:
    """Read a refund of ``/orders/{id}/refunds``; None where not even its id can be read."""
    refund_id = record.get("id")
    if not fields.is_id(refund_id):
        return None
    assert isinstance(refund_id, int)
    where = f"refund {refund_id}"
    try:
        amount = fields.amount(record, "amount", where)
        if amount < 0:
            raise fields.bad_data(f"{where}.amount", f"{amount} is negative; a refund's amount is what was paid back")
        return StoreRefund(
            id=refund_id,
            amount=amount,
            created=_created(record, where),
            reason=text.plain(record.get("reason")),
            lines=_lines(record, where),
            rates=_rates(record, where),
        )
    except Held as held:
        return StoreRefund(id=refund_id, defect=held.detail)


def _modified(record: Json) -> datetime:
    found = fields.instant(record, "date_modified_gmt", "") or fields.instant(record, "date_created_gmt", "")
    if found is None:
        raise fields.bad_data("date_modified_gmt", "no modification time is given")
    return found


def _created(record: Json, where: str) -> datetime:
    found = fields.instant(record, "date_created_gmt", where)
    if found is None:
        raise fields.bad_data(f"{where}.date_created_gmt", "no date is given")
    return found


def _order(record: Json, order_id: int) -> StoreOrder:
    currency = text.plain(record.get("currency"))
    if not currency:
        raise fields.bad_data("currency", "no currency is given")
    return StoreOrder(
        id=order_id,
        number=text.plain(record.get("number")) or str(order_id),
        currency=currency,
        total=fields.amount(record, "total", ""),
        total_tax=fields.amount(record, "total_tax", "", default="0"),
        buyer=_buyer(record),
        lines=_order_lines(record),
        rates=_rates(record, ""),
        stubs=_stubs(record),
    )


def _buyer(record: Json) -> Buyer:
    billing = record.get("billing")
    if billing is None:
        billing = {}
    if not isinstance(billing, dict):
        raise fields.bad_data("billing", "an object is expected")

    def field(key: str) -> str:
        # WooCommerce does not encode address fields, but importers and plugins write entities into them
        return text.unescape(text.plain(billing.get(key)))

    return Buyer(
        customer_id=fields.optional_id(record.get("customer_id")),
        first_name=field("first_name"),
        last_name=field("last_name"),
        company=field("company"),
        email=text.plain(billing.get("email")),
        phone=text.plain(billing.get("phone")),
        billing=Address(
            line1=field("address_1"),
            line2=field("address_2"),
            city=field("city"),
            state=field("state"),
            postcode=field("postcode"),
            country=field("country"),
        ),
    )


def _order_lines(record: Json) -> tuple[StoreLine, ...]:
    """The lines of an order; their ids tell which of them a refund returns."""
    lines, seen = _lines(record, ""), set[int]()
    for line in lines:
        if line.id in seen:
            raise fields.bad_data(line.source, "two lines have this id")
        seen.add(line.id)
    return lines


def _lines(record: Json, where: str) -> tuple[StoreLine, ...]:
    return tuple(
        _line(line, kind, f"{where}.{key}[{index}]" if where else f"{key}[{index}]")
        for key, kind in _LISTS
        for index, line in enumerate(fields.objects(record, key, where))
    )


def _line(line: Json, kind: StoreLineKind, where: str) -> StoreLine:
    total = fields.amount(line, "total", where)
    item = kind == "item"
    return StoreLine(
        kind=kind,
        id=fields.identifier(line, "id", where),
        name=text.name(line.get("method_title" if kind == "shipping" else "name")),
        product_id=fields.optional_id(line.get("product_id")),
        variation_id=fields.optional_id(line.get("variation_id")),
        sku=text.plain(line.get("sku")),
        method=text.plain(line.get("method_id")),
        quantity=fields.amount(line, "quantity", where, default="1"),
        subtotal=fields.amount(line, "subtotal", where, default=str(total)) if item else total,
        total=total,
        total_tax=fields.amount(line, "total_tax", where, default="0"),
        taxes=_taxes(line, where),
        refers_to=_refers_to(line, where),
    )


def _taxes(line: Json, where: str) -> tuple[StoreTax, ...]:
    return tuple(
        StoreTax(
            rate_id=text.plain(tax.get("id")), total=fields.amount(tax, "total", f"{where}.taxes[{index}]", default="0")
        )
        for index, tax in enumerate(fields.objects(line, "taxes", where))
    )


def _rates(record: Json, where: str) -> tuple[StoreRate, ...]:
    return tuple(
        StoreRate(rate_id=text.plain(rate.get("rate_id")), code=text.plain(rate.get("rate_code")))
        for rate in fields.objects(record, "tax_lines", where)
    )


def _refers_to(line: Json, where: str) -> int:
    """The order's line that a refund's line returns: meta ``_refunded_item_id``, text or number (facts §9)."""
    for meta in fields.objects(line, "meta_data", where):
        if meta.get("key") == "_refunded_item_id":
            return fields.optional_id(meta.get("value"))
    return 0


def _stubs(record: Json) -> tuple[RefundStub, ...]:
    """The refunds that an order lists, by id; their totals are negative there, and ``-0.00`` for zero (facts §6)."""
    found = {}
    for index, stub in enumerate(fields.objects(record, "refunds", "")):
        where = f"refunds[{index}]"
        refund_id = fields.identifier(stub, "id", where)
        found[refund_id] = RefundStub(id=refund_id, total=abs(fields.amount(stub, "total", where)))
    return tuple(found[refund_id] for refund_id in sorted(found))
